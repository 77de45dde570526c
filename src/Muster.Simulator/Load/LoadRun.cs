using System.Globalization;
using System.Text;
using Muster.Simulator.Devices;
using Muster.Simulator.Fleet;

namespace Muster.Simulator.Load;

public enum LoadKind { Polls, Reports, Tunnels }

/// <param name="Devices">Seeded devices (<c>muster seed</c>) number <paramref name="First"/> and up; each connection has its share of them.</param>
/// <param name="ServerProcess">Process id of the server on this machine, to measure its CPU; null: not measured.</param>
public sealed record LoadOptions(LoadKind Kind, Uri Server, string Seed, int First, int Devices, int Connections, TimeSpan Duration, int? ServerProcess);

/// <summary>What came of it.</summary>
/// <param name="WrongAnswers">Answers other than the one expected (304 to a poll, 200 to a report).</param>
/// <param name="ServerCpuPerRequest">Null when not measured.</param>
public sealed record LoadResult(long Requests, long WrongAnswers, long BrokenConnections, TimeSpan Took, TimeSpan P50, TimeSpan P99, TimeSpan P999, TimeSpan? ServerCpuPerRequest)
{
    public string ToText() => string.Create(CultureInfo.InvariantCulture,
        $"{Requests / Took.TotalSeconds:N0} requests/s ({Requests:N0} in {Took.TotalSeconds:0.0} s), p50 {P50.TotalMilliseconds:0.00} ms, p99 {P99.TotalMilliseconds:0.00} ms, p99.9 {P999.TotalMilliseconds:0.00} ms, {WrongAnswers} wrong answers, {BrokenConnections} broken connections{(ServerCpuPerRequest is { } cpu ? $", server CPU {cpu.TotalMicroseconds:0.0} µs per request" : "")}");
}

/// <summary>As many polls or reports as the server takes, over kept connections, one request at a time on each.</summary>
public sealed class LoadRun(LoadOptions options, TimeProvider time)
{
    private readonly Latencies latencies = new();
    private long wrong;
    private long broken;

    /// <exception cref="IOException">The server could not be reached before the measurement.</exception>
    public async Task<LoadResult> RunAsync(TextWriter output, CancellationToken cancellation)
    {
        var connections = Enumerable.Range(0, Math.Min(options.Connections, options.Devices)).Select(_ => new LoadConnection(options.Server.Host, options.Server.Port)).ToArray();
        try
        {
            // Outside the measurement: each device's first, full poll, of which the requests are made.
            var requests = await Task.WhenAll(connections.Select((c, i) => Task.Run(() => PrepareAsync(c, i, connections.Length, cancellation), cancellation)));
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{requests.Sum(r => r.Length):N0} devices prepared on {connections.Length} connections; measuring {options.Duration.TotalSeconds:0} s."));

            var cpu = ServerCpu();
            var started = time.GetTimestamp();
            var runs = connections.Select((c, i) => Task.Run(() => MeasureAsync(c, requests[i], started, cancellation), cancellation)).ToArray();
            await Task.WhenAll(runs);
            var took = time.GetElapsedTime(started);
            var count = latencies.Count;
            return new(count, Interlocked.Read(ref wrong), Interlocked.Read(ref broken), took, latencies.Quantile(0.5), latencies.Quantile(0.99), latencies.Quantile(0.999),
                cpu is { } before && ServerCpu() is { } after && count > 0 ? (after - before) / count : null);
        }
        finally
        {
            foreach (var connection in connections)
                connection.Dispose();
        }
    }

    private async Task<LoadRequest[]> PrepareAsync(LoadConnection connection, int index, int connections, CancellationToken cancellation)
    {
        var requests = new List<LoadRequest>();
        for (var number = options.First + index; number < options.First + options.Devices; number += connections)
        {
            var device = DeviceIdentity.Of(options.Seed, number);
            var status = await connection.SendAsync(LoadRequest.Poll(options.Server, device, null).Bytes, keepHead: true, cancellation);
            if (status != 200)
                throw new IOException(string.Create(CultureInfo.InvariantCulture, $"Device {number} ({device.Uuid}) was answered {status}; was it seeded with this seed?"));
            requests.Add(options.Kind == LoadKind.Polls
                ? LoadRequest.Poll(options.Server, device, connection.ETag)
                : LoadRequest.Report(options.Server, device, TargetDocument.Parse(device.Uuid, Json(connection.Body))));
        }

        return [.. requests];
    }

    private async Task MeasureAsync(LoadConnection connection, LoadRequest[] requests, long started, CancellationToken cancellation)
    {
        var right = options.Kind == LoadKind.Polls ? 304 : 200;
        for (var i = 0; ; i++)
        {
            var before = time.GetTimestamp();
            if (time.GetElapsedTime(started, before) >= options.Duration || cancellation.IsCancellationRequested)
                return;
            try
            {
                var request = requests[i % requests.Length];
                request.Count(i / requests.Length);
                var status = await connection.SendAsync(request.Bytes, keepHead: false, cancellation);
                latencies.Add(time.GetElapsedTime(before));
                if (status != right)
                    Interlocked.Increment(ref wrong);
            }
            catch (IOException)
            {
                Interlocked.Increment(ref broken);
            }
        }
    }

    /// <summary>CPU time of the server so far, user and system.</summary>
    private TimeSpan? ServerCpu()
    {
        if (options.ServerProcess is not { } id)
            return null;
        using var process = System.Diagnostics.Process.GetProcessById(id);
        return process.TotalProcessorTime;
    }

    /// <summary>The document in a body that may be chunked.</summary>
    private static string Json(ReadOnlyMemory<byte> body)
    {
        var text = Encoding.UTF8.GetString(body.Span);
        if (text.StartsWith('{'))
            return text;
        var whole = new StringBuilder();
        for (var at = 0; at < text.Length;)
        {
            var line = text.IndexOf("\r\n", at, StringComparison.Ordinal);
            var length = int.Parse(text.AsSpan(at, line - at), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (length == 0)
                break;
            whole.Append(text, line + 2, length);
            at = line + 2 + length + 2;
        }

        return whole.ToString();
    }
}
