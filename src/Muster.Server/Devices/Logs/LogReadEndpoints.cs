using System.Buffers;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Hosting;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Devices.Logs;

/// <summary><c>GET /device/v2/{uuid}/logs?count=&amp;start=&amp;stream=1</c>, by people who may read the device; and the same stream for pages.</summary>
internal sealed class LogReadEndpoints(FleetPresence presence, Callers callers, DeviceReaders readers, LogStore store, LogFeed feed, TimeProvider time, IOptions<LogOptions> options)
{
    /// <summary>An empty line so often keeps proxies from ending a quiet stream.</summary>
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(50);

    public async Task GetAsync(HttpContext context)
    {
        var uuid = (string)context.Request.RouteValues["uuid"]!;
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User)
        {
            await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
            return;
        }

        if (await FindAsync(context, caller, uuid) is not { } device)
            return;
        var isStream = context.Request.Query["stream"] == "1";
        var count = Count(context.Request.Query["count"], isStream ? 0 : options.Value.KeepLines);
        if (isStream)
            await StreamAsync(context, caller, uuid, device, count, context.RequestAborted);
        else
            await AnswerAsync(context, await store.ReadAsync(device, count, Instant(context.Request.Query["start"]), context.RequestAborted));
    }

    /// <summary>All lines that are kept, and then those that come, as NDJSON, for a person who is known already.</summary>
    /// <param name="ends">Ends the stream in order, so that whoever reads on is judged anew.</param>
    public async Task WatchAsync(HttpContext context, Caller caller, string uuid, CancellationToken ends)
    {
        if (await FindAsync(context, caller, uuid) is { } device)
            await StreamAsync(context, caller, uuid, device, options.Value.KeepLines, ends);
    }

    /// <summary>The device's id; null when it is not there or not the caller's to read, which is answered then.</summary>
    private async Task<long?> FindAsync(HttpContext context, Caller caller, string uuid)
    {
        if (presence.TryFind(uuid, out var slot) && await readers.MayReadAsync(caller, slot, context.RequestAborted))
            return presence.DeviceId(slot);
        await DeviceAnswers.SentenceAsync(context, StatusCodes.Status404NotFound, $"No device with uuid {uuid}");
        return null;
    }

    private static Task AnswerAsync(HttpContext context, List<LogLine> lines)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, LogJson.Writing))
        {
            json.WriteStartArray();
            foreach (var line in lines)
                line.WriteTo(json);
            json.WriteEndArray();
        }

        return DeviceAnswers.BytesAsync(context, StatusCodes.Status200OK, buffer.WrittenMemory);
    }

    private async Task StreamAsync(HttpContext context, Caller caller, string uuid, long deviceId, int count, CancellationToken ends)
    {
        var connection = Callers.ConnectionOf(context);
        // Roles that are lowered end every request; here it is also the device that may go, or move to others.
        connection.Require(async cancellation => presence.TryFind(uuid, out var now) && presence.DeviceId(now) == deviceId && await readers.MayReadAsync(caller, now, cancellation));
        using var watch = feed.Open(deviceId);
        if (watch is null)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status503ServiceUnavailable, "Too many people watch logs now.");
            return;
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, ends, connection.Ended);
        var (body, aborted) = (context.Response.Body, either.Token);
        context.Response.BeginStream("application/x-ndjson");
        try
        {
            var history = count > 0 ? await store.ReadAsync(deviceId, count, null, aborted) : [];
            foreach (var line in history)
                await body.WriteAsync(line.ToNdjson(), aborted);
            if (history.Count == 0)
                await body.WriteAsync("\n"u8.ToArray(), aborted);
            await body.FlushAsync(aborted);
            // A line that was written between opening the watch and reading the history is in both.
            var seen = new HashSet<LogLine>(history);
            await foreach (var line in WatchedAsync(watch, aborted))
            {
                if (line is not null && seen.Remove(line))
                    continue;
                await body.WriteAsync(line?.ToNdjson() ?? "\n"u8.ToArray(), aborted);
                await body.FlushAsync(aborted);
            }
        }
        catch (OperationCanceledException) when (aborted.IsCancellationRequested)
        {
            // The watcher left, or has to ask again.
        }
    }

    /// <summary>Lines as they come; null when none came for a while.</summary>
    private async IAsyncEnumerable<LogLine?> WatchedAsync(LogFeed.Watch watch, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        while (true)
        {
            using var quiet = new CancellationTokenSource(KeepAlive, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(quiet.Token, cancellation);
            var isQuiet = false;
            try
            {
                await watch.Lines.WaitToReadAsync(either.Token);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                isQuiet = true;
            }

            if (isQuiet)
                yield return null;
            while (watch.Lines.TryRead(out var line))
                yield return line;
        }
    }

    private int Count(string? text, int otherwise)
    {
        if (text is "all")
            return options.Value.KeepLines;
        return int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var count) ? Math.Min(count, options.Value.KeepLines) : otherwise;
    }

    /// <summary>Unix milliseconds or an ISO date.</summary>
    private static long? Instant(string? text)
    {
        if (long.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var milliseconds))
            return milliseconds;
        return DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var instant) ? instant.ToUnixTimeMilliseconds() : null;
    }
}
