using System.IO.Compression;

namespace Muster.Server.Devices.Logs;

/// <summary>
/// Inflates an upload, and gives up on one that grows out of all proportion: a line of log repeats itself, but not a
/// thousandfold, and what is inflated costs the server, not the sender.
/// </summary>
internal sealed class GzipUpload : Stream
{
    /// <summary>Bytes out of one byte in. Logs of one line over and over reach a hundred.</summary>
    private const int MostRatio = 200;

    /// <summary>Bytes that may come out whatever went in.</summary>
    private const int Free = 64 * 1024;

    /// <summary>What the inflater is given at once: what it has not used yet counts as sent, and must be little.</summary>
    private const int Piece = 1024;

    private readonly CountedStream sent;
    private readonly GZipStream inflated;
    private long produced;

    public GzipUpload(Stream body)
    {
        sent = new CountedStream(body);
        inflated = new GZipStream(sent, CompressionMode.Decompress);
    }

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <exception cref="InvalidDataException">No gzip, or one that inflates too much.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = await inflated.ReadAsync(buffer, cancellationToken);
        produced += count;
        return produced <= Free + MostRatio * sent.Count ? count : throw new InvalidDataException("The body inflates too much.");
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override void Flush() => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await inflated.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <summary>Passes on what is read, and counts it.</summary>
    private sealed class CountedStream(Stream source) : Stream
    {
        public long Count { get; private set; }

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await source.ReadAsync(buffer[..Math.Min(buffer.Length, Piece)], cancellationToken);
            Count += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override void Flush() => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
