using System.Security.Cryptography;
using System.Text;
using Muster.Core.Access;
using Muster.Server.Presence;
using Muster.Server.Resources;
using Muster.Server.Resources.Connections;
using Muster.Storage;

namespace Muster.Server.Cloudlink.TunnelServers;

/// <summary>
/// With which keys devices proved themselves at external tunnel servers, and with which key those speak. When a key ends,
/// so do the sessions that hang on it: Muster shows the devices as disconnected, and goes no way through those tunnels.
/// What is here is of this process's life: of a tunnel from before it, only the end of its device and server are noticed.
/// </summary>
internal sealed partial class ExternalSessions(FleetPresence presence, Callers callers, OpenConnections connections, Database database, ILogger<ExternalSessions> log)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Proof> devices = [];
    private readonly Dictionary<long, OpenConnection> servers = [];

    /// <summary>A device has logged in somewhere with this key. Bounded: there are no more than devices.</summary>
    public void Proved(string uuid, string key)
    {
        lock (gate)
        {
            if (!devices.TryGetValue(uuid, out var proof) || proof.Connection.IsEnded)
            {
                var made = new Proof();
                made.Connection = connections.Enter("external cloudlink", default, _ => ValueTask.FromResult(presence.HasKey(uuid, made.KeyHash)), () => _ = EndAsync(uuid, made));
                devices[uuid] = proof = made;
            }

            proof.KeyHash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        }
    }

    /// <summary>An instance holds sessions of these devices.</summary>
    /// <param name="secret">The key with which the server said so.</param>
    public void Connected(long instance, IReadOnlyCollection<string> uuids, Caller server, string secret)
    {
        lock (gate)
        {
            if (!servers.TryGetValue(instance, out var known) || known.IsEnded || known.Credential != server.Credential)
            {
                known?.Dispose();
                servers[instance] = connections.Enter(
                    "tunnel server", server.Credential,
                    async cancellation => (await callers.OfTokenAsync(secret, cancellation)).KeyRoles.Contains(AccessRule.TunnelService), () => _ = EndAsync(instance));
            }

            foreach (var uuid in uuids)
            {
                if (devices.TryGetValue(uuid, out var proof))
                    proof.Instances.Add(instance);
            }
        }
    }

    /// <summary>An instance no longer holds sessions of these devices.</summary>
    public void Disconnected(long instance, IReadOnlyCollection<string> uuids)
    {
        lock (gate)
        {
            foreach (var uuid in uuids)
            {
                if (devices.TryGetValue(uuid, out var proof) && proof.Instances.Remove(instance) && proof.Instances.Count == 0)
                    Forget(uuid, proof);
            }
        }
    }

    /// <summary>Of the sessions of an instance.</summary>
    public async Task<long?> EpochAsync(long instance, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT epoch FROM service_instance WHERE id = @p0", instance);
        return await command.ExecuteScalarAsync(cancellation) as long?;
    }

    /// <summary>What fails is tried again: the watch cuts until the connection is left.</summary>
    private async Task EndAsync(string uuid, Proof proof)
    {
        try
        {
            long[] instances;
            lock (gate)
                instances = [.. proof.Instances];
            foreach (var instance in instances)
            {
                if (await EpochAsync(instance, CancellationToken.None) is { } epoch)
                    await presence.CloudlinkAsync(instance, [uuid], connected: false, epoch, CancellationToken.None);
            }

            lock (gate)
                Forget(uuid, proof);
        }
        catch (Exception e) when (e is DatabaseAwayException or PresenceBusyException)
        {
            LogLater(e.Message);
        }
    }

    private async Task EndAsync(long instance)
    {
        try
        {
            await presence.ServiceInstanceEndedAsync(instance);
            lock (gate)
            {
                if (servers.Remove(instance, out var connection))
                    connection.Dispose();
            }
        }
        catch (Exception e) when (e is DatabaseAwayException or PresenceBusyException)
        {
            LogLater(e.Message);
        }
    }

    /// <summary>Under the gate.</summary>
    private void Forget(string uuid, Proof proof)
    {
        if (devices.GetValueOrDefault(uuid) == proof)
            devices.Remove(uuid);
        proof.Connection.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Sessions of an external tunnel server could not be ended yet: {Why}")]
    private partial void LogLater(string why);

    /// <summary>Guarded by the gate, but for the hash, which is replaced whole.</summary>
    private sealed class Proof
    {
        private volatile byte[] keyHash = [];

        public byte[] KeyHash
        {
            get => keyHash;
            set => keyHash = value;
        }

        public HashSet<long> Instances { get; } = [];

        public OpenConnection Connection { get; set; } = null!;
    }
}
