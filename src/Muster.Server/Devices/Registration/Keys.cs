using System.Security.Cryptography;
using System.Text;

namespace Muster.Server.Devices.Registration;

/// <summary>Device keys. Only their SHA-256 is stored: they are random and long, so a fast hash is enough.</summary>
internal static class Keys
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>Longer than any key that a device makes for itself.</summary>
    public const int MaxLength = 512;

    /// <summary>A shorter key could be guessed.</summary>
    public const int MinLength = 16;

    /// <summary>What is wrong with a key that a device chose for itself; null when it can be used.</summary>
    public static string? Problem(string key) => key.Length switch
    {
        < MinLength => $"The API key must have at least {MinLength} characters.",
        > MaxLength => $"The API key must not be longer than {MaxLength} characters.",
        _ => null,
    };

    public static string New() => RandomNumberGenerator.GetString(Alphabet, 32);

    public static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
