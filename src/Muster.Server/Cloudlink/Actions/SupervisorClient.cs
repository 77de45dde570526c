using System.Net;
using System.Text;
using Microsoft.Extensions.Options;
using Muster.Server.Cloudlink.Sessions;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>What a supervisor answered. Status 502: it was not reached, 504: not in time; the body then says so.</summary>
/// <param name="ContentType">Null when there was none.</param>
/// <param name="Date">The device's clock when it answered, to the second; null when it does not tell.</param>
/// <param name="WasSent">False when it is sure that nothing of the call reached the device.</param>
internal sealed record SupervisorAnswer(int Status, string? ContentType, string Body, bool WasSent = true, DateTimeOffset? Date = null)
{
    /// <summary>As the audit log has it.</summary>
    public string Word => Status switch
    {
        >= 200 and < 300 => $"done ({Status})",
        StatusCodes.Status502BadGateway when !WasSent => "not reached",
        StatusCodes.Status502BadGateway => "broken off",
        StatusCodes.Status504GatewayTimeout => "no answer in time",
        _ => $"refused by the device ({Status})",
    };
}

/// <summary>Calls the API of supervisors through their tunnels (docs/device-protocol.md, "The supervisor's API").</summary>
internal sealed class SupervisorClient : IDisposable
{
    private const int MaxAnswerBytes = 1024 * 1024;

    /// <summary>Calls to several devices begin so far apart, that their answers don't come all at once.</summary>
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(50);

    private static readonly HttpRequestOptionsKey<TunnelledDevice> Device = new("device");

    private readonly HttpClient http;
    private readonly TimeSpan timeout;
    private readonly TimeProvider time;

    public SupervisorClient(DeviceTunnel tunnel, IOptions<CloudlinkOptions> options, TimeProvider time)
    {
        this.time = time;
        timeout = options.Value.DeviceTimeout;
        http = new(new SocketsHttpHandler
        {
            ConnectCallback = (context, cancellation) =>
                context.InitialRequestMessage.Options.TryGetValue(Device, out var device)
                    ? tunnel.ConnectAsync(device, context.DnsEndPoint.Port, cancellation)
                    : throw new InvalidOperationException("A request without a device."),
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            // A session may move to another tunnel server at any moment: no connection is kept for the next call.
            PooledConnectionLifetime = TimeSpan.Zero,
        })
        {
            MaxResponseContentBufferSize = MaxAnswerBytes,
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public async Task<SupervisorAnswer> CallAsync(TunnelledDevice device, SupervisorCall call, CancellationToken cancellation)
    {
        var key = device.ApiSecret is { } secret ? $"?apikey={Uri.EscapeDataString(secret)}" : "";
        using var request = new HttpRequestMessage(call.Method, $"http://{device.Uuid}.balena:{device.ApiPort ?? 80}{call.Path}{key}");
        request.Options.Set(Device, device);
        if (call.Data is { } json)
            request.Content = new StringContent(json.GetRawText(), Encoding.UTF8, "application/json");
        using var late = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellation);
        try
        {
            using var response = await http.SendAsync(request, either.Token);
            return new((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsStringAsync(either.Token), Date: response.Headers.Date);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested)
        {
            return new((int)HttpStatusCode.GatewayTimeout, "text/plain", "The device did not answer in time.");
        }
        catch (Exception e) when (e is HttpRequestException or TunnelException)
        {
            return new((int)HttpStatusCode.BadGateway, "text/plain", "The device could not be reached through its tunnel.", WasSent: e is not HttpRequestException { InnerException: TunnelException });
        }
    }

    /// <summary>The same call to several devices; answers in their order.</summary>
    public async Task<SupervisorAnswer[]> CallAllAsync(IReadOnlyCollection<TunnelledDevice> devices, SupervisorCall call, CancellationToken cancellation)
    {
        var calls = new List<Task<SupervisorAnswer>>(devices.Count);
        foreach (var device in devices)
        {
            if (calls.Count > 0)
                await Task.Delay(Spacing, time, cancellation);
            calls.Add(CallAsync(device, call, cancellation));
        }

        return await Task.WhenAll(calls);
    }

    public void Dispose() => http.Dispose();
}
