using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Actions;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Insight;
using Muster.Server.Resources;
using Muster.Server.Resources.Connections;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Ssh;

/// <param name="Account">Whose key it was.</param>
/// <param name="Key">Id of the key's row.</param>
/// <param name="Command">What the person asked for.</param>
/// <param name="From">Where the person came from, as SSH_CONNECTION says it.</param>
internal sealed record SshKnock(long Account, long Key, string? Command, string? From);

/// <param name="Refusal">A sentence for the person; null: come in.</param>
/// <param name="Port">On the loopback: the device's SSH server, for one connection.</param>
internal sealed record SshAdmission(string? Refusal, int Port = 0);

[JsonSerializable(typeof(SshKnock))]
[JsonSerializable(typeof(SshAdmission))]
internal sealed partial class SshJson : JsonSerializerContext;

/// <summary>
/// Decides for each person whom the SSH server let in whether he may reach the device, and opens the way to it. Spoken to
/// over a socket in the gateway's private folder, one line of JSON each way.
/// </summary>
internal sealed partial class SshDoor(
    SshFiles files, Callers callers, SshPeople people, OpenConnections connections, ReachRight reach, ConnectedDevices devices, DeviceTunnel tunnel, AuditLog audit, IOptions<SshOptions> options, TimeProvider time, ILogger<SshDoor> log) : IDisposable
{
    private const int LongestKnock = 64 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly SemaphoreSlim places = new(options.Value.MaxSessions);

    public async Task RunAsync(CancellationToken stopping)
    {
        File.Delete(files.Socket);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(files.Socket));
        listener.Listen();
        while (true)
        {
            var socket = await listener.AcceptAsync(stopping);
            _ = ServeAsync(socket, stopping);
        }
    }

    public void Dispose() => places.Dispose();

    private async Task ServeAsync(Socket socket, CancellationToken stopping)
    {
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            using var late = new CancellationTokenSource(Patience, time);
            using var end = CancellationTokenSource.CreateLinkedTokenSource(stopping, late.Token);
            var knock = await ReadAsync(stream, end.Token);
            var (admission, session) = await AdmitAsync(knock, end.Token);
            using (session)
            {
                // Whatever becomes of the answer, the session ends in order.
                var carried = session?.CarryAsync(stopping) ?? Task.CompletedTask;
                await stream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(admission, SshJson.Default.SshAdmission), end.Token).AsTask().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                socket.Close();
                await carried;
            }
        }
        catch (Exception e) when (e is IOException or SocketException or JsonException or OperationCanceledException or ObjectDisposedException)
        {
            LogBroken(e.Message);
        }
    }

    private static async Task<SshKnock> ReadAsync(NetworkStream stream, CancellationToken cancellation)
    {
        var line = new byte[LongestKnock];
        var length = 0;
        while (length == 0 || line[length - 1] != '\n')
        {
            var count = length < line.Length ? await stream.ReadAsync(line.AsMemory(length), cancellation) : 0;
            if (count == 0)
                throw new IOException("A knock that is no line.");
            length += count;
        }

        return JsonSerializer.Deserialize(line.AsSpan(0, length), SshJson.Default.SshKnock) ?? throw new JsonException("An empty knock.");
    }

    private async Task<(SshAdmission Admission, SshSession? Session)> AdmitAsync(SshKnock knock, CancellationToken cancellation)
    {
        if (SshWish.Parse(knock.Command) is not { } wish)
            return (new(SshWish.Usage), null);
        try
        {
            // A key that was taken away a moment ago may still be in the files.
            if (await people.KeyAsync(knock.Account, knock.Key, cancellation) is not { } key)
                return (new("This key is not one of yours any more."), null);
            var caller = await callers.OfAccountAsync(knock.Account, cancellation);
            if (await devices.LinkAsync(wish.Uuid, cancellation) is not { } link || !SupervisorRule.MaySee(caller, link.Id, link.OrganizationId))
                return (new("There is no such device."), null);
            var from = knock.From?.Split(' ')[0];
            if (!SupervisorRule.MayCall(caller, link.Id, link.OrganizationId, HttpMethod.Post))
                return (new("Your role does not allow this."), null);
            if (link.IsFrozen)
                return (new("The device is frozen and cannot be reached."), null);
            if (link.Tunnel is not { } device)
                return (new("The device's cloudlink is down: it cannot be reached now."), null);
            if (!places.Wait(0, CancellationToken.None))
                return (new("Too many SSH sessions are open on this server; try again later."), null);
            return await OpenAsync(caller, knock, key, wish, link, device, from, cancellation);
        }
        catch (DatabaseAwayException)
        {
            return (new("The server's database is away; try again in a moment."), null);
        }
    }

    private async Task<(SshAdmission Admission, SshSession? Session)> OpenAsync(Caller caller, SshKnock knock, string key, SshWish wish, DeviceLink link, TunnelledDevice device, string? from, CancellationToken cancellation)
    {
        Stream? stream = null;
        long? entry = null;
        try
        {
            entry = await audit.BeginAsync(new AuditEntry(caller, "ssh.open", link.Id, link.OrganizationId, from, wish.Container is { } container ? $"container {container}" : wish.Command ?? "host OS"), cancellation);
            stream = await tunnel.ConnectAsync(device, options.Value.DevicePort, cancellation);
            var way = stream;
            var connection = connections.Enter(
                "ssh", new(CredentialKind.PublicKey, knock.Key),
                async asked => await people.KeyAsync(knock.Account, knock.Key, asked) == key
                    && await reach.HoldsAsync(await callers.OfAccountAsync(knock.Account, asked), caller, link.Id, link.Uuid, asked),
                way.Dispose);
            var session = new SshSession(stream, connection, audit, entry.Value, places, time);
            return (new(null, session.Port), session);
        }
        catch (Exception e)
        {
            places.Release();
            if (stream is not null)
                await stream.DisposeAsync();
            if (entry is { } begun)
                await audit.EndAsync(begun, "not reached");
            if (e is TunnelException)
                return (new($"The device's SSH server cannot be reached: {e.Message}"), null);
            throw;
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "An SSH session did not come about: {Why}")]
    private partial void LogBroken(string why);
}
