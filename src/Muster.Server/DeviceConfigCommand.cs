using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Muster.Core.Access;
using Muster.Server.Cloudlink.OpenVpn;
using Muster.Server.Hosting;
using Muster.Server.Hosting.Https;
using Muster.Server.Resources;
using Muster.Server.Resources.Accounts;
using Muster.Server.Resources.Catalog;
using Muster.Storage;
using Muster.Storage.Migrations;

namespace Muster.Server;

/// <summary><c>muster device-config</c>: the config.json of new devices of a fleet, without a running server, or beside it.</summary>
internal static class DeviceConfigCommand
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static Command Create()
    {
        var fleet = new Option<string>("--fleet") { Description = "organization/fleet", Required = true };
        var url = new Option<string>("--url") { Description = "The server's address as devices reach it, as https://muster.example:8443", Required = true };
        var deviceType = new Option<string>("--device-type") { Description = "Slug or alias. Default: the fleet's own" };
        var poll = new Option<int>("--poll-minutes") { Description = "How often devices ask for their target state", DefaultValueFactory = _ => 10 };
        var wifi = new Option<string>("--wifi-ssid") { Description = "For wireless devices" };
        var wifiKey = new Option<string>("--wifi-key") { Description = "For wireless devices" };
        var output = new Option<FileInfo>("--output") { Description = "File to write, for its owner only. Default: printed" };
        var settings = new SettingOptions(SettingOptions.Storage);
        var command = settings.AddTo(new Command("device-config", "Makes a config.json for new devices of a fleet, with a provisioning key of its own. Settings of the server (--Cloudlink:OpenVpn:Port …) may follow.")
        {
            fleet, url, deviceType, poll, wifi, wifiKey, output,
        });
        command.SetAction((parse, cancellation) => MusterCommands.SayFailureAsync(async () =>
        {
            if (!Uri.TryCreate(parse.GetValue(url), UriKind.Absolute, out var server) || (server.Scheme != Uri.UriSchemeHttp && server.Scheme != Uri.UriSchemeHttps))
                throw new SettingException($"--url '{parse.GetValue(url)}' is no http or https address.");
            var configuration = settings.Configuration(parse);
            await using var database = ServerHost.OpenDatabase(configuration);
            await database.ProbeAsync(cancellation);
            Migrator.Migrate(database);
            var slug = parse.GetValue(fleet)!;
            if (await IdAsync(database, "SELECT id FROM fleet WHERE slug = @p0", slug, cancellation) is not { } id)
                throw new SettingException($"There is no fleet {slug}.");
            if (await IdAsync(database, "SELECT min(id) FROM account WHERE is_server_admin = @p0", 1, cancellation) is not { } administrator)
                throw new SettingException("There is no administrator's account yet; 'muster serve' makes one at its first start.");

            var time = TimeProvider.System;
            using var certificates = new ServerCertificates(configuration, DataDirectory.Of(configuration), time, NullLogger<ServerCertificates>.Instance);
            certificates.FindAuthority();
            var gateway = configuration.GetSection("Cloudlink:OpenVpn").Get<OpenVpnOptions>() ?? new();
            if (gateway.IsOn)
                gateway.Check();
            var caller = await new Callers(database, new Sessions(database, new SessionTokens(database, time), time), new(time), time).OfAccountAsync(administrator, cancellation);
            var configs = new DeviceConfigs(new ApiKeys(time), database, configuration, certificates, new OpenVpnEndpoint(gateway, configuration, certificates));
            var config = await MakeAsync(configs, caller, new(id, server)
            {
                DeviceType = parse.GetValue(deviceType),
                PollMinutes = parse.GetValue(poll),
                WifiSsid = parse.GetValue(wifi),
                WifiKey = parse.GetValue(wifiKey),
                KeyName = "muster device-config",
            });
            await WriteAsync(config.Document.ToJsonString(new() { WriteIndented = true }) + "\n", parse.GetValue(output));
        }));
        return command;
    }

    private static async Task<DeviceConfig> MakeAsync(DeviceConfigs configs, Caller caller, DeviceConfigWish wish)
    {
        try
        {
            return await configs.MakeAsync(caller, wish) ?? throw new SettingException("The fleet has just been deleted.");
        }
        catch (ArgumentException e)
        {
            throw new SettingException(e.Message, e);
        }
    }

    private static async Task<long?> IdAsync(Database database, string sql, object value, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(sql, value);
        return await command.ExecuteScalarAsync(cancellation) as long?;
    }

    private static async Task WriteAsync(string document, FileInfo? file)
    {
        if (file is null)
        {
            Console.Write(document);
            return;
        }

        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        await using var writer = new StreamWriter(file.FullName, options);
        await writer.WriteAsync(document);
    }
}
