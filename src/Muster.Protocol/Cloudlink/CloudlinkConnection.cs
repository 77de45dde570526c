using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Net.WebSockets;
using Nerdbank.Streams;

namespace Muster.Protocol.Cloudlink;

/// <summary>How a connection ended.</summary>
public enum CloudlinkEnding
{
    /// <summary>It broke off: without a word, or by <see cref="CloudlinkConnection.Abort"/>.</summary>
    Lost,

    /// <summary>The other side said goodbye, or closed in order.</summary>
    Goodbye,

    /// <summary>The other side said what is no part of the protocol.</summary>
    Malformed,
}

/// <param name="Message">The goodbye, when there was one.</param>
public readonly record struct CloudlinkEnd(CloudlinkEnding Kind, CloudlinkMessage? Message = null);

/// <summary>Serves one stream to a port of the device, until it is done; the stream is then disposed of.</summary>
public delegate Task CloudlinkService(CloudlinkStream stream, CancellationToken cancellation);

/// <summary>Who serves a port of the device; null: nobody, the stream is refused.</summary>
public delegate ValueTask<CloudlinkService?> CloudlinkPorts(int port, CancellationToken cancellation);

/// <summary>
/// Either end of a device's WebSocket: control messages as text, streams multiplexed as binary messages. An idle one holds no
/// buffers; what the streams need is made with the first of them.
/// </summary>
public sealed class CloudlinkConnection : IDisposable
{
    /// <summary>Streams open at once.</summary>
    public const int MaxStreams = 64;

    /// <summary>Bytes that one stream may have on the way and unread, each way.</summary>
    public const int Window = 256 * 1024;

    /// <summary>How long the end in order may take.</summary>
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(2);

    private const int OwesPing = 1, OwesPong = 2, Paying = 4;

    private static readonly byte[] Ping = new CloudlinkMessage { Type = CloudlinkMessage.Ping }.ToUtf8();
    private static readonly byte[] Pong = new CloudlinkMessage { Type = CloudlinkMessage.Pong }.ToUtf8();
    private static readonly TraceSource Quiet = new("Muster.Cloudlink", SourceLevels.Off);

    private readonly WebSocket socket;
    private readonly TimeProvider time;
    private readonly CloudlinkPorts? ports;
    private readonly SemaphoreSlim sending = new(1);
    private Streams? streams;
    private long heardAt;
    private int open;
    private int owed;
    private int ended;
    private TaskCompletionSource? over;

    /// <param name="ports">Of the device's end; null at the server's end, which alone opens streams.</param>
    public CloudlinkConnection(WebSocket socket, TimeProvider time, CloudlinkPorts? ports = null)
    {
        (this.socket, this.time, this.ports) = (socket, time, ports);
        heardAt = time.GetTimestamp();
    }

    /// <summary>When the other side was last heard, as a timestamp of the time provider.</summary>
    public long HeardAt => Volatile.Read(ref heardAt);

    internal TimeProvider Time => time;

    internal bool IsEnded => Volatile.Read(ref ended) != 0;

    /// <summary>Reads until the connection ends; its streams end with it. What is left to do is <see cref="CloseAsync"/>.</summary>
    /// <param name="heard">Takes each control message but pings, pongs and the goodbye. It returns at once.</param>
    public async Task<CloudlinkEnd> RunAsync(Action<CloudlinkMessage>? heard = null)
    {
        var end = new CloudlinkEnd(CloudlinkEnding.Lost);
        try
        {
            end = await ReadAsync(heard).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLoss(e))
        {
        }

        Interlocked.Exchange(ref ended, 1);
        Volatile.Read(ref streams)?.Dispose();
        over?.TrySetResult();
        return end;
    }

    /// <summary>Closes it as its end wants it: in order, where the other side plays along in time.</summary>
    public async Task CloseAsync(CloudlinkEnd end)
    {
        if (end.Kind is not CloudlinkEnding.Lost)
        {
            try
            {
                await LeaveAsync(end.Kind is CloudlinkEnding.Malformed).WaitAsync(CloseLimit, time).ConfigureAwait(false);
                return;
            }
            catch (Exception e) when (IsLoss(e) || e is TimeoutException)
            {
            }
        }

        Abort();
    }

