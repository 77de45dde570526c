using System.Text;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Server.Cloudlink.OpenVpn;
using Muster.Server.Hosting.Https;
using Muster.Server.Resources.Accounts;
using Muster.Storage;

namespace Muster.Server.Resources.Catalog;

/// <summary>What the <c>config.json</c> of new devices shall say.</summary>
/// <param name="Server">This server's address as devices reach it.</param>
internal sealed record DeviceConfigWish(long FleetId, Uri Server)
{
    /// <summary>Slug or alias; null for the fleet's own.</summary>
    public string? DeviceType { get; init; }

    /// <summary>Bounded to 1 to 1,440.</summary>
    public int PollMinutes { get; init; } = 10;

    /// <summary>Null for wired devices. The keys are those that <c>balena os configure</c> makes a network connection of.</summary>
    public string? WifiSsid { get; init; }

    public string? WifiKey { get; init; }

    public string? KeyName { get; init; }

    public string KeyDescription { get; init; } = "Made for a downloaded config.json";

    /// <summary>When the provisioning key ceases to work, Unix ms; null for never.</summary>
    public long? KeyExpiresAt { get; init; }

    /// <summary>Whether the OS shall run in development mode: open to the local network, with a root console.</summary>
    public bool IsDevelopment { get; init; }

    /// <summary>Whether the installer shall set up secure boot and disk encryption.</summary>
    public bool SecureBoot { get; init; }
}

/// <param name="ProvisioningKey">Also in the document; nobody can read it again.</param>
/// <param name="TrustsOwnAuthority">The document names Muster's own authority, because the address is https and its certificate is of that.</param>
internal sealed record DeviceConfig(JsonObject Document, string ProvisioningKey, bool TrustsOwnAuthority);

/// <summary>Makes the <c>config.json</c> with which stock devices of a fleet find and trust this server, each with a provisioning key of its own.</summary>
internal sealed class DeviceConfigs(ApiKeys keys, Database database, IConfiguration configuration, ServerCertificates certificates, OpenVpnEndpoint gateway)
{
    /// <summary>Null when there is no such fleet or the caller may not develop it.</summary>
    /// <exception cref="ArgumentException">The device type is unknown.</exception>
    public async Task<DeviceConfig?> MakeAsync(Caller caller, DeviceConfigWish wish, CancellationToken cancellation = default)
    {
        if (await FleetAsync(wish.FleetId, cancellation) is not { } fleet || !AccessRule.Has(caller, Role.Developer, fleet.Organization))
            return null;
        var type = wish.DeviceType is { Length: > 0 } slug ? slug : fleet.DeviceType;
        if (DeviceTypes.All.All(t => t.Slug != type && !t.Aliases.Contains(type)))
            throw new ArgumentException($"Unknown device type {type}");

        var key = ApiKeys.Generate();
        await database.WriteAsync(write => keys.AddAsync(write, fleet.Actor, key, AccessRule.ProvisioningKey, wish.KeyName, wish.KeyDescription, wish.KeyExpiresAt), cancellation);
        var origin = wish.Server.GetLeftPart(UriPartial.Authority);
        var document = new JsonObject
        {
            ["applicationId"] = wish.FleetId,
            ["deviceType"] = type,
            ["userId"] = caller.SubjectId,
            ["appUpdatePollInterval"] = Math.Clamp(wish.PollMinutes, 1, 1440) * 60_000,
            ["listenPort"] = 48484,
            ["vpnPort"] = gateway.Port,
            ["apiEndpoint"] = origin,
            ["vpnEndpoint"] = gateway.Host(wish.Server.Host),
            ["registryEndpoint"] = configuration["Registry:Service"] is { Length: > 0 } registry ? registry : wish.Server.Authority,
            ["deltaEndpoint"] = origin,
            ["apiKey"] = key,
        };
        if (wish.WifiSsid is { Length: > 0 } ssid)
        {
            document["wifiSsid"] = ssid;
            if (wish.WifiKey is { Length: > 0 } wifiKey)
                document["wifiKey"] = wifiKey;
        }

        if (wish.IsDevelopment)
            document["developmentMode"] = true;
        if (wish.SecureBoot)
            document["installer"] = new JsonObject { ["secureboot"] = true };

        var authority = wish.Server.Scheme == Uri.UriSchemeHttps ? certificates.HttpsAuthorityPem : null;
        if (authority is not null)
            document["balenaRootCA"] = Convert.ToBase64String(Encoding.ASCII.GetBytes(authority));
        return new(document, key, authority is not null);
    }

    private async Task<(long Actor, long Organization, string DeviceType)?> FleetAsync(long id, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT f.actor_id, f.organization_id, t.slug FROM fleet f JOIN device_type t ON t.id = f.device_type_id WHERE f.id = @p0", id);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? (reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2)) : null;
    }
}
