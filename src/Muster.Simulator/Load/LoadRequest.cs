using System.Text;
using Muster.Simulator.Devices;

namespace Muster.Simulator.Load;

/// <summary>A request as bytes. A report has a number in it that changes each time, so that each one has something to store.</summary>
public sealed class LoadRequest
{
    private readonly int digits;

    private LoadRequest(byte[] bytes, int digits) => (Bytes, this.digits) = (bytes, digits);

    public byte[] Bytes { get; }

    public static LoadRequest Poll(Uri server, DeviceIdentity device, string? etag) => new(
        Encoding.ASCII.GetBytes($"GET /device/v3/{device.Uuid}/state HTTP/1.1\r\nHost: {server.Authority}\r\nAuthorization: Bearer {device.Key}\r\n{(etag is null ? "" : $"If-None-Match: {etag}\r\n")}\r\n"), -1);

    /// <summary>The download progress of the target's first service; without a target, memory in use.</summary>
    public static LoadRequest Report(Uri server, DeviceIdentity device, TargetDocument? target)
    {
        var state = target?.App is { Commit: { } commit, Services: [var service, ..] } app
            ? $"\"apps\":{{\"{app.Uuid}\":{{\"releases\":{{\"{commit}\":{{\"update_status\":\"downloading\",\"services\":{{\"{service.Name}\":{{\"image\":\"{service.Image}\",\"status\":\"Downloading\",\"download_progress\":10}}}}}}}}}}}}"
            : "\"memory_usage\":10";
        var body = $"{{\"{device.Uuid}\":{{{state}}}}}";
        var head = $"PATCH /device/v3/state HTTP/1.1\r\nHost: {server.Authority}\r\nAuthorization: Bearer {device.Key}\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n";
        var bytes = Encoding.UTF8.GetBytes(head + body);
        return new(bytes, bytes.AsSpan().LastIndexOf(":10"u8) + 1);
    }

    /// <summary>Writes the number of the round into the report: two digits, from 10 to 99.</summary>
    public void Count(int round)
    {
        if (digits < 0)
            return;
        var number = 10 + (round % 90);
        Bytes[digits] = (byte)('0' + (number / 10));
        Bytes[digits + 1] = (byte)('0' + (number % 10));
    }
}
