using System.Net;
using Muster.Server.Insight;

namespace Muster.Server.Resources.Accounts;

/// <summary>What came of a log-in.</summary>
/// <param name="Token">The session's token; null: name or password are wrong, or there were too many attempts.</param>
/// <param name="Wait">How long no further attempt is taken; null when attempts are taken.</param>
public readonly record struct SignInAnswer(string? Token, TimeSpan? Wait);

/// <summary>Log-in by name or email and password, for the API and the pages alike: bounded, limited, and dear for guessers.</summary>
public sealed class SignIn
{
    private readonly People people;
    private readonly Sessions sessions;
    private readonly LoginLimit limit;
    private readonly PasswordChecks checks;

    internal SignIn(People people, Sessions sessions, LoginLimit limit, PasswordChecks checks)
    {
        this.people = people;
        this.sessions = sessions;
        this.limit = limit;
        this.checks = checks;
    }

    /// <param name="from">Where the attempt comes from; failed attempts are counted per address, and per address and name.</param>
    /// <param name="client">What the client calls itself, for the list of sessions.</param>
    public async Task<SignInAnswer> TryAsync(string username, string password, IPAddress? from, string? client, CancellationToken cancellation)
    {
        if (username.Length is 0 or > 254 || password.Length is 0 or > 1024)
            return default;
        var account = await people.FindAsync(username, cancellation);
        if (limit.Attempt(username, account?.Id, from) is { } wait)
            return new(null, wait);
        if (!await checks.IsPasswordAsync(account, password, cancellation))
            return default;
        limit.Succeeded(username, account!.Id, from);
        return new(await sessions.BeginAsync(account.Id, from is null ? null : AuditEntry.Address(from), client), null);
    }

    /// <summary>A session of its own for another program of the person whose valid session this is; null when the token is of no session.</summary>
    public async Task<string?> AgainAsync(string token) =>
        await sessions.FindAsync(token, CancellationToken.None) is { } session ? await sessions.BeginAsync(session.AccountId, from: null, "balena-cli") : null;
}
