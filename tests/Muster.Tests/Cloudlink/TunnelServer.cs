using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Muster.Tests.Cloudlink;

/// <summary>An HTTP CONNECT proxy with supervisors behind it, as a tunnel server has.</summary>
internal sealed class TunnelServer : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly Func<SupervisorCall, Task<string>> answer;
    private readonly CancellationTokenSource stop = new();

    /// <param name="answer">From a call to a whole HTTP answer.</param>
    public TunnelServer(Func<SupervisorCall, string> answer)
        : this(call => Task.FromResult(answer(call)))
    {
    }

    private TunnelServer(Func<SupervisorCall, Task<string>> answer)
    {
        this.answer = answer;
        listener.Start();
        _ = ServeAsync();
    }

    /// <summary>With supervisors that take their time. Blocking a thread for that would starve the tests beside it.</summary>
    public static TunnelServer Slow(Func<SupervisorCall, Task<string>> answer) => new(answer);

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>What the proxy answers to CONNECT.</summary>
    public string ConnectAnswer { get; set; } = "HTTP/1.1 200 OK\r\n\r\n";

    /// <summary>A whole answer with this body.</summary>
    public static string Http(int status, string? type, string body) =>
        $"HTTP/1.1 {status} x\r\n{(type is null ? "" : $"Content-Type: {type}\r\n")}Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}";

    public void Dispose()
    {
        stop.Cancel();
        listener.Stop();
        stop.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await listener.AcceptTcpClientAsync(stop.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var connection = client;
        var stream = client.GetStream();
        var connect = await HeadAsync(stream);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(ConnectAnswer));
        if (await HeadAsync(stream) is not { Length: > 0 } head)
            return;
        var length = head.Split("\r\n").FirstOrDefault(l => l.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)) is { } line ? int.Parse(line[15..].Trim(), System.Globalization.CultureInfo.InvariantCulture) : 0;
        var body = new byte[length];
        await stream.ReadExactlyAsync(body);
        var first = head.Split(' ');
        await stream.WriteAsync(Encoding.UTF8.GetBytes(await answer(new(connect.Split(' ')[1], first[0], first[1], Encoding.UTF8.GetString(body)))));
    }

    private static async Task<string> HeadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(one) == 1)
            head.Append((char)one[0]);
        return head.ToString();
    }
}

/// <summary>What reached a supervisor. Target: host and port that the proxy was asked for.</summary>
internal sealed record SupervisorCall(string Target, string Method, string Url, string Body);
