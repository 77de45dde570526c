using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Insight;
using Muster.Server.Resources;
using Muster.Server.Resources.Connections;
using Muster.Storage;
using Nerdbank.Streams;

namespace Muster.Server.Cloudlink.Access;

/// <summary>
/// TCP tunnels of people, tunnel servers and devices to ports of devices. Whether a device exists is no affair of who may
/// not reach it: both are answered alike.
/// </summary>
internal sealed class ClientTunnels(
    Callers callers, OpenConnections connections, ReachRight reach, ConnectedDevices devices, DeviceTunnel tunnel, AuditLog audit, IOptions<TunnelOptions> options, IHostApplicationLifetime lifetime, TimeProvider time)
{
    private const int MaxHeadBytes = 8 * 1024;

    private static readonly TimeSpan HeadWithin = TimeSpan.FromSeconds(10);

    /// <summary>Clients wait 10 s for an answer.</summary>
    private static readonly TimeSpan ReachedWithin = TimeSpan.FromSeconds(8);

    private readonly Lock gate = new();
    private readonly Dictionary<long, int> ofCaller = [];
    private int open;

    /// <summary>Tunnels that are open now.</summary>
    public int Count => Volatile.Read(ref open);

    /// <summary>One connection whose first bytes are those of a CONNECT.</summary>
    public async Task ServeAsync(ConnectionContext connection)
    {
        try
        {
            if (await HeadAsync(connection.Transport.Input) is not { } head)
                await RefuseAsync(connection, StatusCodes.Status400BadRequest, "The request is too long, or came too slowly.");
            else if (TunnelRequest.Parse(head, out var status) is not { } request)
                await RefuseAsync(connection, status, status == StatusCodes.Status403Forbidden ? "The target is no device: it looks like <uuid>.balena:<port>." : "The request is malformed.");
            else
                await ServeAsync(connection, request);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The client is gone.
        }
    }

    private async Task ServeAsync(ConnectionContext connection, TunnelRequest request)
    {
        Caller caller;
        DeviceLink? link;
        try
        {
            caller = request.Secret is { } secret ? await callers.OfTokenAsync(secret, connection.ConnectionClosed) : Caller.Anonymous;
            link = caller.Kind is CallerKind.Anonymous ? null : await devices.LinkAsync(request.Uuid, connection.ConnectionClosed);
        }
        catch (DatabaseAwayException)
        {
            await RefuseAsync(connection, StatusCodes.Status503ServiceUnavailable, "The database is away; try again later.");
            return;
        }

        if (link is null || !AccessRule.MayReach(caller, link.Id, link.OrganizationId))
            await RefuseAsync(connection, StatusCodes.Status407ProxyAuthenticationRequired, "There is no such device, or the token in Proxy-Authorization may not reach it.");
        else if (link.Tunnel is null || link.IsFrozen)
            await RefuseAsync(connection, StatusCodes.Status503ServiceUnavailable, link.IsFrozen ? "The device is frozen." : "The device is not connected.");
        else if (!TryEnter(caller))
            await RefuseAsync(connection, StatusCodes.Status503ServiceUnavailable, "Too many tunnels are open; close some, or try again later.");
        else
        {
            try
            {
                using var open = connections.Enter("tunnel", caller.Credential, async cancellation => await reach.HoldsAsync(await callers.OfTokenAsync(request.Secret!, cancellation), caller, link.Id, link.Uuid, cancellation), connection.Abort);
                await RunAsync(connection, request.Port, caller, link, link.Tunnel, open.Ended);
            }
            finally
            {
                Leave(caller);
            }
        }
    }

    private async Task RunAsync(ConnectionContext connection, int port, Caller caller, DeviceLink link, TunnelledDevice device, CancellationToken ended)
    {
        var from = AuditEntry.Address((connection.RemoteEndPoint as IPEndPoint)?.Address);
        long entry;
        try
        {
            entry = await audit.BeginAsync(new AuditEntry(caller, "tunnel.open", link.Id, link.OrganizationId, from, $"port {port}"), connection.ConnectionClosed);
        }
        catch (DatabaseAwayException)
        {
            await RefuseAsync(connection, StatusCodes.Status503ServiceUnavailable, "The database is away; try again later.");
            return;
        }

        var outcome = "ended by an error";
        try
        {
            await using var stream = await ConnectAsync(device, port);
            if (stream is null)
            {
                outcome = "not reached";
                await RefuseAsync(connection, StatusCodes.Status502BadGateway, $"The device did not take a connection to its port {port}.");
                return;
            }

            await connection.Transport.Output.WriteAsync("HTTP/1.0 200 Connection Established\r\n\r\n"u8.ToArray(), CancellationToken.None);
            var began = time.GetTimestamp();
            using var end = CancellationTokenSource.CreateLinkedTokenSource(lifetime.ApplicationStopping, ended);
            var relayed = await StreamRelay.RunAsync(new(connection.Transport.AsStream(), EndWriting: null), RelaySide.Of(stream), options.Value.IdleTimeout, time, end.Token);
            outcome = string.Create(CultureInfo.InvariantCulture, $"{relayed.ToDevice} bytes to the device, {relayed.ToPerson} from it, {time.GetElapsedTime(began).TotalSeconds:0.0} s{(ended.IsCancellationRequested ? "; the right to it ended" : "")}");
        }
        finally
        {
            await audit.EndAsync(entry, outcome);
        }
    }

    /// <summary>Null when the device, or the port of it, is not reached.</summary>
    private async Task<Stream?> ConnectAsync(TunnelledDevice device, int port)
    {
        using var late = new CancellationTokenSource(ReachedWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, lifetime.ApplicationStopping);
        try
        {
            return await tunnel.ConnectAsync(device, port, either.Token);
        }
        catch (Exception e) when (e is TunnelException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>The request to the end of its headers, and not a byte further; null when it does not come to an end.</summary>
    private async Task<byte[]?> HeadAsync(PipeReader input)
    {
        using var late = new CancellationTokenSource(HeadWithin, time);
        try
        {
            while (true)
            {
                var read = await input.ReadAsync(late.Token);
                var reader = new SequenceReader<byte>(read.Buffer);
                if (reader.TryReadTo(out ReadOnlySequence<byte> head, "\r\n\r\n"u8) && head.Length <= MaxHeadBytes)
                {
                    var bytes = head.ToArray();
                    input.AdvanceTo(reader.Position);
                    return bytes;
                }

                input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                if (read.IsCompleted || read.Buffer.Length > MaxHeadBytes)
                    return null;
            }
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested)
        {
            return null;
        }
    }

    private static async Task RefuseAsync(ConnectionContext connection, int status, string sentence)
    {
        var reason = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status);
        var challenge = status == StatusCodes.Status407ProxyAuthenticationRequired ? "Proxy-Authenticate: Basic realm=\"Muster\"\r\n" : "";
        await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes(
            $"HTTP/1.0 {status} {reason}\r\n{challenge}Content-Type: text/plain\r\nContent-Length: {sentence.Length + 1}\r\nConnection: close\r\n\r\n{sentence}\n"));
    }

    private bool TryEnter(Caller caller)
    {
        lock (gate)
        {
            var own = ofCaller.GetValueOrDefault(caller.ActorId);
            if (open >= options.Value.MaxTunnels || (own >= options.Value.MaxPerCaller && caller.Kind is not CallerKind.Service))
                return false;
            open++;
            ofCaller[caller.ActorId] = own + 1;
            return true;
        }
    }

    private void Leave(Caller caller)
    {
        lock (gate)
        {
            open--;
            if (--ofCaller[caller.ActorId] == 0)
                ofCaller.Remove(caller.ActorId);
        }
    }
}
