using System.Security.Cryptography;
using System.Text;

namespace Muster.Server.Devices.Registration;

/// <summary>Device keys. Only their SHA-256 is stored: they are random and long, so a fast hash is enough.</summary>
internal static class Keys
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>Longer than any key that a device makes for itself.</summary>
    public const int MaxLength = 512;

    public static string New() => RandomNumberGenerator.GetString(Alphabet, 32);

    public static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
