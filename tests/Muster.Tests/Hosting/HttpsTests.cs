using System.Collections.Immutable;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Muster.Core.Access;
using Muster.Server;
using Muster.Server.Hosting;
using Muster.Server.Hosting.Https;
using Muster.Server.Resources;
using Muster.Server.Resources.Catalog;

namespace Muster.Tests.Hosting;

public sealed class HttpsTests
{
    [Fact]
    public async Task A_client_that_trusts_the_authority_of_the_data_directory_is_served_over_tls_1_3()
    {
        var data = NewData();
        await using var server = await StartAsync(data);
        var authority = await AuthorityAsync(server);
        Assert.Equal("OK", await GetAsync(server, authority, "/healthz"));

        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(data, "ca-key.pem")));
        Assert.Equal(256, authority.GetECDsaPublicKey()!.KeySize);
    }

    [Fact]
    public async Task A_client_that_does_not_know_the_authority_refuses()
    {
        await using var server = await StartAsync(NewData());
        using var client = new HttpClient();
        var refused = await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(new Uri(server.Urls.First() + "/healthz")));
        Assert.IsType<AuthenticationException>(refused.InnerException);
    }

    [Fact]
    public async Task The_authority_stays_the_same_over_restarts()
    {
        var data = NewData();
        X509Certificate2 before;
        await using (var server = await StartAsync(data))
            before = await AuthorityAsync(server);
        await using (var server = await StartAsync(data))
            Assert.Equal("OK", await GetAsync(server, before, "/healthz"));
    }

    [Fact]
    public async Task A_config_json_for_new_devices_tells_them_of_the_authority_where_they_use_https()
    {
        await using var server = await StartAsync(NewData());
        var (resources, configs) = (server.Services.GetRequiredService<ResourceAccess>(), server.Services.GetRequiredService<DeviceConfigs>());
        var admin = new Caller(CallerKind.User, 1, 1, [], ImmutableDictionary<long, Role>.Empty, IsServerAdmin: true);
        var organization = (await resources.ReadAsync(admin, "organization?$select=id&$top=1"))[0].GetProperty("id").GetInt64();
        var fleet = await resources.CreateAsync(admin, "application", new JsonObject { ["app_name"] = "pumps", ["organization"] = organization, ["is_for__device_type"] = 1 });
        async Task<string?> AuthorityOfAsync(string address) => (string?)(await configs.MakeAsync(admin, new(fleet.GetProperty("id").GetInt64(), new Uri(address))))!.Document["balenaRootCA"];

        var told = Convert.FromBase64String((await AuthorityOfAsync("https://muster.test:8443"))!);
        Assert.Equal((await AuthorityAsync(server)).Thumbprint, X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(told)).Thumbprint);
        Assert.Null(await AuthorityOfAsync("http://muster.test:8080"));
    }

    [Fact]
    public async Task The_certificate_is_renewed_before_it_runs_out()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        // Only what serves certificates: a whole server would live through every tick of the months that pass here.
        var builder = WebApplication.CreateSlimBuilder(["--urls=https://127.0.0.1:0", $"--data={NewData()}"]);
        builder.Services.AddSingleton<TimeProvider>(time).AddSingleton(DataDirectory.Of(builder.Configuration)).AddSingleton<ServerCertificates>();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ApplicationServices.GetRequiredService<ServerCertificates>().Apply(kestrel));
        await using var server = builder.Build();
        server.MapGet("/healthz", () => "OK");
        await server.StartAsync();
        var first = await ServedAsync(server);
        time.Advance(first.NotAfter.ToUniversalTime() - time.GetUtcNow().UtcDateTime - TimeSpan.FromDays(30));
        var second = await ServedAsync(server);
        Assert.True(second.NotAfter > first.NotAfter.AddDays(200), $"{first.NotAfter:u} then {second.NotAfter:u}");
    }

    [Fact]
    public async Task A_given_certificate_is_served_and_no_authority_is_made()
    {
        var data = NewData();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var given = new CertificateRequest("CN=given.test", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(9));
        var (certificate, privateKey) = (Path.Combine(data, "given.pem"), Path.Combine(data, "given-key.pem"));
        await File.WriteAllTextAsync(certificate, given.ExportCertificatePem());
        await File.WriteAllTextAsync(privateKey, key.ExportPkcs8PrivateKeyPem());

        await using var server = await StartAsync(data, $"--certificate={certificate}", $"--certificate-key={privateKey}");
        Assert.Equal(given.Thumbprint, (await ServedAsync(server)).Thumbprint);
        Assert.False(File.Exists(Path.Combine(data, "ca.pem")));
        using var client = Client(anyCertificate: true);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync(new Uri(server.Urls.First() + "/muster/v1/ca.pem"))).StatusCode);
    }

    private static string NewData() => Directory.CreateTempSubdirectory("muster-https-").FullName;

    private static async Task<WebApplication> StartAsync(string data, params string[] further)
    {
        var server = ServerHost.Build(["--urls=https://127.0.0.1:0", $"--data={data}", .. further]);
        await server.StartAsync();
        return server;
    }

    private static async Task<X509Certificate2> AuthorityAsync(WebApplication server)
    {
        using var client = Client(anyCertificate: true);
        return X509Certificate2.CreateFromPem(await client.GetStringAsync(new Uri(server.Urls.First() + "/muster/v1/ca.pem")));
    }

    private static HttpClient Client(bool anyCertificate) =>
        new(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => anyCertificate } });

    private static async Task<string> GetAsync(WebApplication server, X509Certificate2 authority, string path)
    {
        var trust = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        trust.CustomTrustStore.Add(authority);
        using var client = new HttpClient(new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = trust, EnabledSslProtocols = SslProtocols.Tls13 },
        });
        return await client.GetStringAsync(new Uri(server.Urls.First() + path));
    }

    private static async Task<X509Certificate2> ServedAsync(WebApplication server)
    {
        X509Certificate2? served = null;
        using var client = new HttpClient(new SocketsHttpHandler
        {
            SslOptions =
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    served = X509CertificateLoader.LoadCertificate(certificate!.Export(X509ContentType.Cert));
                    return served is not null;
                },
            },
        });
        await client.GetStringAsync(new Uri(server.Urls.First() + "/healthz"));
        return served!;
    }
}
