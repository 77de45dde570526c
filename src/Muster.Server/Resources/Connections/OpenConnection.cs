using Muster.Core.Access;

namespace Muster.Server.Resources.Connections;

/// <summary>
/// Something that stays open, and the right that it needs. Whoever serves it says what the right is, and leaves when it is
/// over; only <see cref="ConnectionWatch"/> ends it before.
/// </summary>
public sealed class OpenConnection : IDisposable
{
    private readonly OpenConnections registry;
    private readonly Action cut;
    private readonly Lock gate = new();
    private volatile Func<CancellationToken, ValueTask<bool>>[] rights;
    private CancellationTokenSource? ended;
    private bool isOver;

    internal OpenConnection(OpenConnections registry, string what, Credential credential, long since, Func<CancellationToken, ValueTask<bool>> right, Action cut) =>
        (this.registry, What, Credential, Since, rights, this.cut) = (registry, what, credential, since, [right], cut);

    /// <summary>What it is, in a word or two: "tunnel", or the path of a request.</summary>
    public string What { get; }

    /// <summary>What it was opened with.</summary>
    public Credential Credential { get; }

    /// <summary>Timestamp.</summary>
    public long Since { get; }

    /// <summary>Whether the right has ended.</summary>
    public bool IsEnded { get; private set; }

    /// <summary>Timestamp of that.</summary>
    internal long EndedAt { get; private set; }

    /// <summary>
    /// Cancelled when the right ends. Who asks for this promises to end in order, and is cut off only when that takes too
    /// long; who does not is cut off at once.
    /// </summary>
    public CancellationToken Ended
    {
        get
        {
            lock (gate)
            {
                if (ended is null)
                {
                    ended = new();
                    if (IsEnded)
                        ended.Cancel();
                }

                return ended.Token;
            }
        }
    }

    /// <summary>Adds something that must hold, too.</summary>
    public void Require(Func<CancellationToken, ValueTask<bool>> right)
    {
        lock (gate)
            rights = [.. rights, right];
    }

    /// <summary>It has ended by itself.</summary>
    public void Dispose()
    {
        lock (gate)
            isOver = true;
        registry.Leave(this);
        ended?.Dispose();
    }

    internal async ValueTask<bool> HoldsAsync(CancellationToken cancellation)
    {
        foreach (var right in rights)
        {
            if (!await right(cancellation))
                return false;
        }

        return true;
    }

    internal void End(long now)
    {
        CancellationTokenSource? told;
        lock (gate)
        {
            if (isOver || IsEnded)
                return;
            (IsEnded, EndedAt, told) = (true, now, ended);
        }

        if (told is null)
        {
            Cut();
            return;
        }

        try
        {
            told.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended by itself in this moment.
        }
    }

    /// <summary>Within the gate: after <see cref="Dispose"/> what would be cut may be somebody else's.</summary>
    internal void Cut()
    {
        lock (gate)
        {
            if (!isOver)
                cut();
        }
    }
}
