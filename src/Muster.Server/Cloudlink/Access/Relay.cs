using System.Globalization;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace Muster.Server.Cloudlink.Access;

/// <summary>
/// Carries bytes both ways between a client and a port of a device, as fast as the slower one takes them. When the client
/// has said its last, the device may finish its answer; when the device has, the tunnel ends.
/// </summary>
internal sealed class Relay(IDuplexPipe client, Stream device, TimeSpan idleTimeout, TimeProvider time)
{
    /// <summary>How long a device may be silent after its client has said its last.</summary>
    private static readonly TimeSpan AfterLast = TimeSpan.FromMinutes(1);

    private readonly long began = time.GetTimestamp();
    private long toDevice;
    private long fromDevice;
    private long movedAt = time.GetTimestamp();
    private volatile bool clientIsDone;

    /// <returns>How it went, in words, for the audit log.</returns>
    public async Task<string> RunAsync(CancellationToken stopping)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var up = UpAsync(end.Token);
        var down = DownAsync(end.Token);
        var silence = SilenceAsync(end.Token);
        var first = await Task.WhenAny(up, down, silence);
        if (first == up && up.IsCompletedSuccessfully)
            first = await Task.WhenAny(down, silence);
        var why = stopping.IsCancellationRequested ? "the server stopped"
            : first == silence ? "idle"
            : first.IsFaulted ? "the connection broke"
            : "closed";
        await end.CancelAsync();
        await Task.WhenAll(up, down, silence).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return string.Create(CultureInfo.InvariantCulture, $"{why}; {toDevice} bytes to the device, {fromDevice} from it, {time.GetElapsedTime(began).TotalSeconds:0.0} s");
    }

    private async Task UpAsync(CancellationToken end)
    {
        while (true)
        {
            var read = await client.Input.ReadAsync(end);
            foreach (var part in read.Buffer)
                await device.WriteAsync(part, end);
            if (!read.Buffer.IsEmpty)
            {
                await device.FlushAsync(end);
                toDevice += read.Buffer.Length;
                movedAt = time.GetTimestamp();
            }

            client.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
                break;
        }

        clientIsDone = true;
        if (device is NetworkStream { Socket: var socket })
            socket.Shutdown(SocketShutdown.Send);
    }

    private async Task DownAsync(CancellationToken end)
    {
        while (true)
        {
            var read = await device.ReadAsync(client.Output.GetMemory(), end);
            if (read == 0)
                return;
            client.Output.Advance(read);
            fromDevice += read;
            movedAt = time.GetTimestamp();
            if ((await client.Output.FlushAsync(end)).IsCompleted)
                return;
        }
    }

    /// <summary>Ends when nothing has moved for too long.</summary>
    private async Task SilenceAsync(CancellationToken end)
    {
        while (true)
        {
            var limit = clientIsDone && AfterLast < idleTimeout ? AfterLast : idleTimeout;
            var rest = limit - time.GetElapsedTime(Volatile.Read(ref movedAt));
            if (rest <= TimeSpan.Zero)
                return;
            await Task.Delay(rest < AfterLast ? rest : AfterLast, time, end);
        }
    }
}
