using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Muster.Server.Hosting.Https;

/// <summary>
/// The certificate that https connections are answered with: the operator's, read anew when its file changes, or one of
/// Muster's own authority, issued at start and again before it runs out. Connections share one context per certificate,
/// because TLS resumption lives in it.
/// </summary>
internal sealed partial class ServerCertificates : IDisposable
{
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(60);
    private static readonly TimeSpan CheckEvery = TimeSpan.FromHours(1);

    private readonly IConfiguration configuration;
    private readonly DataDirectory data;
    private readonly TimeProvider time;
    private readonly ILogger<ServerCertificates> log;
    private readonly string? certificatePath;
    private readonly Lock gate = new();
    private CertificateAuthority? authority;
    private ITimer? timer;
    private DateTime fileChangedAt;
    private volatile Served? current;

    public ServerCertificates(IConfiguration configuration, DataDirectory data, TimeProvider time, ILogger<ServerCertificates> log)
    {
        this.configuration = configuration;
        this.data = data;
        this.time = time;
        this.log = log;
        certificatePath = configuration["certificate"] is { Length: > 0 } path ? path : null;
    }

    /// <summary>The certificate of Muster's own authority; null when there is none.</summary>
    public string? AuthorityPem => authority?.Pem;

    /// <summary>The same, where https connections are answered with a certificate of it; null otherwise.</summary>
    public string? HttpsAuthorityPem { get; private set; }

    /// <summary>Opens Muster's own authority, or makes it at the first start.</summary>
    /// <exception cref="SettingException">Its key is lost.</exception>
    public void MakeAuthority() => Authority();

    /// <summary>A certificate of Muster's own authority for a server of another protocol; it ends after a year.</summary>
    /// <exception cref="SettingException">The authority's key is lost.</exception>
    public X509Certificate2 Issue(IReadOnlyCollection<string> names) => Authority().Issue(names, time.GetUtcNow());

    /// <summary>Without a server: what devices will find under https, as far as the data directory and the settings tell.</summary>
    public void FindAuthority()
    {
        if (certificatePath is null && CertificateAuthority.Exists(data))
            HttpsAuthorityPem = Authority().Pem;
    }

    /// <summary>Gives https addresses their certificate. Nothing is made where nothing is listened on with https.</summary>
    public void Apply(KestrelServerOptions kestrel)
    {
        var urls = configuration["urls"] ?? ServerHost.DefaultUrl;
        var names = HostNames.Of(urls, configuration["hostname"]);
        if (!urls.Contains("https:", StringComparison.OrdinalIgnoreCase))
            return;
        Renew(names);
        timer = time.CreateTimer(_ => RenewOrSay(names), null, CheckEvery, CheckEvery);
        kestrel.ConfigureHttpsDefaults(https =>
        {
            https.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
            https.HandshakeTimeout = TimeSpan.FromSeconds(10);
            https.ServerCertificate = current!.Certificate;
            https.OnAuthenticate = (_, options) => options.ServerCertificateContext = current.Context;
        });
    }

    public void Dispose()
    {
        timer?.Dispose();
        authority?.Dispose();
    }

    private void RenewOrSay(IReadOnlyList<string> names)
    {
        try
        {
            Renew(names);
        }
        catch (Exception e) when (e is SettingException or IOException or UnauthorizedAccessException or CryptographicException)
        {
            LogNotRenewed(e);
        }
    }

    private void Renew(IReadOnlyList<string> names)
    {
        if (certificatePath is not null)
        {
            var changedAt = File.GetLastWriteTimeUtc(certificatePath);
            if (current is null || changedAt != fileChangedAt)
            {
                current = Load(certificatePath, configuration["certificate-key"]);
                fileChangedAt = changedAt;
            }
        }
        else if (current is null || current.Certificate.NotAfter.ToUniversalTime() - time.GetUtcNow().UtcDateTime < RenewBefore)
        {
            current = Served.Of(Authority().Issue(names, time.GetUtcNow()), [Authority().Certificate]);
            HttpsAuthorityPem = AuthorityPem;
            LogIssued(names, current.Certificate.NotAfter);
        }
    }

    private CertificateAuthority Authority()
    {
        lock (gate)
            return authority ??= CertificateAuthority.OpenOrCreate(data, time.GetUtcNow());
    }

    private static Served Load(string path, string? keyPath)
    {
        try
        {
            if (X509Certificate2.GetCertContentType(path) == X509ContentType.Pkcs12)
                return Served.Of(X509CertificateLoader.LoadPkcs12FromFile(path, password: null), []);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(path);
            return Served.Of(X509Certificate2.CreateFromPemFile(path, keyPath), chain);
        }
        catch (CryptographicException e)
        {
            throw new SettingException($"The certificate {path} cannot be used: {e.Message}", e);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Certificate issued for {Names}, valid until {End:u}")]
    private partial void LogIssued(IReadOnlyList<string> names, DateTime end);

    [LoggerMessage(Level = LogLevel.Error, Message = "The server's certificate could not be renewed; the old one stays in use")]
    private partial void LogNotRenewed(Exception e);

    private sealed record Served(X509Certificate2 Certificate, SslStreamCertificateContext Context)
    {
        public static Served Of(X509Certificate2 certificate, X509Certificate2Collection chain) =>
            new(certificate, SslStreamCertificateContext.Create(certificate, chain, offline: true));
    }
}
