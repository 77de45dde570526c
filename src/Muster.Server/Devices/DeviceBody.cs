using Muster.Core.Access;
using Muster.Server.Hosting;
using Muster.Server.Resources;

namespace Muster.Server.Devices;

/// <summary>The bodies that devices send.</summary>
internal static class DeviceBody
{
    /// <summary>What a stock device may send in one request (tests/recordings/state-patch-v3.json, "body > 512 kB").</summary>
    public const int Limit = 512 * 1024;

    /// <summary>The body of a caller who is known. Null: more than <see cref="Limit"/>; the caller answers 413.</summary>
    public static ValueTask<ReadOnlyMemory<byte>?> ReadAsync(HttpContext context) => BufferedBody.ReadAsync(context, Limit);

    /// <summary>
    /// A body that itself names the device, so that the device cannot be known before: beyond what any caller may send, the
    /// key must be somebody's. Null: more than <see cref="Limit"/>.
    /// </summary>
    public static ValueTask<ReadOnlyMemory<byte>?> ReadAsync(HttpContext context, Callers callers) =>
        BufferedBody.ReadAsync(context, Limit, async () => (await callers.OfAsync(context)).Kind is not CallerKind.Anonymous);

    public static bool IsJson(HttpRequest request) =>
        request.ContentType is { } type && (type.StartsWith("application/json", StringComparison.OrdinalIgnoreCase) || type.Contains("+json", StringComparison.OrdinalIgnoreCase));
}
