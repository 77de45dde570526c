using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Options;

namespace Muster.Server.Devices.Logs;

/// <summary>Hands written lines on to those who watch a device's log. Who reads too slowly loses the oldest lines.</summary>
internal sealed class LogFeed(IOptions<LogOptions> options)
{
    private const int MaxUnread = 1000;

    private readonly ConcurrentDictionary<(long DeviceId, long Watcher), Channel<LogLine>> watchers = new();
    private readonly ConcurrentDictionary<long, int> watched = new();
    private long lastWatcher;

    /// <summary>Null when there are too many watchers.</summary>
    public Watch? Open(long deviceId)
    {
        if (watchers.Count >= options.Value.MaxWatchers)
            return null;
        var channel = Channel.CreateBounded<LogLine>(new BoundedChannelOptions(MaxUnread) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        var key = (deviceId, Interlocked.Increment(ref lastWatcher));
        watchers[key] = channel;
        watched.AddOrUpdate(deviceId, 1, (_, n) => n + 1);
        return new(this, key, channel.Reader);
    }

    public void Publish(long deviceId, LogLine line)
    {
        // Nearly always nobody watches.
        if (!watched.TryGetValue(deviceId, out var n) || n == 0)
            return;
        foreach (var (key, channel) in watchers)
        {
            if (key.DeviceId == deviceId)
                channel.Writer.TryWrite(line);
        }
    }

    private void Close((long DeviceId, long Watcher) key)
    {
        if (watchers.TryRemove(key, out _) && watched.AddOrUpdate(key.DeviceId, 0, (_, n) => n - 1) == 0)
            watched.TryRemove(KeyValuePair.Create(key.DeviceId, 0));
    }

    internal sealed class Watch(LogFeed feed, (long DeviceId, long Watcher) key, ChannelReader<LogLine> lines) : IDisposable
    {
        public ChannelReader<LogLine> Lines { get; } = lines;

        public void Dispose() => feed.Close(key);
    }
}