    /// <exception cref="IOException">The connection has ended.</exception>
    public async ValueTask SendAsync(CloudlinkMessage message)
    {
        try
        {
            await SendAsync(message.ToUtf8(), WebSocketMessageType.Text).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLoss(e))
        {
            throw new IOException("The connection has ended.", e);
        }
    }

    /// <summary>Asks whether the other side is there. Returns at once; what cannot be sent yet is sent once.</summary>
    public void AskForSign() => Owe(OwesPing);

    /// <summary>Ends it in order, if the other side plays along in time, else without.</summary>
    public async Task SayGoodbyeAsync(string reason, double? withinSeconds = null)
    {
        try
        {
            await SendAsync(new CloudlinkMessage { Type = CloudlinkMessage.Goodbye, Reason = reason, WithinSeconds = withinSeconds }).AsTask().WaitAsync(CloseLimit, time).ConfigureAwait(false);
            await CloseOutputAsync(WebSocketCloseStatus.NormalClosure).WaitAsync(CloseLimit, time).ConfigureAwait(false);
            var closed = Interlocked.CompareExchange(ref over, new(TaskCreationOptions.RunContinuationsAsynchronously), null) ?? over;
            if (!IsEnded)
                await closed.Task.WaitAsync(CloseLimit, time).ConfigureAwait(false);
            return;
        }
        catch (Exception e) when (IsLoss(e) || e is TimeoutException)
        {
        }

        Abort();
    }

    /// <summary>Ends it at once.</summary>
    public void Abort()
    {
        Interlocked.Exchange(ref ended, 1);
        socket.Abort();
        Volatile.Read(ref streams)?.Dispose();
        over?.TrySetResult();
    }

    public void Dispose()
    {
        Volatile.Read(ref streams)?.Dispose();
        socket.Dispose();
        sending.Dispose();
    }

    /// <summary>Opens a stream to a TCP port of the device.</summary>
    /// <exception cref="IOException">The device does not take it, or does not answer in time; the message is a sentence for people.</exception>
    public async ValueTask<CloudlinkStream> OpenAsync(int port, TimeSpan limit, CancellationToken cancellation)
    {
        if (Interlocked.Increment(ref open) > MaxStreams)
        {
            Interlocked.Decrement(ref open);
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{MaxStreams} streams are open to the device already; close one first."));
        }

        using var late = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellation);
        try
        {
            var channel = await OfStreams().OfferAsync(port, either.Token).ConfigureAwait(false);
            _ = channel.Completion.ContinueWith(static (_, connection) => Interlocked.Decrement(ref ((CloudlinkConnection)connection!).open), this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            return new(this, channel);
        }
        catch (Exception e)
        {
            Interlocked.Decrement(ref open);
            if (cancellation.IsCancellationRequested)
                throw;
            throw new IOException(
                IsEnded ? "The device's connection ended."
                : late.IsCancellationRequested ? string.Create(CultureInfo.InvariantCulture, $"The device did not answer in time whether port {port} takes connections.")
                : string.Create(CultureInfo.InvariantCulture, $"The device refused the connection: nothing listens on its port {port}, or it lets nobody in there."), e);
        }
    }

    private static bool IsLoss(Exception e) => e is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;

