using System.Globalization;

namespace Muster.Simulator.Fleet;

/// <summary>How the simulation goes: a table that is drawn over itself on a terminal, a line now and then elsewhere.</summary>
public sealed class LiveTable(SimulatedFleet fleet, ServerClient client, TextWriter output, bool isTerminal, TimeProvider time)
{
    private static readonly TimeSpan Redraw = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(10);

    public async Task RunAsync(CancellationToken cancellation)
    {
        var period = isTerminal ? Redraw : LineEvery;
        var requests = client.Requests;
        var height = 0;
        try
        {
            while (true)
            {
                await Task.Delay(period, time, cancellation);
                var rate = (client.Requests - requests) / period.TotalSeconds;
                requests = client.Requests;
                if (!isTerminal)
                {
                    output.WriteLine(Line(rate));
                    continue;
                }

                if (height > 0)
                    output.Write($"\u001b[{height}A\u001b[J");
                var rows = Rows(rate).ToArray();
                height = rows.Length;
                foreach (var row in rows)
                    output.WriteLine(row);
            }
        }
        catch (OperationCanceledException)
        {
            output.WriteLine(Line(0));
        }
    }

    private string Line(double rate) => string.Create(CultureInfo.InvariantCulture,
        $"{time.GetUtcNow():HH:mm:ss} {string.Join(", ", fleet.Words().Select(w => $"{w.Value} {w.Key}"))}; tunnels {fleet.Tunnels}; {rate:0} requests/s, {client.Errors} errors, p50 {client.Latencies.Quantile(0.5).TotalMilliseconds:0.0} ms, p99 {client.Latencies.Quantile(0.99).TotalMilliseconds:0.0} ms");

    private IEnumerable<string> Rows(double rate)
    {
        yield return "devices       ";
        foreach (var (word, count) in fleet.Words())
            yield return string.Create(CultureInfo.InvariantCulture, $"  {word,-18}{count,9:N0}");
        yield return string.Create(CultureInfo.InvariantCulture, $"  {"tunnels up",-18}{fleet.Tunnels,9:N0}");
        yield return string.Create(CultureInfo.InvariantCulture, $"requests/s {rate,8:N0}   errors {client.Errors:N0}   p50 {client.Latencies.Quantile(0.5).TotalMilliseconds:0.0} ms   p99 {client.Latencies.Quantile(0.99).TotalMilliseconds:0.0} ms");
    }
}
