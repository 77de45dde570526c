using System.Buffers.Binary;
using System.Security.Cryptography;
using Muster.Server.Hosting;

namespace Muster.Server.Cloudlink.Ssh;

/// <summary>
/// The key with which Muster logs in to the SSH server of a device's host OS, for people that it has let in. Devices learn
/// its public half from <c>/os/v1/config</c> (<c>services.ssh.authorized_keys</c>). Made at the first start, kept in the
/// data directory; a lost key is replaced, and devices take the new one over within a day.
/// </summary>
internal sealed class DeviceSshKey
{
    /// <summary>In the data directory; PEM, mode 600.</summary>
    public const string FileName = "device-ssh-key.pem";

    private const string Algorithm = "ecdsa-sha2-nistp256";
    private const string Curve = "nistp256";

    private DeviceSshKey(string privateKeyPem, string publicKeyLine) => (PrivateKeyPem, PublicKeyLine) = (privateKeyPem, publicKeyLine);

    /// <summary>PKCS#8, as OpenSSH and SSH.NET read it.</summary>
    public string PrivateKeyPem { get; }

    /// <summary>A line of <c>authorized_keys</c>.</summary>
    public string PublicKeyLine { get; }

    /// <exception cref="SettingException">The file is there and is no key.</exception>
    public static DeviceSshKey OpenOrCreate(DataDirectory data)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (!File.Exists(data.File(FileName)))
            data.WriteSecret(FileName, key.ExportPkcs8PrivateKeyPem() + "\n");
        var pem = File.ReadAllText(data.File(FileName));
        try
        {
            key.ImportFromPem(pem);
            return new(pem, Line(key.ExportParameters(includePrivateParameters: false)));
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            throw new SettingException($"{data.File(FileName)} is no private key; restore it from a backup, or delete it for a new one.", e);
        }
    }

    /// <summary>The wire form of RFC 5656: name, curve, uncompressed point.</summary>
    private static string Line(ECParameters key)
    {
        if (key.Curve.Oid.FriendlyName is not ("nistP256" or "ECDSA_P256"))
            throw new CryptographicException("The key is not on the curve P-256.");
        List<byte> blob = [];
        Add(blob, System.Text.Encoding.ASCII.GetBytes(Algorithm));
        Add(blob, System.Text.Encoding.ASCII.GetBytes(Curve));
        Add(blob, [4, .. key.Q.X!, .. key.Q.Y!]);
        return $"{Algorithm} {Convert.ToBase64String([.. blob])} muster";
    }

    private static void Add(List<byte> blob, ReadOnlySpan<byte> part)
    {
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, part.Length);
        blob.AddRange(length);
        blob.AddRange(part);
    }
}