    private async Task<CloudlinkEnd> ReadAsync(Action<CloudlinkMessage>? heard)
    {
        var frames = default(StreamFrames);
        while (true)
        {
            // No buffer is held while nothing comes.
            var begun = await socket.ReceiveAsync(Memory<byte>.Empty, CancellationToken.None).ConfigureAwait(false);
            Volatile.Write(ref heardAt, time.GetTimestamp());
            switch (begun.MessageType)
            {
                case WebSocketMessageType.Close:
                    return new(CloudlinkEnding.Goodbye);
                case WebSocketMessageType.Binary:
                    var writer = OfStreams().Incoming;
                    while (!begun.EndOfMessage)
                    {
                        var memory = writer.GetMemory(4096);
                        begun = await socket.ReceiveAsync(memory, CancellationToken.None).ConfigureAwait(false);
                        Volatile.Write(ref heardAt, time.GetTimestamp());
                        if (begun.MessageType is WebSocketMessageType.Close)
                            return new(CloudlinkEnding.Goodbye);
                        if (!frames.Pass(memory.Span[..begun.Count]))
                            return new(CloudlinkEnding.Malformed);
                        writer.Advance(begun.Count);
                        if ((await writer.FlushAsync().ConfigureAwait(false)).IsCompleted)
                            return new(CloudlinkEnding.Malformed);
                    }

                    break;
                default:
                    if (begun.EndOfMessage || await MessageAsync().ConfigureAwait(false) is not { } message)
                        return new(CloudlinkEnding.Malformed);
                    switch (message.Type)
                    {
                        case CloudlinkMessage.Ping:
                            Owe(OwesPong);
                            break;
                        case CloudlinkMessage.Pong:
                            break;
                        case CloudlinkMessage.Goodbye:
                            return new(CloudlinkEnding.Goodbye, message);
                        default:
                            heard?.Invoke(message);
                            break;
                    }

                    break;
            }
        }
    }

