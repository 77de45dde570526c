using System.Text;
using System.Text.Json.Nodes;
using Muster.Server.Cloudlink.OpenVpn;
using Muster.Server.Cloudlink.Ssh;
using Muster.Server.Presence;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Devices.Registry;

/// <summary>
/// <c>GET /os/v1/config</c>: what the OS writes into its tunnel client's files, at boot and daily (docs/device-protocol.md, "Tunnels"). The schema
/// asks for texts: those that <c>OsConfig:OpenVpnConfigFile</c> and <c>OsConfig:OpenVpnCaFile</c> name of an external tunnel
/// server, else those of the own gateway; where there is neither, there is nothing to connect to and they are empty.
/// </summary>
internal sealed class OsConfigEndpoint(IConfiguration configuration, OpenVpnEndpoint gateway, FleetPresence presence, Callers callers, Database database, DeviceSshKey ssh)
{
    private readonly string? externalConfig = Text(configuration["OsConfig:OpenVpnConfigFile"]);
    private readonly string? externalAuthority = Text(configuration["OsConfig:OpenVpnCaFile"]);

    public async Task GetAsync(HttpContext context)
    {
        // Open to all, as the recordings have it: nothing in it is secret. With a device's key it is a sign of life.
        if (await callers.OfAsync(context) is { Kind: Core.Access.CallerKind.Device, SubjectId: var deviceId } && await UuidAsync(deviceId, context.RequestAborted) is { } uuid && presence.TryFind(uuid, out var slot))
            await presence.ContactAsync(slot, ContactKind.Other);
        await DeviceAnswers.BytesAsync(context, StatusCodes.Status200OK, Document(context.Request.Host.Host));
    }

    private async Task<string?> UuidAsync(long deviceId, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT uuid FROM device WHERE id = @p0", deviceId);
        return await command.ExecuteScalarAsync(cancellation) as string;
    }

    private static string? Text(string? file) => string.IsNullOrEmpty(file) ? null : File.ReadAllText(file);

    private byte[] Document(string host)
    {
        var ownIsMeant = gateway.IsOn && externalConfig is null && externalAuthority is null;
        return Document(ownIsMeant ? gateway.ClientConfig(host) : externalConfig ?? "", ownIsMeant ? gateway.Authority : externalAuthority ?? "", ssh.PublicKeyLine);
    }

    private static byte[] Document(string openVpn, string authority, string sshKey) => Encoding.UTF8.GetBytes(new JsonObject
    {
        ["services"] = new JsonObject
        {
            ["openvpn"] = new JsonObject { ["config"] = openVpn, ["ca"] = authority },
            ["ssh"] = new JsonObject { ["authorized_keys"] = sshKey },
        },
        ["config"] = new JsonObject { ["overrides"] = new JsonObject() },
        ["schema_version"] = "1.0.0",
    }.ToJsonString());
}
