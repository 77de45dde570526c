using System.Globalization;
using System.Text.Json;
using Muster.Simulator.Devices;

namespace Muster.Simulator.Fleet;

/// <summary>
/// An external tunnel server as open-balena-vpn is one: registers itself, keeps itself alive, checks each login and tells
/// the API of connects and disconnects in batches (docs/device-protocol.md, "Tunnels").
/// </summary>
public sealed class TunnelServer(ServerClient client, string serviceKey, SupervisorTimings timings, TimeProvider time, TruthLog truth)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RegisterRetry = TimeSpan.FromSeconds(2);
    private const int MostPerCall = 8000;

    private readonly Lock gate = new();
    private readonly Dictionary<DeviceIdentity, bool> pending = [];
    private readonly Dictionary<string, DeviceIdentity> connected = [];
    private long instance;
    private bool missed;

    public int Connected
    {
        get
        {
            lock (gate)
                return connected.Count;
        }
    }

    /// <summary>A session began or ended. Only the last word of a device counts when a batch goes out.</summary>
    public void Tell(DeviceIdentity device, bool up)
    {
        lock (gate)
            pending[device] = up;
    }

    public async Task RunAsync(CancellationToken cancellation)
    {
        long? lastSign = null;
        while (!cancellation.IsCancellationRequested)
        {
            if (lastSign is null || time.GetElapsedTime(lastSign.Value) >= (instance == 0 ? RegisterRetry : KeepAlive))
            {
                lastSign = time.GetTimestamp();
                if (instance == 0)
                    await RegisterAsync(cancellation);
                else
                    await KeepAliveAsync(cancellation);
            }

            if (instance != 0)
                await BatchAsync(cancellation);
            await Task.Delay(TimeSpan.FromMilliseconds(timings.TunnelBatch), time, cancellation);
        }
    }

    private async Task RegisterAsync(CancellationToken cancellation)
    {
        var answer = await CallAsync("POST", "/v7/service_instance", "{\"ip_address\":\"127.0.0.1\"}", cancellation);
        if (answer is not { IsSuccess: true } made)
            return;
        using var document = JsonDocument.Parse(made.Body);
        instance = document.RootElement.GetProperty("id").GetInt64();
        SayAllAgain();
    }

    private async Task KeepAliveAsync(CancellationToken cancellation)
    {
        var answer = await CallAsync("PATCH", string.Create(CultureInfo.InvariantCulture, $"/v7/service_instance({instance})"), "{\"is_alive\":true}", cancellation);
        if (answer is { IsSuccess: true })
        {
            if (missed)
                SayAllAgain();
            missed = false;
        }
        else
        {
            // The API may have ended our sessions meanwhile; they are said again when it hears us.
            missed = true;
            if (answer is { Status: 404 })
                instance = 0;
        }
    }

    private void SayAllAgain()
    {
        lock (gate)
        {
            foreach (var device in connected.Values)
                pending.TryAdd(device, true);
        }
    }

    private async Task BatchAsync(CancellationToken cancellation)
    {
        KeyValuePair<DeviceIdentity, bool>[] batch;
        lock (gate)
        {
            batch = [.. pending];
            pending.Clear();
        }

        if (batch.Length == 0)
            return;
        var allowed = new List<DeviceIdentity>();
        await Parallel.ForEachAsync(batch.Where(b => b.Value).Select(b => b.Key), new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = cancellation }, async (device, token) =>
        {
            var sent = time.GetUtcNow().ToUnixTimeMilliseconds();
            var answer = await client.SendAsync(new(RequestKind.LookUp, "GET", $"/services/vpn/auth/{device.Uuid}", device.Key, 0), Limit, token);
            truth.Write(new(device.Uuid, sent, TruthEvents.Request) { AnsweredAt = Now(answer), Status = answer?.Status });
            lock (gate)
            {
                if (answer is { Status: 200 })
                    allowed.Add(device);
                else
                    pending.TryAdd(device, true);
            }
        });
        await SayAsync("client-disconnect", [.. batch.Where(b => !b.Value).Select(b => b.Key)], false, cancellation);
        await SayAsync("client-connect", allowed, true, cancellation);
    }

    private async Task SayAsync(string word, List<DeviceIdentity> devices, bool up, CancellationToken cancellation)
    {
        foreach (var part in devices.Chunk(MostPerCall))
        {
            var uuids = string.Join(',', part.Select(d => $"\"{d.Uuid}\""));
            var sent = time.GetUtcNow().ToUnixTimeMilliseconds();
            var answer = await CallAsync("POST", $"/services/vpn/{word}", string.Create(CultureInfo.InvariantCulture, $"{{\"serviceId\":{instance},\"uuids\":[{uuids}],\"connected\":{(up ? "true" : "false")}}}"), cancellation);
            foreach (var device in part)
            {
                truth.Write(new(device.Uuid, sent, TruthEvents.Tunnel) { AnsweredAt = answer is { IsSuccess: true } ? Now(answer) : null, Status = answer?.Status, State = up ? "up" : "down" });
                lock (gate)
                {
                    if (answer is not { IsSuccess: true })
                        pending.TryAdd(device, up);
                    else if (up)
                        connected[device.Uuid] = device;
                    else
                        connected.Remove(device.Uuid);
                }
            }
        }
    }

    private Task<DeviceAnswer?> CallAsync(string method, string path, string body, CancellationToken cancellation) =>
        client.SendAsync(new(RequestKind.LookUp, method, path, serviceKey, 0) { Body = body }, Limit, cancellation);

    private long? Now(DeviceAnswer? answer) => answer is null ? null : time.GetUtcNow().ToUnixTimeMilliseconds();
}
