using System.Buffers;
using System.Globalization;
using System.IO.Compression;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Microsoft.Net.Http.Headers;

namespace Muster.Server.Resources.Reads;

/// <summary>
/// The answer to a read, while it is written. It is kept until it is complete, and then goes out with its length and an ETag,
/// or as 304; one that grows beyond <see cref="Kept"/> goes out as it comes, without either. Compressed when the client
/// accepts it. That gives no secret away by its length: an answer is only ever given for a credential in the request itself,
/// never for a cookie, so that no foreign page can have a browser ask for it.
/// </summary>
internal sealed class JsonAnswer(HttpContext context) : IDisposable
{
    private const string JsonType = "application/json; charset=utf-8";

    /// <summary>Bytes up to which an answer is kept.</summary>
    private const int Kept = 1024 * 1024;

    /// <summary>Bytes after which what was written is handed on to the connection, once the answer goes out as it comes.</summary>
    private const int Flush = 64 * 1024;

    /// <summary>Bytes below which an answer fits into a packet anyway.</summary>
    private const int WorthCompressing = 1024;

    private readonly Pipe pipe = new(new PipeOptions(pauseWriterThreshold: 0, minimumSegmentSize: 16 * 1024, useSynchronizationContext: false));
    private Stream? flowing;

    public IBufferWriter<byte> Body => pipe.Writer;

    /// <summary>To be called between rows: hands on what is too much to be kept.</summary>
    public async ValueTask BetweenRowsAsync(CancellationToken cancellation)
    {
        if (pipe.Writer.UnflushedBytes <= (flowing is null ? Kept : Flush))
            return;
        if (flowing is null)
        {
            var encoding = Begin(isLarge: true);
            flowing = Compressed(context.Response.Body, encoding);
        }

        await HandOnAsync(flowing, cancellation);
    }

    /// <summary>Sends what was not sent yet.</summary>
    public async Task CompleteAsync(CancellationToken cancellation)
    {
        if (flowing is not null)
        {
            await HandOnAsync(flowing, cancellation);
            if (flowing != context.Response.Body)
                await flowing.DisposeAsync();
        }
        else
        {
            await SendWholeAsync(cancellation);
        }
    }

    public void Dispose()
    {
        pipe.Writer.Complete();
        pipe.Reader.Complete();
    }

    private async Task SendWholeAsync(CancellationToken cancellation)
    {
        await pipe.Writer.FlushAsync(cancellation);
        var whole = (await pipe.Reader.ReadAsync(cancellation)).Buffer;
        var encoding = Begin(isLarge: whole.Length >= WorthCompressing);
        var tag = Tag(whole);
        context.Response.Headers.ETag = tag.ToString();
        if (context.Request.GetTypedHeaders().IfNoneMatch.Any(known => known.Equals(EntityTagHeaderValue.Any) || known.Compare(tag, useStrongComparison: false)))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            context.Response.ContentType = null;
            context.Response.Headers.ContentEncoding = default;
        }
        else if (encoding is null)
        {
            context.Response.ContentLength = whole.Length;
            // Handed on together: each write to the body itself would be a packet of its own.
            foreach (var part in whole)
                context.Response.BodyWriter.Write(part.Span);
            await context.Response.BodyWriter.FlushAsync(cancellation);
        }
        else
        {
            using var small = new MemoryStream();
            await using (var into = Compressed(small, encoding))
            {
                foreach (var part in whole)
                    await into.WriteAsync(part, cancellation);
            }

            context.Response.ContentLength = small.Length;
            await context.Response.Body.WriteAsync(small.GetBuffer().AsMemory(0, (int)small.Length), cancellation);
        }

        pipe.Reader.AdvanceTo(whole.End);
    }

    private async ValueTask HandOnAsync(Stream to, CancellationToken cancellation)
    {
        await pipe.Writer.FlushAsync(cancellation);
        if (!pipe.Reader.TryRead(out var read))
            return;
        foreach (var part in read.Buffer)
            await to.WriteAsync(part, cancellation);
        pipe.Reader.AdvanceTo(read.Buffer.End);
    }

    /// <summary>Sets the headers that every answer has; the encoding that it goes out in, or null.</summary>
    private string? Begin(bool isLarge)
    {
        var encoding = isLarge ? Encoding(context.Request) : null;
        context.Response.ContentType = JsonType;
        // It depends on who asks, and may have changed a moment later: asked again every time, by its ETag.
        context.Response.Headers.CacheControl = "private, no-cache";
        context.Response.Headers.Vary = "Accept-Encoding, Authorization";
        if (encoding is not null)
            context.Response.Headers.ContentEncoding = encoding;
        return encoding;
    }

    /// <summary>Weak, because the same rows may go out in several encodings.</summary>
    private static EntityTagHeaderValue Tag(ReadOnlySequence<byte> whole)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in whole)
            hash.AppendData(part.Span);
        return new EntityTagHeaderValue(string.Create(CultureInfo.InvariantCulture, $"\"{whole.Length:x}-{Convert.ToBase64String(hash.GetHashAndReset()[..20])[..27]}\""), isWeak: true);
    }

    /// <summary>The encoding of ours that the client likes best, or null.</summary>
    private static string? Encoding(HttpRequest request)
    {
        var accepted = request.GetTypedHeaders().AcceptEncoding;
        double Liking(string name) =>
            (accepted.FirstOrDefault(a => a.Value.Equals(name, StringComparison.OrdinalIgnoreCase)) ?? accepted.FirstOrDefault(a => a.Value == "*")) is { } found ? found.Quality ?? 1 : 0;
        var (br, gzip) = (Liking("br"), Liking("gzip"));
        return br > 0 && br >= gzip ? "br" : gzip > 0 ? "gzip" : null;
    }

    private static Stream Compressed(Stream into, string? encoding) => encoding switch
    {
        "br" => new BrotliStream(into, CompressionLevel.Fastest, leaveOpen: true),
        "gzip" => new GZipStream(into, CompressionLevel.Fastest, leaveOpen: true),
        _ => into,
    };
}
