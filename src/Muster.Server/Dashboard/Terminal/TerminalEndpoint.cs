using System.Globalization;
using System.Net.WebSockets;
using System.Text.Json;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Terminals;
using Muster.Server.Insight;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Dashboard.Terminal;

/// <summary>
/// <c>/dashboard/devices/{uuid}/terminal</c>: the WebSocket of a terminal in the browser (wwwroot/terminal.js), by the
/// page's session, and from our own pages only. Binary messages are the terminal's bytes; text messages are JSON: the size
/// from the browser, what becomes of the terminal from here.
/// </summary>
internal static class TerminalEndpoint
{
    private const string Pattern = "/dashboard/devices/{uuid}/terminal";
    private const int MessageBytes = 32 * 1024;
    private const int MostColumns = 1_000;

    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Warning = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(5);

    public static string Address(string uuid) => $"/dashboard/devices/{uuid}/terminal";

    public static void MapTerminal(this IEndpointRouteBuilder routes)
    {
        var pipeline = routes.CreateApplicationBuilder();
        pipeline.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.FromSeconds(30), KeepAliveTimeout = TimeSpan.FromSeconds(30) });
        pipeline.Run(ServeAsync);
        routes.Map(Pattern, pipeline.Build());
    }

    private static async Task ServeAsync(HttpContext context)
    {
        var callers = context.RequestServices.GetRequiredService<Callers>();
        var caller = await Visitor.CallerOfAsync(context, callers);
        context.Response.StatusCode = !context.WebSockets.IsWebSocketRequest ? StatusCodes.Status400BadRequest
            : !IsFromOurPages(context.Request) ? StatusCodes.Status403Forbidden
            : caller.Kind is not CallerKind.User ? StatusCodes.Status401Unauthorized
            : StatusCodes.Status101SwitchingProtocols;
        if (context.Response.StatusCode != StatusCodes.Status101SwitchingProtocols)
            return;
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        using var connection = new Connection(socket, context.RequestServices.GetRequiredService<TimeProvider>());
        await RunAsync(context, connection, caller);
    }

    /// <summary>A page of another site may open WebSockets to us, and the browser may add our cookie: it says who asks.</summary>
    private static bool IsFromOurPages(HttpRequest request) =>
        request.Headers.Origin is [{ } origin] && Uri.TryCreate(origin, UriKind.Absolute, out var uri)
        && string.Equals(uri.Authority, new HostString(request.Host.Value ?? "").ToUriComponent(), StringComparison.OrdinalIgnoreCase);

    private static async Task RunAsync(HttpContext context, Connection connection, Caller caller)
    {
        var query = context.Request.Query;
        string? Asked(string name) => query[name] is [{ Length: > 0 and <= 255 } text] ? text : null;
        var wish = new TerminalWish(
            (string)context.Request.RouteValues["uuid"]!, Asked("service"), Size(Asked("columns"), 80), Size(Asked("rows"), 24), Asked("accept"), AuditEntry.Address(context.Connection.RemoteIpAddress));
        var terminals = context.RequestServices.GetRequiredService<DeviceTerminals>();
        try
        {
            await using var terminal = await terminals.OpenAsync(caller, wish, context.RequestAborted);
            Callers.ConnectionOf(context).Require(cancellation => terminal.IsForAsync(caller, cancellation));
            await connection.TellAsync(new { state = "open" }, context.RequestAborted);
            await new Session(connection, terminal, context, terminals.IdleTimeout).RunAsync();
        }
        catch (HostKeyChangedException e)
        {
            await connection.TellAsync(new { state = "hostKey", known = e.Known, presented = e.Presented }, context.RequestAborted);
            await connection.CloseAsync(e.Message);
        }
        catch (TerminalException e)
        {
            await connection.CloseAsync(e.Message);
        }
        catch (DatabaseAwayException)
        {
            await connection.CloseAsync("Muster cannot reach its database. Try again in a moment.");
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException)
        {
            // The browser is gone.
        }
    }

    private static int Size(string? text, int otherwise) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? Math.Clamp(size, 1, MostColumns) : otherwise;

    /// <summary>The browser's end; one message at a time.</summary>
    private sealed class Connection(WebSocket socket, TimeProvider time) : IDisposable
    {
        private readonly SemaphoreSlim turn = new(1);

        public ValueTask<ValueWebSocketReceiveResult> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation) => socket.ReceiveAsync(buffer, cancellation);

        public Task TellAsync(object words, CancellationToken cancellation) => SendAsync(JsonSerializer.SerializeToUtf8Bytes(words), WebSocketMessageType.Text, cancellation);

        public async Task SendAsync(ReadOnlyMemory<byte> bytes, WebSocketMessageType type, CancellationToken cancellation)
        {
            await turn.WaitAsync(cancellation);
            try
            {
                await socket.SendAsync(bytes, type, endOfMessage: true, cancellation);
            }
            finally
            {
                turn.Release();
            }
        }

        public async Task CloseAsync(string why)
        {
            using var late = new CancellationTokenSource(Farewell, time);
            try
            {
                await TellAsync(new { state = "ended", text = why }, late.Token);
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, late.Token);
            }
            catch (Exception e) when (e is WebSocketException or OperationCanceledException)
            {
                // The browser is gone.
            }
        }

        public void Dispose() => turn.Dispose();
    }

    /// <summary>An open terminal and its browser. Each way ends with a sentence why.</summary>
    private sealed class Session(Connection connection, DeviceTerminal terminal, HttpContext context, TimeSpan idleTimeout)
    {
        private readonly TimeProvider time = context.RequestServices.GetRequiredService<TimeProvider>();
        private long typedAt = context.RequestServices.GetRequiredService<TimeProvider>().GetTimestamp();

        public async Task RunAsync()
        {
            var stopping = context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
            using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            var fromBrowser = FromBrowserAsync(end.Token);
            Task<string>[] ways = [fromBrowser, FromDeviceAsync(end.Token), WatchAsync(stopping, end.Token), RightEndsAsync(end.Token)];
            var first = await Task.WhenAny(ways);
            await connection.CloseAsync(first.IsCompletedSuccessfully ? await first : "The connection was lost.");
            // A receive that is cancelled aborts the connection: the browser first hears the last word, and answers it.
            await ((Task)fromBrowser).WaitAsync(Farewell, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await end.CancelAsync();
            await ((Task)Task.WhenAll(ways)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        private async Task<string> FromBrowserAsync(CancellationToken end)
        {
            var buffer = new byte[MessageBytes];
            while (true)
            {
                var received = await connection.ReceiveAsync(buffer, end);
                if (received.MessageType is WebSocketMessageType.Close)
                    return "Closed.";
                if (received.MessageType is WebSocketMessageType.Binary)
                {
                    Volatile.Write(ref typedAt, time.GetTimestamp());
                    await terminal.WriteAsync(buffer.AsMemory(0, received.Count), end);
                }
                else if (TryReadSize(buffer.AsSpan(0, received.Count), out var columns, out var rows))
                {
                    terminal.Resize(columns, rows);
                }
            }
        }

        private async Task<string> FromDeviceAsync(CancellationToken end)
        {
            var buffer = new byte[MessageBytes];
            while (await terminal.ReadAsync(buffer, end) is > 0 and var count)
                await connection.SendAsync(buffer.AsMemory(0, count), WebSocketMessageType.Binary, end);
            return "The shell on the device has ended.";
        }

        private async Task<string> RightEndsAsync(CancellationToken end)
        {
            var ended = Callers.ConnectionOf(context).Ended;
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ended, end);
            await Task.Delay(Timeout.InfiniteTimeSpan, time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            end.ThrowIfCancellationRequested();
            return "Your session is over, or your role does not allow this any more.";
        }

        /// <summary>Ends a terminal in which nobody types.</summary>
        private async Task<string> WatchAsync(CancellationToken stopping, CancellationToken end)
        {
            using var timer = new PeriodicTimer(Tick, time);
            var warnedFor = 0L;
            while (await timer.WaitForNextTickAsync(end))
            {
                if (stopping.IsCancellationRequested)
                    return "Muster is restarting.";
                var typed = Volatile.Read(ref typedAt);
                var rest = idleTimeout - time.GetElapsedTime(typed);
                if (rest <= TimeSpan.Zero)
                    return "Closed, because nobody typed for a long time.";
                if (rest <= Warning && warnedFor != typed)
                {
                    warnedFor = typed;
                    await connection.TellAsync(new { state = "warning", text = "Nobody types here: the terminal closes within a minute. Press any key to keep it." }, end);
                }
                else if (warnedFor != 0 && warnedFor != typed)
                {
                    warnedFor = 0;
                    await connection.TellAsync(new { state = "note", text = "Connected." }, end);
                }
            }

            return "Closed.";
        }

        private static bool TryReadSize(ReadOnlySpan<byte> message, out int columns, out int rows)
        {
            (columns, rows) = (0, 0);
            try
            {
                var size = JsonElement.Parse(message);
                return size.ValueKind is JsonValueKind.Object
                    && size.TryGetProperty("columns", out var c) && c.TryGetInt32(out columns) && columns is > 0 and <= MostColumns
                    && size.TryGetProperty("rows", out var r) && r.TryGetInt32(out rows) && rows is > 0 and <= MostColumns;
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                return false;
            }
        }
    }
}
