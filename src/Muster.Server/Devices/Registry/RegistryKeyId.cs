using System.Security.Cryptography;
using System.Text;

namespace Muster.Server.Devices.Registry;

/// <summary>
/// The id by which a registry finds the certificate that a token was signed for: 240 bits of the SHA-256 of the public key
/// (DER, SubjectPublicKeyInfo) in base 32, as twelve groups of four letters. A registry makes it of its own certificate, so
/// nobody has to be told.
/// </summary>
internal static class RegistryKeyId
{
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    private const int Bytes = 30;
    private const int BitsOfLetter = 5;
    private const int LettersOfGroup = 4;

    public static string Of(ECDsa key)
    {
        var hash = SHA256.HashData(key.ExportSubjectPublicKeyInfo());
        var text = new StringBuilder();
        for (var bit = 0; bit < Bytes * 8; bit += BitsOfLetter)
        {
            if (bit > 0 && bit % (BitsOfLetter * LettersOfGroup) == 0)
                text.Append(':');
            var index = 0;
            for (var i = bit; i < bit + BitsOfLetter; i++)
                index = (index << 1) | ((hash[i / 8] >> (7 - (i % 8))) & 1);
            text.Append(Letters[index]);
        }

        return text.ToString();
    }
}
