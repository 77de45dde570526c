using System.Text;
using System.Text.Json.Nodes;
using Muster.Server.Cloudlink.Ssh;
using Muster.Server.Presence;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Devices.Registry;

/// <summary>
/// <c>GET /os/v1/config</c>: what the OS writes into its tunnel client's files, at boot and daily (protocol/cloudlink.md). The schema
/// asks for texts; without a gateway there is nothing to connect to, so the tunnel's texts are empty unless
/// <c>OsConfig:OpenVpnConfigFile</c> and <c>OsConfig:OpenVpnCaFile</c> name those of an external tunnel server.
/// </summary>
internal sealed class OsConfigEndpoint(IConfiguration configuration, FleetPresence presence, Callers callers, Database database, DeviceSshKey ssh)
{
    private readonly byte[] document = Document(Text(configuration["OsConfig:OpenVpnConfigFile"]), Text(configuration["OsConfig:OpenVpnCaFile"]), ssh.PublicKeyLine);

    public async Task GetAsync(HttpContext context)
    {
        // Open to all, as the recordings have it: nothing in it is secret. With a device's key it is a sign of life.
        if (await callers.OfAsync(context) is { Kind: Core.Access.CallerKind.Device, SubjectId: var deviceId } && await UuidAsync(deviceId, context.RequestAborted) is { } uuid && presence.TryFind(uuid, out var slot))
            await presence.ContactAsync(slot, ContactKind.Other);
        await DeviceAnswers.BytesAsync(context, StatusCodes.Status200OK, document);
    }

    private async Task<string?> UuidAsync(long deviceId, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT uuid FROM device WHERE id = @p0", deviceId);
        return await command.ExecuteScalarAsync(cancellation) as string;
    }

    private static string Text(string? file) => string.IsNullOrEmpty(file) ? "" : File.ReadAllText(file);

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
