using System.Buffers;
using System.IO.Pipelines;
using Nerdbank.Streams;

namespace Muster.Protocol.Cloudlink;

/// <summary>
/// A byte stream to a port of a device, one of many over its connection. Each way ends by itself (<see cref="CompleteWritingAsync"/>);
/// a stream that was broken off, or whose connection was, fails and does not end.
/// </summary>
public sealed class CloudlinkStream : Stream
{
    /// <summary>What was written is still sent for so long after the stream was disposed of.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(10);

    private readonly MultiplexingStream.Channel channel;
    private readonly CloudlinkConnection connection;
    private int disposed;

    internal CloudlinkStream(CloudlinkConnection connection, MultiplexingStream.Channel channel) => (this.connection, this.channel) = (connection, channel);

    public override bool CanRead => disposed == 0;

    public override bool CanWrite => disposed == 0;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Tells the other end that no more comes; it may still speak.</summary>
    public ValueTask CompleteWritingAsync() => channel.Output.CompleteAsync();

    /// <returns>0: the other end has said its last.</returns>
    /// <exception cref="IOException">The stream, or its connection, was broken off.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ReadResult read;
        try
        {
            read = await channel.Input.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (OperationCanceledException or IOException))
        {
            throw new IOException("The stream was broken off at its other end.", e);
        }

        var part = read.Buffer.Slice(0, Math.Min(buffer.Length, read.Buffer.Length));
        var count = (int)part.Length;
        part.CopyTo(buffer.Span);
        var atEnd = read.Buffer.IsEmpty;
        channel.Input.AdvanceTo(part.End);
        return atEnd && connection.IsEnded ? throw new IOException("The device's connection ended.") : count;
    }

    /// <exception cref="IOException">The stream, or its connection, was broken off.</exception>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        FlushResult written;
        try
        {
            written = await channel.Output.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidOperationException e)
        {
            throw new IOException("The stream has ended.", e);
        }

        if (written.IsCompleted || connection.IsEnded)
            throw new IOException(connection.IsEnded ? "The device's connection ended." : "The other end does not listen any more.");
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Breaks it off: the other end's reads and writes fail.</summary>
    internal void Break(Exception why)
    {
        channel.Output.Complete(why);
        Dispose();
    }

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        channel.Output.Complete();
        channel.Input.Complete();
        // The channel ends when both sides have completed; a side that does not is not waited for.
        _ = EndAsync();
        base.Dispose(disposing);
    }

    private async Task EndAsync()
    {
        try
        {
            await channel.Completion.WaitAsync(Linger, connection.Time).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It ended with a fault, or not in time.
        }

        channel.Dispose();
    }
}
