using System.Net;
using System.Text;

namespace Muster.Tests.Resources.Connections;

/// <summary>A body that goes on.</summary>
internal sealed class PipedContent : HttpContent
{
    private readonly TaskCompletionSource<Stream> open = new();
    private readonly TaskCompletionSource end = new();

    public PipedContent() => Headers.ContentType = new("application/x-ndjson");

    public async Task WriteAsync(string text)
    {
        var stream = await open.Task;
        await stream.WriteAsync(Encoding.UTF8.GetBytes(text));
        await stream.FlushAsync();
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        open.TrySetResult(stream);
        return end.Task;
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        end.TrySetResult();
        base.Dispose(disposing);
    }
}
