using System.Net;
using System.Net.WebSockets;

namespace Muster.Protocol.Cloudlink;

/// <summary>Where a device's cloudlink goes, and as whom.</summary>
/// <param name="Server">Base address of the server: http or https.</param>
/// <param name="Key">The device's own API key.</param>
public sealed record CloudlinkSettings(Uri Server, string Uuid, string Key)
{
    /// <summary>What the HTTP upgrade goes through (certificates, proxies); null: the system's way.</summary>
    public HttpMessageInvoker? Http { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>The first attempt after a loss comes at a random instant within this; each further one within twice the time before.</summary>
    public TimeSpan FirstRetry { get; init; } = TimeSpan.FromSeconds(2);

    public TimeSpan LongestRetry { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long the log-in may take.</summary>
    public TimeSpan LoginLimit { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>What became of a device's cloudlink.</summary>
public enum CloudlinkEvent
{
    /// <summary>A session began, or goes on after a loss.</summary>
    Connected,

    /// <summary>The connection broke off, or was ended.</summary>
    Disconnected,

    /// <summary>The server refused the log-in, or was not reached.</summary>
    Refused,
}

/// <param name="Session">Of <see cref="CloudlinkEvent.Connected"/>: which one.</param>
/// <param name="Status">Of <see cref="CloudlinkEvent.Refused"/>: HTTP status; null when there was no answer.</param>
/// <param name="Reason">Why, in a word or sentence, where it was said.</param>
public readonly record struct CloudlinkNews(CloudlinkEvent Event, string? Session = null, int? Status = null, string? Reason = null);

/// <summary>
/// Holds a device's cloudlink open over WebSocket: logs in, answers, resumes the session after a loss, comes back after
/// every end with growing pauses and jitter, and serves the streams that the server opens (docs/cloudlink.md).
/// </summary>
public sealed class CloudlinkClient(CloudlinkSettings settings, CloudlinkPorts ports, Action<CloudlinkNews>? tell = null)
{
    public const string Path = "cloudlink/v1";

    /// <summary>Header of the upgrade request that shows the token of a session to go on with.</summary>
    public const string ResumeHeader = "Cloudlink-Resume";

    private readonly TimeProvider time = settings.Time;
    private string? resume;

    /// <summary>Keeps the link until cancelled; then says goodbye.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var pause = settings.FirstRetry;
        while (!cancellation.IsCancellationRequested)
        {
            TimeSpan? within = null;
            try
            {
                if (await ConnectAsync(cancellation).ConfigureAwait(false) is { } socket)
                {
                    var (welcomed, told) = await ServeAsync(socket, cancellation).ConfigureAwait(false);
                    within = told;
                    if (welcomed)
                        pause = settings.FirstRetry;
                }
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                return;
            }

            try
            {
                await Task.Delay((within ?? pause) * Random.Shared.NextDouble(), time, cancellation).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            pause = pause * 2 < settings.LongestRetry ? pause * 2 : settings.LongestRetry;
        }
    }

    private async Task<ClientWebSocket?> ConnectAsync(CancellationToken cancellation)
    {
        var socket = new ClientWebSocket();
        socket.Options.KeepAliveInterval = TimeSpan.Zero;
        socket.Options.CollectHttpResponseDetails = true;
        socket.Options.SetRequestHeader("Authorization", $"Bearer {settings.Key}");
        if (Interlocked.Exchange(ref resume, null) is { } token)
            socket.Options.SetRequestHeader(ResumeHeader, token);
        var address = new UriBuilder(new Uri(settings.Server, Path)) { Query = $"uuid={settings.Uuid}" };
        address.Scheme = address.Scheme == Uri.UriSchemeHttps ? Uri.UriSchemeWss : Uri.UriSchemeWs;
        using var late = new CancellationTokenSource(settings.LoginLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, late.Token);
        try
        {
            await (settings.Http is { } http ? socket.ConnectAsync(address.Uri, http, either.Token) : socket.ConnectAsync(address.Uri, either.Token)).ConfigureAwait(false);
            socket.HttpResponseHeaders = null;
            return socket;
        }
        catch (Exception e) when (e is WebSocketException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            int? status = socket.HttpStatusCode is 0 or HttpStatusCode.SwitchingProtocols ? null : (int)socket.HttpStatusCode;
            socket.Dispose();
            tell?.Invoke(new(CloudlinkEvent.Refused, Status: status, Reason: e.Message));
            return null;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>One connection, until it ends.</summary>
    /// <returns>Whether it was welcomed, and the time within which the server wants the device back, where it said one.</returns>
    private async Task<(bool Welcomed, TimeSpan? Within)> ServeAsync(ClientWebSocket socket, CancellationToken cancellation)
    {
        using var connection = new CloudlinkConnection(socket, time, ports);
        CloudlinkMessage? welcome = null;
        var running = connection.RunAsync(message =>
        {
            if (message.Type != CloudlinkMessage.Welcome || welcome is not null)
                return;
            resume = message.Resume;
            Volatile.Write(ref welcome, message);
            tell?.Invoke(new(CloudlinkEvent.Connected, message.Session));
        });
        await WatchAsync(connection, running, () => Volatile.Read(ref welcome), cancellation).ConfigureAwait(false);
        var end = await running.ConfigureAwait(false);
        await connection.CloseAsync(end).ConfigureAwait(false);
        // A session that ended in order cannot be resumed.
        if (end.Kind is CloudlinkEnding.Goodbye)
            resume = null;
        if (welcome is not null)
            tell?.Invoke(new(CloudlinkEvent.Disconnected, welcome.Session, Reason: end.Message?.Reason));
        return (welcome is not null, end.Message?.WithinSeconds is { } within ? TimeSpan.FromSeconds(within) : null);
    }

    /// <summary>Asks a silent server for a sign, and gives it up when none comes. Ends when the connection has ended.</summary>
    private async Task WatchAsync(CloudlinkConnection connection, Task running, Func<CloudlinkMessage?> welcome, CancellationToken cancellation)
    {
        var asked = connection.HeardAt;
        while (!running.IsCompleted)
        {
            var (ping, keepalive) = welcome() is { } told ? (TimeSpan.FromSeconds(told.PingSeconds!.Value), TimeSpan.FromSeconds(told.KeepaliveSeconds!.Value)) : (settings.LoginLimit, settings.LoginLimit);
            var now = time.GetTimestamp();
            var heard = connection.HeardAt;
            var silence = time.GetElapsedTime(heard, now);
            if (silence >= keepalive)
            {
                connection.Abort();
                return;
            }

            var sinceSign = time.GetElapsedTime(Math.Max(heard, asked), now);
            if (sinceSign >= ping)
            {
                connection.AskForSign();
                (asked, sinceSign) = (now, TimeSpan.Zero);
            }

            var nap = ping - sinceSign < keepalive - silence ? ping - sinceSign : keepalive - silence;
            // The welcome, which tells both periods, is looked for again soon.
            if (welcome() is null)
                nap = TimeSpan.FromMilliseconds(50);
            try
            {
                using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                await Task.WhenAny(running, Task.Delay(nap, time, either.Token)).ConfigureAwait(false);
                await either.CancelAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
            }

            if (cancellation.IsCancellationRequested)
            {
                await connection.SayGoodbyeAsync("stopping").ConfigureAwait(false);
                return;
            }
        }
    }
}
