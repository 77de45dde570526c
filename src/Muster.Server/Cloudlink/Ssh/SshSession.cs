using System.Net;
using System.Net.Sockets;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Insight;
using Muster.Server.Resources.Connections;

namespace Muster.Server.Cloudlink.Ssh;

/// <summary>The way to one device's SSH server, for one connection over the loopback.</summary>
/// <param name="connection">Ends the session when the person's right to it ends.</param>
/// <param name="entry">Of the audit log.</param>
/// <param name="places">One of them is this session's.</param>
internal sealed class SshSession(Stream device, OpenConnection connection, AuditLog audit, long entry, SemaphoreSlim places, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TcpListener listener = Listening();

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>Carries the one connection that comes; ends when it ends.</summary>
    public async Task CarryAsync(CancellationToken stopping)
    {
        var began = time.GetTimestamp();
        var carried = default(Relayed);
        try
        {
            using var late = new CancellationTokenSource(Patience, time);
            using var over = CancellationTokenSource.CreateLinkedTokenSource(stopping, connection.Ended);
            using var end = CancellationTokenSource.CreateLinkedTokenSource(over.Token, late.Token);
            await using var person = new NetworkStream(await listener.AcceptSocketAsync(end.Token), ownsSocket: true);
            listener.Stop();
            // OpenSSH asks both ends for a sign of life itself.
            carried = await StreamRelay.RunAsync(RelaySide.Of(person), RelaySide.Of(device), Timeout.InfiniteTimeSpan, time, over.Token);
        }
        finally
        {
            connection.Dispose();
            await device.DisposeAsync();
            places.Release();
            await audit.EndAsync(entry, $"ended after {time.GetElapsedTime(began).TotalSeconds:F0} s, {carried.ToDevice} bytes to the device, {carried.ToPerson} from it");
        }
    }

    public void Dispose() => listener.Dispose();

    private static TcpListener Listening()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start(1);
        return listener;
    }
}
