using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Muster.Server.Hosting.Https;

/// <summary>
/// Muster's own certificate authority, for devices that are told of it by <c>balenaRootCA</c> in config.json.
/// ECDSA P-256, so that handshakes stay small. Made at the first start with https or with a tunnel gateway, kept in the data directory.
/// </summary>
internal sealed class CertificateAuthority : IDisposable
{
    private const string CertificateFile = "ca.pem";
    private const string KeyFile = "ca-key.pem";
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(365 * 20);
    private static readonly TimeSpan LeafLifetime = TimeSpan.FromDays(365);

    // Devices without a clock of their own may be behind.
    private static readonly TimeSpan Backdated = TimeSpan.FromDays(1);

    private readonly X509Certificate2 certificate;

    private CertificateAuthority(X509Certificate2 certificate) => this.certificate = certificate;

    /// <summary>The authority's certificate, as devices need it.</summary>
    public string Pem => certificate.ExportCertificatePem() + "\n";

    public X509Certificate2 Certificate => certificate;

    public static bool Exists(DataDirectory data) => File.Exists(data.File(CertificateFile));

    /// <exception cref="SettingException">There is a certificate without its key; a new one would lock out every device that trusts it.</exception>
    public static CertificateAuthority OpenOrCreate(DataDirectory data, DateTimeOffset now)
    {
        if (!Exists(data))
            return Create(data, now);
        try
        {
            return new(X509Certificate2.CreateFromPemFile(data.File(CertificateFile), data.File(KeyFile)));
        }
        catch (Exception e) when (e is FileNotFoundException or CryptographicException)
        {
            throw new SettingException($"The certificate authority {data.File(CertificateFile)} has no usable key {KeyFile}; restore it from a backup.", e);
        }
    }

    /// <summary>A certificate for a server with these names and addresses, valid for a year (or to the authority's own end).</summary>
    public X509Certificate2 Issue(IReadOnlyCollection<string> names, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={names.First()}", key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var address))
                alternatives.AddIpAddress(address);
            else
                alternatives.AddDnsName(name);
        }

        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1", "serverAuth")], false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(certificate, true, false));
        var end = now + LeafLifetime;
        var authorityEnd = new DateTimeOffset(certificate.NotAfter);
        using var signed = request.Create(certificate, now - Backdated, end < authorityEnd ? end : authorityEnd, RandomNumberGenerator.GetBytes(16));
        return signed.CopyWithPrivateKey(key);
    }

    public void Dispose() => certificate.Dispose();

    private static CertificateAuthority Create(DataDirectory data, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Muster certificate authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var authority = new CertificateAuthority(request.CreateSelfSigned(now - Backdated, now + Lifetime));
        // The key first: a certificate on disk always has its key.
        data.WriteSecret(KeyFile, key.ExportPkcs8PrivateKeyPem());
        data.WriteSecret(CertificateFile, authority.Pem);
        return authority;
    }
}
