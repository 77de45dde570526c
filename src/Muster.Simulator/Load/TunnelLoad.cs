using System.Collections.Concurrent;
using System.Globalization;
using Muster.Protocol.Cloudlink;
using Muster.Simulator.Devices;
using Muster.Simulator.Fleet;

namespace Muster.Simulator.Load;

/// <summary>
/// Tunnels over WebSocket, one for each seeded device, held open and idle. Port 9 of each device takes whatever it is sent,
/// port 19 sends without end.
/// </summary>
public sealed class TunnelLoad(LoadOptions options, TimeProvider time)
{
    private const int Discard = 9, Generate = 19;

    private readonly ConcurrentDictionary<string, int> refusals = new(StringComparer.Ordinal);
    private int open;
    private int lost;

    /// <summary>Holds them for the duration, counted from when all are open.</summary>
    /// <returns>Tunnels that broke off, or never came to be.</returns>
    public async Task<int> RunAsync(TextWriter output, CancellationToken cancellation)
    {
        using var handler = ServerClient.Handler();
        using var http = new HttpMessageInvoker(handler);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var started = time.GetTimestamp();
        var tunnels = Enumerable.Range(options.First, options.Devices).Select(number => DeviceIdentity.Of(options.Seed, number))
            .Select(device => new CloudlinkClient(new(options.Server, device.Uuid, device.Key) { Http = http, Time = time }, ServeAsync, Note).RunAsync(end.Token)).ToList();
        try
        {
            while (Volatile.Read(ref open) < options.Devices)
                await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellation);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{open:N0} tunnels open after {time.GetElapsedTime(started).TotalSeconds:0.0} s."));
            Volatile.Write(ref lost, 0);
            await Task.Delay(options.Duration, time, cancellation);
        }
        catch (OperationCanceledException)
        {
            // Stopped by hand: what is known by now is told.
        }

        var missing = Volatile.Read(ref lost) + options.Devices - Volatile.Read(ref open);
        foreach (var (why, count) in refusals)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count:N0} log-ins failed: {why}"));
        await end.CancelAsync();
        await Task.WhenAll(tunnels);
        return missing;
    }

    private void Note(CloudlinkNews news)
    {
        switch (news.Event)
        {
            case CloudlinkEvent.Connected:
                Interlocked.Increment(ref open);
                break;
            case CloudlinkEvent.Disconnected:
                Interlocked.Decrement(ref open);
                Interlocked.Increment(ref lost);
                break;
            default:
                refusals.AddOrUpdate(string.Create(CultureInfo.InvariantCulture, $"{news.Status} {news.Reason}"), 1, (_, count) => count + 1);
                break;
        }
    }

    private static ValueTask<CloudlinkService?> ServeAsync(int port, CancellationToken cancellation) => ValueTask.FromResult<CloudlinkService?>(port switch
    {
        Discard => (stream, until) => stream.CopyToAsync(Stream.Null, until),
        Generate => async (stream, until) =>
        {
            var bytes = new byte[64 * 1024];
            while (true)
                await stream.WriteAsync(bytes, until);
        }
        ,
        _ => null,
    });
}
