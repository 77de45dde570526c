using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Muster.Server.Cloudlink.Sessions;

namespace Muster.Tests.Cloudlink;

public sealed class StreamRelayTests
{
    private readonly FakeTimeProvider time = new();

    [Fact]
    public async Task Bytes_go_both_ways_and_are_counted()
    {
        var (person, personEnd) = await PairAsync();
        var (device, deviceEnd) = await PairAsync();
        var relay = StreamRelay.RunAsync(RelaySide.Of(personEnd), RelaySide.Of(deviceEnd), Timeout.InfiniteTimeSpan, time, TestContext.Current.CancellationToken);

        await person.WriteAsync("hello"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal("hello", await ReadAsync(device, 5));
        await device.WriteAsync("you"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal("you", await ReadAsync(person, 3));
        person.Socket.Shutdown(SocketShutdown.Send);
        device.Socket.Shutdown(SocketShutdown.Send);

        Assert.Equal(new Relayed(5, 3), await relay);
    }

    [Fact]
    public async Task Who_has_said_his_last_still_hears_the_answer()
    {
        var (person, personEnd) = await PairAsync();
        var (device, deviceEnd) = await PairAsync();
        var relay = StreamRelay.RunAsync(RelaySide.Of(personEnd), RelaySide.Of(deviceEnd), Timeout.InfiniteTimeSpan, time, TestContext.Current.CancellationToken);

        person.Socket.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await device.ReadAsync(new byte[1], TestContext.Current.CancellationToken));
        await device.WriteAsync("late"u8.ToArray(), TestContext.Current.CancellationToken);
        device.Socket.Shutdown(SocketShutdown.Send);

        Assert.Equal("late", await ReadAsync(person, 4));
        Assert.Equal(new Relayed(0, 4), await relay);
    }

    [Fact]
    public async Task One_who_breaks_off_ends_it_for_both()
    {
        var (person, personEnd) = await PairAsync();
        var (_, deviceEnd) = await PairAsync();
        var relay = StreamRelay.RunAsync(RelaySide.Of(personEnd), RelaySide.Of(deviceEnd), Timeout.InfiniteTimeSpan, time, TestContext.Current.CancellationToken);

        person.Socket.Close(0);

        Assert.Equal(default, await relay);
    }

    [Fact]
    public async Task Silence_of_both_ends_it_and_a_word_of_one_does_not()
    {
        var (person, personEnd) = await PairAsync();
        var (device, deviceEnd) = await PairAsync();
        var relay = StreamRelay.RunAsync(RelaySide.Of(personEnd), RelaySide.Of(deviceEnd), TimeSpan.FromMinutes(10), time, TestContext.Current.CancellationToken);

        time.Advance(TimeSpan.FromMinutes(9));
        // When the second word arrives, the first has been noted.
        foreach (var word in "ab")
        {
            await person.WriteAsync(new[] { (byte)word }, TestContext.Current.CancellationToken);
            Assert.Equal($"{word}", await ReadAsync(device, 1));
        }

        time.Advance(TimeSpan.FromMinutes(9));
        Assert.False(relay.IsCompleted);
        while (!relay.IsCompleted)
        {
            time.Advance(TimeSpan.FromMinutes(10));
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        Assert.Equal(2, (await relay).ToDevice);
    }

    private static async Task<string> ReadAsync(NetworkStream stream, int count)
    {
        var bytes = new byte[count];
        await stream.ReadExactlyAsync(bytes, TestContext.Current.CancellationToken);
        return System.Text.Encoding.ASCII.GetString(bytes);
    }

    private static async Task<(NetworkStream Far, NetworkStream Near)> PairAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var far = new TcpClient();
        await far.ConnectAsync((IPEndPoint)listener.LocalEndpoint, TestContext.Current.CancellationToken);
        return (far.GetStream(), new NetworkStream(await listener.AcceptSocketAsync(TestContext.Current.CancellationToken), ownsSocket: true));
    }
}
