using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Muster.Server.Hosting;
using Muster.Server.Resources.Accounts;
using Muster.Simulator.Demo;
using Muster.Simulator.Fleet;

namespace Muster.Server;

/// <summary>
/// <c>--demo N</c>: a simulated, living fleet beside the server, that speaks to it over the loopback like any other. Its
/// account, keys and seed are kept in <c>demo.json</c> of the data directory, so that a restart has the same devices.
/// </summary>
internal static partial class Demo
{
    private const string Email = "demo@muster.local";
    private const string Organization = "demo";
    private const string File = "demo.json";
    private const string Tunnels = "Demo:Cloudlink";
    private const string ProxyPort = "Cloudlink:ProxyPort";
    private const string ProxyKey = "Cloudlink:ProxyKey";

    /// <summary>Adds the demo when it is asked for, and then shortens the server's patience unless that was set.</summary>
    /// <exception cref="SettingException"><c>--demo</c> is no number.</exception>
    public static WebApplicationBuilder AddDemo(this WebApplicationBuilder builder)
    {
        if (builder.Configuration["demo"] is not { Length: > 0 } text)
            return builder;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var devices) || devices is < 1 or > 100_000)
            throw new SettingException($"--demo takes a number of devices from 1 to 100000, not '{text}'.");
        var proxy = builder.Configuration[Tunnels] switch
        {
            null or "" or "websocket" => null,
            "proxy" => Proxy(builder.Configuration),
            var other => throw new SettingException($"{Tunnels} is websocket or proxy, not '{other}'."),
        };
        var wanted = new Dictionary<string, string?>
        {
            ["Presence:PollIntervalFloor"] = "00:00:01",
            ["Presence:TimeoutMargin"] = DemoFleet.TimeoutMargin.ToString("c", CultureInfo.InvariantCulture),
            ["Presence:OfflineAfter"] = DemoFleet.OfflineAfter.ToString("c", CultureInfo.InvariantCulture),
            [ProxyPort] = proxy?.Port.ToString(CultureInfo.InvariantCulture),
            ["Cloudlink:WebSocket:Ping"] = "00:00:05",
            ["Cloudlink:WebSocket:Keepalive"] = "00:00:12",
            ["Cloudlink:WebSocket:Resume"] = "00:00:03",
        };
        builder.Configuration.AddInMemoryCollection(wanted.Where(w => w.Value is not null && builder.Configuration[w.Key] is null));
        builder.Services.AddHostedService(services => new Runner(
            services.GetRequiredService<IHostApplicationLifetime>(), services.GetRequiredService<Microsoft.AspNetCore.Hosting.Server.IServer>(),
            services.GetRequiredService<People>(), services.GetRequiredService<DataDirectory>(), services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<Runner>>(), proxy, devices));
        return builder;
    }

    /// <summary>The simulated tunnel server's, on the port and with the key that are configured; else on a free one, with a new one.</summary>
    private static ConnectProxy Proxy(ConfigurationManager configuration)
    {
        if (string.IsNullOrEmpty(configuration[ProxyKey]))
            configuration.AddInMemoryCollection(new Dictionary<string, string?> { [ProxyKey] = Secret(32) });
        if (!ushort.TryParse(configuration[ProxyPort] ?? "0", NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            throw new SettingException($"{ProxyPort} is a port, not '{configuration[ProxyPort]}'.");
        try
        {
            return ConnectProxy.Listen(port, configuration[ProxyKey]!);
        }
        catch (IOException e)
        {
            throw new SettingException(e.Message, e);
        }
    }

    private static string Secret(int characters) => RandomNumberGenerator.GetString("abcdefghjkmnpqrstuvwxyz23456789", characters);

    internal sealed partial class Runner(
        IHostApplicationLifetime lifetime, Microsoft.AspNetCore.Hosting.Server.IServer server, People people, DataDirectory data, TimeProvider time, ILogger<Runner> logger, ConnectProxy? proxy, int devices) : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
            await started.Task.WaitAsync(stoppingToken);
            var address = Address();
            var ca = address.StartsWith("https:", StringComparison.Ordinal) ? data.File("ca.pem") : null;
            try
            {
                var identity = await IdentityAsync();
                await new DemoRun(address, ca, devices, proxy, time).RunAsync(identity, Keep, () => Announce(address, identity), stoppingToken);
            }
            catch (OperatorException e)
            {
                LogRefused(logger, e.Message);
            }
        }

        /// <summary>The first address, as one that can be called; http before https.</summary>
        private string Address()
        {
            var addresses = server.Features.Get<Microsoft.AspNetCore.Hosting.Server.Features.IServerAddressesFeature>()!.Addresses;
            var first = addresses.FirstOrDefault(a => a.StartsWith("http:", StringComparison.Ordinal)) ?? addresses.First();
            var binding = BindingAddress.Parse(first);
            var host = binding.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "127.0.0.1" : binding.Host;
            return string.Create(CultureInfo.InvariantCulture, $"{binding.Scheme}://{host}:{binding.Port}");
        }

        private async Task<DemoIdentity> IdentityAsync()
        {
            var path = data.File(File);
            var kept = System.IO.File.Exists(path) ? JsonSerializer.Deserialize<DemoIdentity>(await System.IO.File.ReadAllTextAsync(path)) : null;
            var identity = kept ?? new DemoIdentity(Email, Secret(16), Organization, Secret(32), Secret(32), null);
            if (kept is null)
                Keep(identity);
            if (await people.FindAsync(Email) is null)
            {
                await people.CreateUserAsync(Email, identity.Password, "demo");
                await people.CreateOrganizationAsync("Demo", Organization, Email);
                await people.CreateServiceKeyAsync("demo tunnels", identity.ServiceKey);
            }
            else if (kept is null)
            {
                // The file was lost, the database was not.
                await people.SetPasswordAsync(Email, identity.Password);
                await people.CreateServiceKeyAsync("demo tunnels", identity.ServiceKey);
            }

            return identity;
        }

        private void Keep(DemoIdentity identity) => data.WriteSecret(File, JsonSerializer.Serialize(identity));

        private void Announce(string address, DemoIdentity identity)
        {
            var fleet = $"{identity.Organization}/{DemoFleet.Name}";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"""

                Demo: {devices} simulated devices in the fleet {fleet}; their statuses change all the time.
                Log-in: {identity.Email} with password {identity.Password}
                Real devices don't belong on this server: it grants only seconds of silence.

                  TOKEN=$(curl -s {address}/login_ -H 'Content-Type: application/json' -d '{"{"}"username":"{identity.Email}","password":"{identity.Password}"{"}"}')
                  # counts per status
                  watch "curl -sgH 'Authorization: Bearer $TOKEN' '{address}/v7/device?\$select=overall_status&\$filter=belongs_to__application/any(a:a/slug%20eq%20%27{Uri.EscapeDataString(fleet)}%27)' | grep -o 'overall_status\":\"[a-z-]*' | sort | uniq -c"
                  # every device
                  curl -sgH "Authorization: Bearer $TOKEN" '{address}/v7/device?$select=device_name,overall_status,overall_progress,update_status,api_heartbeat_state,is_connected_to_vpn&$orderby=device_name%20asc'
                  # every change, as it happens
                  curl -sNH "Authorization: Bearer $TOKEN" {address}/muster/v1/events

                """));
        }

        public override void Dispose()
        {
            proxy?.Dispose();
            base.Dispose();
        }

        [LoggerMessage(Level = LogLevel.Error, Message = "The demo cannot go on: {Reason}")]
        private static partial void LogRefused(ILogger logger, string reason);
    }
}
