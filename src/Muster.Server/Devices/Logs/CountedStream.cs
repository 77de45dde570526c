namespace Muster.Server.Devices.Logs;

/// <summary>Passes on what is read, and counts it. The source is disposed of with it.</summary>
/// <param name="piece">What is asked of the source at once, at most.</param>
/// <param name="counted">Told of the count after each read; may throw to end the reading.</param>
internal sealed class CountedStream(Stream source, int piece = int.MaxValue, Action<long>? counted = null) : Stream
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
        var count = await source.ReadAsync(buffer[..Math.Min(buffer.Length, piece)], cancellationToken);
        Count += count;
        counted?.Invoke(Count);
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override void Flush() => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await source.DisposeAsync();
        await base.DisposeAsync();
    }
}
