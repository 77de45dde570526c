using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace Muster.Server.Hosting;

/// <summary>
/// The one way in which an endpoint reads a body into memory: up to a bound, whether its length was announced or it comes in
/// chunks; out of the <see cref="BodyBudget"/>; and not slower than <see cref="ServerLimits"/> say.
/// </summary>
internal static class BufferedBody
{
    /// <summary>What is read of somebody who is not known yet, and what counts as small for the budget.</summary>
    public const int UnknownLimit = 8 * 1024;

    private const int FirstBytes = 4 * 1024;

    /// <summary>How much of a body that is too large is read and dropped, so that its sender gets to read the answer.</summary>
    private const int MostDropped = 16 * 1024 * 1024;

    /// <summary>Null: more than the limit; the caller answers 413. The memory is the request's own until it ends.</summary>
    /// <param name="limit">In bytes.</param>
    /// <param name="isKnown">Asked before more than <see cref="UnknownLimit"/> is read; false ends the request with 401. Null: the caller is known.</param>
    /// <exception cref="BadHttpRequestException">400: broken off or badly framed; 401; 408: too slow.</exception>
    /// <exception cref="BodyBudgetException">503.</exception>
    public static async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(HttpContext context, int limit, Func<ValueTask<bool>>? isKnown = null)
    {
        var announced = context.Request.ContentLength;
        if (announced == 0)
            return ReadOnlyMemory<byte>.Empty;
        if (announced > UnknownLimit)
            await RequireAsync(isKnown);
        var dropped = (int)Math.Min(MostDropped, 32L * limit);
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = limit + dropped;

        var services = context.RequestServices;
        var pace = new BodyPace(services.GetRequiredService<IOptions<ServerLimits>>().Value, services.GetRequiredService<TimeProvider>(), context.RequestAborted);
        if (announced > limit)
        {
            await DropAsync(context.Request.Body, pace, dropped);
            return null;
        }

        var lease = new Lease(services.GetRequiredService<BodyBudget>());
        context.Response.RegisterForDispose(lease);
        var most = limit + 1; // one more shows that there is more
        var buffer = lease.Grow([], (int)Math.Min(announced is { } length ? Math.Min(length + 1, UnknownLimit) : FirstBytes, most));
        for (var read = 0; ;)
        {
            var count = await pace.ReadAsync(context.Request.Body, buffer.AsMemory(read));
            if (count == 0)
                return buffer.AsMemory(0, read);
            read += count;
            if (read == announced)
                return buffer.AsMemory(0, read);
            if (read > limit)
            {
                lease.Dispose();
                await DropAsync(context.Request.Body, pace, dropped);
                return null;
            }

            if (announced is null && read > UnknownLimit)
                await RequireAsync(isKnown);
            if (read == buffer.Length)
                buffer = lease.Grow(buffer, (int)Math.Min(2L * read, announced is { } whole && whole < most ? Math.Max(whole + 1, read + 1) : most));
        }
    }

    private static async ValueTask RequireAsync(Func<ValueTask<bool>>? isKnown)
    {
        if (isKnown is not null && !await isKnown())
            throw new BadHttpRequestException("Whoever sends so much must be known.", StatusCodes.Status401Unauthorized);
    }

    private static async Task DropAsync(Stream body, BodyPace pace, int most)
    {
        var scratch = new byte[FirstBytes];
        try
        {
            for (var read = 0; read < most;)
            {
                var count = await pace.ReadAsync(body, scratch);
                if (count == 0)
                    return;
                read += count;
            }
        }
        catch (BadHttpRequestException)
        {
            // Larger or slower than we care to read; what was wrong first is answered.
        }
    }

    /// <summary>The bytes that one request holds of the budget.</summary>
    private sealed class Lease(BodyBudget budget) : IDisposable
    {
        private int held;

        public byte[] Grow(byte[] buffer, int length)
        {
            budget.Take(length, isSmall: length <= UnknownLimit + 1);
            var larger = new byte[length];
            buffer.CopyTo(larger, 0);
            budget.GiveBack(held);
            held = length;
            return larger;
        }

        public void Dispose() => budget.GiveBack(Interlocked.Exchange(ref held, 0));
    }
}
