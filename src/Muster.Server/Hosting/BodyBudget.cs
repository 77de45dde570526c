using Microsoft.Extensions.Options;

namespace Muster.Server.Hosting;

/// <summary>How many bytes of request bodies the process holds in memory at once, over all requests.</summary>
internal sealed class BodyBudget(IOptions<ServerLimits> limits)
{
    private readonly long most = limits.Value.MaxBufferedBodyBytes;
    private long held;

    /// <summary>Bytes held now.</summary>
    public long Held => Interlocked.Read(ref held);

    /// <summary>
    /// Takes bytes out of the budget. A quarter is kept for small bodies, so that large ones, however slow, never keep the
    /// reports of devices out.
    /// </summary>
    /// <exception cref="BodyBudgetException">There is no room now.</exception>
    public void Take(int bytes, bool isSmall)
    {
        if (Interlocked.Add(ref held, bytes) <= (isSmall ? most : most / 4 * 3))
            return;
        GiveBack(bytes);
        throw new BodyBudgetException();
    }

    public void GiveBack(int bytes) => Interlocked.Add(ref held, -bytes);
}

/// <summary>The bodies of other requests fill the memory that is set aside for them. To a caller this is 503.</summary>
internal sealed class BodyBudgetException() : Exception("Too many request bodies are held at once.");
