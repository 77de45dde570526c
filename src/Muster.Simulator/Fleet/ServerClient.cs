using System.IO.Compression;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Muster.Simulator.Devices;

namespace Muster.Simulator.Fleet;

/// <summary>The way to the server: sends requests, bounded in number, and counts them.</summary>
/// <param name="newConnections">Each device request opens a connection of its own, as a supervisor does.</param>
public sealed class ServerClient(Uri server, HttpMessageHandler handler, TimeProvider time, int concurrency, bool newConnections = false) : IDisposable
{
    private readonly HttpMessageInvoker http = new(handler);
    private readonly SemaphoreSlim slots = new(concurrency);
    private long requests;
    private long errors;
    private long awaySince;
    private long lastAnswer;

    public Latencies Latencies { get; } = new();

    public long Requests => Interlocked.Read(ref requests);

    /// <summary>Requests without an answer, or with a status of 500 and above.</summary>
    public long Errors => Interlocked.Read(ref errors);

    /// <summary>Called with the span (Unix ms) in which the server gave no answer: from the last answer before to the first one after.</summary>
    public Action<long, long>? WasAway { get; set; }

    /// <param name="ca">PEM file of the authority that a server's certificate must chain to; null: the system's.</param>
    public static SocketsHttpHandler Handler(string? ca = null)
    {
        var handler = new SocketsHttpHandler
        {
            // The server ends idle connections after 5 s; ours go earlier, so that no request meets the end.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(3),
            ConnectTimeout = TimeSpan.FromSeconds(15),
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = System.Net.DecompressionMethods.None,
        };
        if (ca is not null)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(ca);
            handler.SslOptions.CertificateChainPolicy = policy;
        }

        return handler;
    }

    public static Uri Address(string server) => new(server.EndsWith('/') ? server : server + "/");

    /// <summary>Null when no answer came within the time limit, or none at all.</summary>
    public async Task<DeviceAnswer?> SendAsync(DeviceRequest request, TimeSpan limit, CancellationToken cancellation)
    {
        using var message = new HttpRequestMessage(new HttpMethod(request.Method), new Uri(server, request.Path.TrimStart('/')));
        message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", request.Key);
        message.Headers.TryAddWithoutValidation("User-Agent", "Supervisor/19.0.5 (Linux; balenaOS 6.5.39; prod)");
        if (request.IfNoneMatch is not null)
            message.Headers.TryAddWithoutValidation("If-None-Match", request.IfNoneMatch);
        message.Headers.ConnectionClose = newConnections;
        if (request.Body is not null)
            message.Content = Content(request.Body, request.ContentType);

        await slots.WaitAsync(cancellation);
        var started = time.GetTimestamp();
        try
        {
            using var timeout = new CancellationTokenSource(limit, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timeout.Token);
            using var response = await http.SendAsync(message, either.Token);
            var body = await response.Content.ReadAsStringAsync(either.Token);
            Answered();
            if ((int)response.StatusCode >= 500)
                Interlocked.Increment(ref errors);
            Latencies.Add(time.GetElapsedTime(started));
            return new((int)response.StatusCode, response.Headers.TryGetValues("ETag", out var tags) ? tags.First() : null, body);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            Interlocked.Increment(ref errors);
            Interlocked.CompareExchange(ref awaySince, Math.Max(1, Interlocked.Read(ref lastAnswer)), 0);
            return null;
        }
        finally
        {
            Interlocked.Increment(ref requests);
            slots.Release();
        }
    }

    private void Answered()
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        Interlocked.Exchange(ref lastAnswer, now);
        var away = Interlocked.Exchange(ref awaySince, 0);
        if (away != 0)
            WasAway?.Invoke(away, now);
    }

    private static ByteArrayContent Content(string body, string type)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        if (type == "application/x-ndjson")
        {
            using var packed = new MemoryStream();
            using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
                gzip.Write(bytes);
            bytes = packed.ToArray();
        }

        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        if (type == "application/x-ndjson")
            content.Headers.ContentEncoding.Add("gzip");
        return content;
    }

    public void Dispose()
    {
        http.Dispose();
        slots.Dispose();
    }
}