    /// <summary>The rest of a text message; null when it is none of ours.</summary>
    private async ValueTask<CloudlinkMessage?> MessageAsync()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(CloudlinkMessage.MaxBytes);
        try
        {
            var length = 0;
            while (length < buffer.Length)
            {
                var part = await socket.ReceiveAsync(buffer.AsMemory(length), CancellationToken.None).ConfigureAwait(false);
                length += part.Count;
                if (part.EndOfMessage)
                    return CloudlinkMessage.TryParse(buffer.AsSpan(0, length), out var message) ? message : null;
            }

            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// Pings and pongs are sent beside the reading, at most one of each waiting: were a reader to wait until its pong is sent,
    /// two ends that both send much could wait for each other for ever.
    /// </summary>
    private void Owe(int what)
    {
        if ((Interlocked.Or(ref owed, what | Paying) & Paying) == 0)
            _ = PayAsync();
    }

    private async Task PayAsync()
    {
        try
        {
            while (true)
            {
                var now = Interlocked.And(ref owed, Paying) & ~Paying;
                if (now == 0 && Interlocked.CompareExchange(ref owed, 0, Paying) == Paying)
                    return;
                if ((now & OwesPong) != 0)
                    await SendAsync(Pong, WebSocketMessageType.Text).ConfigureAwait(false);
                if ((now & OwesPing) != 0)
                    await SendAsync(Ping, WebSocketMessageType.Text).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (IsLoss(e))
        {
            // The reader notices too. Nothing more is sent.
        }
    }

    private async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, WebSocketMessageType type)
    {
        await sending.WaitAsync().ConfigureAwait(false);
        try
        {
            await socket.SendAsync(bytes, type, endOfMessage: true, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            sending.Release();
        }
    }

    private async Task CloseOutputAsync(WebSocketCloseStatus status)
    {
        await sending.WaitAsync().ConfigureAwait(false);
        try
        {
            if (socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
                await socket.CloseOutputAsync(status, null, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            sending.Release();
        }
    }

    private async Task LeaveAsync(bool isMalformed)
    {
        if (isMalformed)
            await SendAsync(new CloudlinkMessage { Type = CloudlinkMessage.Goodbye, Reason = "malformed" }).ConfigureAwait(false);
        await CloseOutputAsync(isMalformed ? WebSocketCloseStatus.ProtocolError : WebSocketCloseStatus.NormalClosure).ConfigureAwait(false);
        var rest = new byte[256];
        while (socket.State is WebSocketState.CloseSent)
            await socket.ReceiveAsync(rest.AsMemory(), CancellationToken.None).ConfigureAwait(false);
    }

    private Streams OfStreams()
    {
        if (Volatile.Read(ref streams) is { } there)
            return there;
        var made = new Streams(this);
        if (Interlocked.CompareExchange(ref streams, made, null) is { } first)
        {
            made.Dispose();
            return first;
        }

        made.Begin();
        if (IsEnded)
            made.Dispose();
        return made;
    }

    /// <summary>What the streams of a connection need, from the first one on.</summary>
    private sealed class Streams : IDisposable
    {
        private readonly CloudlinkConnection connection;
        private readonly Pipe incoming = new(new PipeOptions(pauseWriterThreshold: 64 * 1024, resumeWriterThreshold: 32 * 1024, useSynchronizationContext: false));
        private readonly MultiplexingStream all;
        private readonly CancellationTokenSource life = new();

        public Streams(CloudlinkConnection connection)
        {
            this.connection = connection;
            all = MultiplexingStream.Create(new Transport(connection, incoming.Reader), new MultiplexingStream.Options
            {
                ProtocolMajorVersion = 3,
                DefaultChannelReceivingWindowSize = Window,
                StartSuspended = true,
                TraceSource = Quiet,
                DefaultChannelTraceSourceFactoryWithQualifier = static (_, _) => Quiet,
            });
        }

        public PipeWriter Incoming => incoming.Writer;

        public void Begin()
        {
            all.ChannelOffered += (_, offer) =>
            {
                if (connection.ports is { } ports)
                    _ = ServeAsync(ports, offer);
                else
                    connection.Abort(); // Only the server opens streams.
            };
            all.Completion.ContinueWith(_ => connection.Abort(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            all.StartListening();
        }

        public Task<MultiplexingStream.Channel> OfferAsync(int port, CancellationToken cancellation) =>
            all.OfferChannelAsync(port.ToString(CultureInfo.InvariantCulture), new MultiplexingStream.ChannelOptions(), cancellation);

        private async Task ServeAsync(CloudlinkPorts ports, MultiplexingStream.ChannelOfferEventArgs offer)
        {
            var isCounted = Interlocked.Increment(ref connection.open) <= MaxStreams;
            try
            {
                if (!isCounted || await ServiceAsync(ports, offer.Name).ConfigureAwait(false) is not { } service)
                {
                    all.RejectChannel(offer.QualifiedId.Id);
                    return;
                }

                var stream = new CloudlinkStream(connection, all.AcceptChannel(offer.QualifiedId.Id, new MultiplexingStream.ChannelOptions()));
                try
                {
                    await service(stream, life.Token).ConfigureAwait(false);
                    await stream.DisposeAsync().ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    stream.Break(e);
                }
            }
            catch (Exception e) when (IsLoss(e))
            {
                // The offer was withdrawn, or the connection ended.
            }
            finally
            {
                Interlocked.Decrement(ref connection.open);
            }
        }

        /// <summary>Null: nobody serves it, or whoever does failed over it.</summary>
        private async ValueTask<CloudlinkService?> ServiceAsync(CloudlinkPorts ports, string name)
        {
            if (!ushort.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var port))
                return null;
            try
            {
                return await ports(port, life.Token).ConfigureAwait(false);
            }
            catch (Exception)
            {
                return null;
            }
        }

        public void Dispose()
        {
            if (life.IsCancellationRequested)
                return;
            life.Cancel();
            incoming.Reader.CancelPendingRead();
            incoming.Writer.CancelPendingFlush();
            all.DisposeAsync().AsTask().ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    /// <summary>The binary messages as one stream each way, for the multiplexing library.</summary>
    private sealed class Transport(CloudlinkConnection connection, PipeReader incoming) : Stream
    {
        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await incoming.ReadAsync(cancellationToken).ConfigureAwait(false);
            var part = read.Buffer.Slice(0, Math.Min(buffer.Length, read.Buffer.Length));
            part.CopyTo(buffer.Span);
            var count = (int)part.Length;
            incoming.AdvanceTo(part.End);
            return count;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => connection.SendAsync(buffer, WebSocketMessageType.Binary);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
