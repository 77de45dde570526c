using System.Net.Sockets;

namespace Muster.Simulator.Fleet;

/// <summary>
/// A device's own way to the server, which can fail as networks do: go silent, when nothing comes through and nobody is told
/// (what is under way waits, as TCP has it), or be cut, when both ends notice.
/// </summary>
public sealed class DeviceNetwork : IDisposable
{
    private readonly Lock gate = new();
    private readonly HashSet<LinkStream> links = [];
    private TaskCompletionSource? silence;

    /// <param name="handler">How the server is reached; its own way of connecting is replaced. The network's to dispose of.</param>
    public DeviceNetwork(SocketsHttpHandler handler)
    {
        handler.ConnectCallback = async (context, cancellation) =>
        {
            await PassAsync(cancellation);
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(context.DnsEndPoint, cancellation);
                return new LinkStream(this, new NetworkStream(socket, ownsSocket: true));
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        };
        Http = new(handler);
    }

    public HttpMessageInvoker Http { get; }

    /// <summary>Called after something was sent. It returns at once.</summary>
    public Action? Spoke { get; init; }

    public bool IsSilent
    {
        get
        {
            lock (gate)
                return silence is not null;
        }

        set
        {
            lock (gate)
            {
                if (value)
                {
                    silence ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
                    return;
                }

                silence?.SetResult();
                silence = null;
            }
        }
    }

    /// <summary>Ends all connections; new ones can be made.</summary>
    public void Cut()
    {
        LinkStream[] all;
        lock (gate)
            all = [.. links];
        foreach (var link in all)
            link.Dispose();
    }

    public void Dispose()
    {
        Cut();
        Http.Dispose();
    }

    private Task PassAsync(CancellationToken cancellation)
    {
        lock (gate)
            return silence?.Task.WaitAsync(cancellation) ?? Task.CompletedTask;
    }

    private sealed class LinkStream : Stream
    {
        private readonly DeviceNetwork network;
        private readonly NetworkStream inner;
        private readonly CancellationTokenSource life = new();

        public LinkStream(DeviceNetwork network, NetworkStream inner)
        {
            (this.network, this.inner) = (network, inner);
            lock (network.gate)
                network.links.Add(this);
        }

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
            var count = await inner.ReadAsync(buffer, cancellationToken);
            await PassAsync(cancellationToken);
            return count;
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await PassAsync(cancellationToken);
            await inner.WriteAsync(buffer, cancellationToken);
            network.Spoke?.Invoke();
        }

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

        protected override void Dispose(bool disposing)
        {
            lock (network.gate)
            {
                if (!network.links.Remove(this))
                    return;
            }

            life.Cancel();
            inner.Dispose();
            base.Dispose(disposing);
        }

        private async Task PassAsync(CancellationToken cancellation)
        {
            if (!network.IsSilent)
                return;
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, life.Token);
            try
            {
                await network.PassAsync(either.Token);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                throw new IOException("The connection was cut.");
            }
        }
    }
}
