using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;

namespace Muster.Server.Devices;

/// <summary>Reads a request's body into memory, up to a bound.</summary>
internal static class DeviceBody
{
    /// <summary>What a stock device may send in one request (protocol/recordings/state-patch-v3.json, "body > 512 kB").</summary>
    public const int Limit = 512 * 1024;

    /// <summary>How much of a body that is too large is read and dropped, so that its sender gets to read the answer.</summary>
    private const int Drained = 16 * 1024 * 1024;

    /// <summary>Null: more than <see cref="Limit"/>; the caller answers 413. The memory is the request's own.</summary>
    public static async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = Drained;
        var reader = context.Request.BodyReader;
        while (true)
        {
            var result = await reader.ReadAsync(context.RequestAborted);
            if (result.Buffer.Length > Limit)
            {
                reader.AdvanceTo(result.Buffer.End);
                await DrainAsync(reader, context.RequestAborted);
                return null;
            }

            if (result.IsCompleted)
            {
                var body = result.Buffer.ToArray();
                reader.AdvanceTo(result.Buffer.End);
                return body;
            }

            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    public static bool IsJson(HttpRequest request) =>
        request.ContentType is { } type && (type.StartsWith("application/json", StringComparison.OrdinalIgnoreCase) || type.Contains("+json", StringComparison.OrdinalIgnoreCase));

    private static async Task DrainAsync(PipeReader reader, CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                var result = await reader.ReadAsync(cancellation);
                reader.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                    return;
            }
        }
        catch (BadHttpRequestException)
        {
            // Larger than we care to read.
        }
    }
}
