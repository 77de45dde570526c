using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Options;
using Muster.Core.Text;
using Muster.Server.Presence;
using Muster.Server.Resources;
using Muster.Server.Resources.Connections;

namespace Muster.Server.Devices.Logs;

/// <summary><c>POST /device/v2/{uuid}/logs</c> and <c>/log-stream</c> (recordings, device-logs; docs/device-protocol.md, "Logs").</summary>
internal sealed class LogUploadEndpoints(FleetPresence presence, Callers callers, OpenConnections connections, LogStore store, TimeProvider time, IOptions<LogOptions> options)
{
    private const int MaxBatch = 10;

    /// <summary>A line of NDJSON: 10,000 characters of message, escaped at worst, and the fields around them.</summary>
    private const int MaxLine = 128 * 1024;

    private const int MaxHeldBack = 5000;
    private int heldBack;

    public async Task PostBatchAsync(HttpContext context)
    {
        if (await AuthenticateAsync(context) is not { } slot)
            return;
        await presence.ContactAsync(slot, ContactKind.Log);
        if (await DeviceBody.ReadAsync(context) is not { } body)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status413PayloadTooLarge, $"The request may have {DeviceBody.Limit / 1024} KiB.");
            return;
        }

        var (lines, problem) = ParseBatch(body);
        if (problem is not null)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, problem);
            return;
        }

        await store.AppendAsync(presence.DeviceId(slot), lines, context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status201Created;
    }

    public async Task PostStreamAsync(HttpContext context)
    {
        if (await AuthenticateAsync(context) is not { } slot)
            return;
        await presence.ContactAsync(slot, ContactKind.Log);
        if (context.Request.ContentType?.StartsWith("application/x-ndjson", StringComparison.OrdinalIgnoreCase) != true)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status415UnsupportedMediaType, "Streaming requests require Content-Type application/x-ndjson");
            return;
        }

        var (uuid, key) = ((string)context.Request.RouteValues["uuid"]!, Callers.Secret(context.Request));
        using var open = connections.Enter("device log", default, cancellation => ValueTask.FromResult(presence.Authenticate(uuid, key, out _) is DeviceAuth.Ok), context.Abort);
        // Endless by design, and silent for long: neither the size nor the rate of the body says anything.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = null;
        if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
            rate.MinDataRate = null;

        var isGzip = context.Request.Headers.ContentEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase);
        await using var inflated = isGzip ? GzipUpload.Inflated(context.Request.Body) : context.Request.Body;
        var problem = await ReadStreamAsync(PipeReader.Create(inflated, new(leaveOpen: true)), slot, context.RequestAborted);
        if (problem is null)
            context.Response.StatusCode = StatusCodes.Status201Created;
        else
            await DeviceAnswers.TextAsync(context, StatusCodes.Status400BadRequest, problem);
    }

    /// <summary>Null when it was refused and answered.</summary>
    private async Task<DeviceSlot?> AuthenticateAsync(HttpContext context)
    {
        var auth = presence.Authenticate((string)context.Request.RouteValues["uuid"]!, Callers.Secret(context.Request), out var slot);
        switch (auth)
        {
            case DeviceAuth.Ok:
                return slot;
            case DeviceAuth.Deleted or DeviceAuth.Frozen:
                if (auth == DeviceAuth.Frozen)
                    await presence.ContactAsync(slot, ContactKind.Log);
                await HoldBackAsync(context.RequestAborted);
                await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
                return null;
            default:
                if ((await callers.OfAsync(context)).KeyRoles.Length > 0)
                    await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
                else
                    await DeviceAnswers.KeyRequiredAsync(context);
                return null;
        }
    }

    /// <summary>A device that is refused at once comes back at once; so the refusal waits, for as many as we can hold.</summary>
    private async Task HoldBackAsync(CancellationToken cancellation)
    {
        if (Interlocked.Increment(ref heldBack) <= MaxHeldBack)
            await Task.Delay(options.Value.RefusalDelay, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Interlocked.Decrement(ref heldBack);
    }

    private (List<LogLine> Lines, string? Problem) ParseBatch(ReadOnlyMemory<byte> body, bool isMended = false)
    {
        List<LogLine> lines = [];
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Array)
                return (lines, "The body must be an array of log lines.");
            if (document.RootElement.GetArrayLength() > MaxBatch)
                return (lines, $"Batches cannot include more than {MaxBatch} logs");
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            foreach (var json in document.RootElement.EnumerateArray().Where(j => !LogLine.IsOfDependent(j)))
            {
                if (LogLine.Parse(json, now) is not { } line)
                    return (lines, "A log line must have a message and a timestamp.");
                lines.Add(line);
            }

            return (lines, null);
        }
        catch (InvalidOperationException) when (!isMended)
        {
            // A text that is none: half of an emoji that was cut. It must not cost the other lines.
            return ParseBatch(JsonText.Mend(new(body)), isMended: true);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return (lines, JsonText.Malformed);
        }
    }

    /// <summary>Null when the device ended the stream; else what is wrong with it.</summary>
    private async Task<string?> ReadStreamAsync(PipeReader reader, DeviceSlot slot, CancellationToken aborted)
    {
        var deviceId = presence.DeviceId(slot);
        var pace = new RowPace(options.Value.RowsPerSecond, time);
        var lastRow = time.GetTimestamp();
        while (true)
        {
            ReadResult result;
            var patience = options.Value.UploadIdle - time.GetElapsedTime(lastRow);
            using (var idle = new CancellationTokenSource(patience > TimeSpan.Zero ? patience : TimeSpan.Zero, time))
            using (var either = CancellationTokenSource.CreateLinkedTokenSource(idle.Token, aborted))
            {
                try
                {
                    result = await reader.ReadAsync(either.Token);
                }
                catch (OperationCanceledException) when (idle.IsCancellationRequested && !aborted.IsCancellationRequested)
                {
                    return null;
                }
                catch (InvalidDataException)
                {
                    return "The body is not valid gzip, or inflates too much.";
                }
                catch (IOException) when (!aborted.IsCancellationRequested)
                {
                    return "The body is badly framed.";
                }
            }

            var buffer = result.Buffer;
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            List<LogLine> lines = [];
            string? problem = null;
            var rows = 0;
            for (; problem is null && TryTakeLine(ref buffer, result.IsCompleted, out var row); rows++)
                problem = ParseRow(row, now, lines);
            if (problem is null && buffer.Length > MaxLine)
                problem = "A row is too long.";
            reader.AdvanceTo(buffer.Start, buffer.End);

            if (lines.Count > 0)
            {
                await presence.ContactAsync(slot, ContactKind.Log);
                await store.AppendAsync(deviceId, lines, aborted);
            }

            if (problem is not null || result.IsCompleted)
                return problem;
            await pace.TakenAsync(lines.Count, rows - lines.Count, aborted);
            if (rows > 0)
                lastRow = time.GetTimestamp();
        }
    }

    private static bool TryTakeLine(ref ReadOnlySequence<byte> buffer, bool isLast, out ReadOnlySequence<byte> row)
    {
        if (buffer.PositionOf((byte)'\n') is { } end)
        {
            row = buffer.Slice(0, end);
            buffer = buffer.Slice(buffer.GetPosition(1, end));
            return true;
        }

        row = buffer;
        if (!isLast || buffer.IsEmpty)
            return false;
        buffer = buffer.Slice(buffer.End);
        return true;
    }

    /// <summary>Adds the row's line. An empty row keeps a stream alive and is none.</summary>
    private static string? ParseRow(ReadOnlySequence<byte> row, long now, List<LogLine> lines)
    {
        if (row.Length > MaxLine)
            return "A row is too long.";
        if (row.IsEmpty || row.FirstSpan.Trim((byte)'\r').Trim((byte)' ').IsEmpty && row.IsSingleSegment)
            return null;
        try
        {
            if (TryParse(row, now, lines))
                return null;
        }
        catch (InvalidOperationException)
        {
            // A text that is none: half of an emoji that was cut. It must not cost the lines after it.
            if (TryParse(new(JsonText.Mend(row)), now, lines))
                return null;
        }
        catch (JsonException)
        {
            // Told below, with its beginning.
        }

        return $"Could not parse row {Encoding.UTF8.GetString(row.Slice(0, Math.Min(row.Length, 20)))}...";
    }

    private static bool TryParse(ReadOnlySequence<byte> row, long now, List<LogLine> lines)
    {
        using var document = JsonDocument.Parse(row);
        if (LogLine.Parse(document.RootElement, now) is not { } line)
            return false;
        if (!LogLine.IsOfDependent(document.RootElement))
            lines.Add(line);
        return true;
    }
}
