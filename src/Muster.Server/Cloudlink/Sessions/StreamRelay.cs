using System.Buffers;
using System.Net.Sockets;
using Muster.Protocol.Cloudlink;

namespace Muster.Server.Cloudlink.Sessions;

/// <summary>What a relay carried.</summary>
/// <param name="ToDevice">Bytes.</param>
/// <param name="ToPerson">Bytes.</param>
internal readonly record struct Relayed(long ToDevice, long ToPerson);

/// <summary>One side of a relay.</summary>
/// <param name="EndWriting">Tells the other party that no more comes, while it may still speak; null when the stream has no such thing.</param>
internal readonly record struct RelaySide(Stream Stream, Func<ValueTask>? EndWriting)
{
    public static RelaySide Of(Stream stream) => new(stream, stream switch
    {
        NetworkStream network => () => EndAsync(network),
        CloudlinkStream cloudlink => cloudlink.CompleteWritingAsync,
        _ => null,
    });

    private static ValueTask EndAsync(NetworkStream stream)
    {
        stream.Socket.Shutdown(SocketShutdown.Send);
        return ValueTask.CompletedTask;
    }
}

/// <summary>Carries bytes both ways between a person and a device, until both have said their last or nothing was said for too long.</summary>
internal static class StreamRelay
{
    private const int BufferBytes = 32 * 1024;

    /// <param name="idle">How long both may be silent; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellation">Ends it; that is no fault.</param>
    /// <returns>What was carried; the streams are the caller's to dispose of.</returns>
    public static async Task<Relayed> RunAsync(RelaySide person, RelaySide device, TimeSpan idle, TimeProvider time, CancellationToken cancellation)
    {
        using var silence = new CancellationTokenSource(idle, time);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation, silence.Token);
        void Heard() => silence.CancelAfter(idle);

        var toDevice = CarryAsync(person.Stream, device, Heard, end);
        var toPerson = CarryAsync(device.Stream, person, Heard, end);
        return new(await toDevice, await toPerson);
    }

    private static async Task<long> CarryAsync(Stream from, RelaySide to, Action heard, CancellationTokenSource end)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        var carried = 0L;
        try
        {
            while (await from.ReadAsync(buffer, end.Token) is > 0 and var count)
            {
                await to.Stream.WriteAsync(buffer.AsMemory(0, count), end.Token);
                await to.Stream.FlushAsync(end.Token);
                carried += count;
                heard();
            }

            if (to.EndWriting is { } endWriting)
                await endWriting();
            else
                await end.CancelAsync();
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // One of both has gone: so must the other.
            await end.CancelAsync();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return carried;
    }
}
