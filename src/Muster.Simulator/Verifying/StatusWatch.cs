using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Muster.Simulator.Fleet;

namespace Muster.Simulator.Verifying;

/// <summary>Reads what Muster says: all devices of the fleet again and again, and at the end the history of each.</summary>
public sealed class StatusWatch(Operator reader, long fleetId, TimeSpan interval, TimeProvider time)
{
    private readonly ImmutableArray<Sample>.Builder samples = ImmutableArray.CreateBuilder<Sample>();

    /// <summary>Reads until cancelled. A server that is away is simply not read.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"/v7/device?$select=uuid,overall_status,api_heartbeat_state,is_connected_to_vpn,update_status&$filter=belongs_to__application%20eq%20{fleetId}");
        try
        {
            while (true)
            {
                try
                {
                    var asked = Now();
                    var body = await reader.GetAsync(path, cancellation);
                    Add(body, asked, Now());
                }
                catch (OperatorException)
                {
                    // Nothing said, nothing to compare.
                }

                await Task.Delay(interval, time, cancellation);
            }
        }
        catch (OperationCanceledException)
        {
            // Enough was read.
        }
    }

    /// <summary>Everything that was said; reads the history of the devices of <paramref name="truth"/>.</summary>
    public async Task<Said> SaidAsync(IReadOnlyList<TruthEvent> truth, CancellationToken cancellation)
    {
        var history = ImmutableArray.CreateBuilder<Transition>();
        if (truth.Count == 0)
            return new(samples.ToImmutable(), []);
        var from = Uri.EscapeDataString(DateTimeOffset.FromUnixTimeMilliseconds(truth.Min(e => e.At)).ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
        foreach (var uuid in truth.Select(e => e.Device).Where(d => d.Length > 0).Distinct())
        {
            try
            {
                string? next = null;
                do
                {
                    using var page = JsonDocument.Parse(await reader.GetAsync($"/muster/v1/devices/{uuid}/history?limit=1000&from={from}{(next is null ? "" : $"&after={next}")}", cancellation));
                    foreach (var line in page.RootElement.GetProperty("transitions").EnumerateArray())
                        history.Add(new(uuid, Text(line, "fact") ?? "", Text(line, "to"), line.GetProperty("at").GetDateTimeOffset().ToUnixTimeMilliseconds()));
                    next = Text(page.RootElement, "next");
                }
                while (next is not null);
            }
            catch (OperatorException)
            {
                // A device that never got registered has no history.
            }
        }

        return new(samples.ToImmutable(), history.ToImmutable());
    }

    private void Add(string body, long asked, long answered)
    {
        using var document = JsonDocument.Parse(body);
        foreach (var row in document.RootElement.GetProperty("d").EnumerateArray())
        {
            samples.Add(new(
                row.GetProperty("uuid").GetString() ?? "", asked, answered,
                Text(row, "overall_status"), Text(row, "api_heartbeat_state"),
                row.GetProperty("is_connected_to_vpn").GetBoolean(), Text(row, "update_status")));
        }
    }

    private static string? Text(JsonElement row, string property) =>
        row.TryGetProperty(property, out var value) ? value.ValueKind == JsonValueKind.String ? value.GetString() : value.ValueKind == JsonValueKind.Null ? null : value.GetRawText() : null;

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
