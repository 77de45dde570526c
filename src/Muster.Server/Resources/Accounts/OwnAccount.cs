using Muster.Core.Access;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>What a person changes of the own account on the pages: password and keys.</summary>
public sealed class OwnAccount
{
    /// <summary>Keeps whoever found an open page from guessing the password there.</summary>
    private static readonly TimeSpan AfterWrongPassword = TimeSpan.FromSeconds(1);

    private readonly People people;
    private readonly PasswordChecks checks;
    private readonly ApiKeys keys;
    private readonly Database database;
    private readonly TimeProvider time;

    internal OwnAccount(People people, PasswordChecks checks, ApiKeys keys, Database database, TimeProvider time) =>
        (this.people, this.checks, this.keys, this.database, this.time) = (people, checks, keys, database, time);

    /// <summary>Changes the person's password, and ends all sessions but the one that this is done with.</summary>
    /// <exception cref="ResourceRefusedException">Nothing was changed; the message says why.</exception>
    public async Task ChangePasswordAsync(Caller caller, string current, string fresh, CancellationToken cancellation = default)
    {
        var session = OfSession(caller);
        if (fresh.Length is < People.ShortestPassword or > 1024)
            throw new ResourceRefusedException($"A password has at least {People.ShortestPassword} characters.");
        try
        {
            if (current.Length is 0 or > 1024 || !await checks.IsPasswordAsync(await people.FindAsync(caller.SubjectId, cancellation), current, cancellation))
            {
                await Task.Delay(AfterWrongPassword, time, cancellation);
                throw new ResourceRefusedException("The current password is wrong.");
            }
        }
        catch (RefusedException e)
        {
            throw new ResourceRefusedException(e.Sentence ?? "Try again in a moment.");
        }

        await people.SetPasswordAsync(caller.SubjectId, fresh, but: session);
    }

    /// <summary>Makes a key that may do what the person may. It is shown now and never again.</summary>
    /// <param name="expiry">Unix ms; null: it does not expire.</param>
    /// <exception cref="ResourceRefusedException">There is no key; the message says why.</exception>
    public async Task<string> MakeKeyAsync(Caller caller, string name, string? description, long? expiry)
    {
        OfSession(caller);
        if (name.Trim().Length is 0 or > 255 || description is { Length: > 255 })
            throw new ResourceRefusedException("A key has a name; names and descriptions have at most 255 characters.");
        var key = ApiKeys.Generate();
        await database.WriteAsync(write => keys.AddAsync(write, caller.ActorId, key, AccessRule.UserKey, name.Trim(), description, expiry));
        return key;
    }

    private static long OfSession(Caller caller) =>
        caller is { Kind: CallerKind.User, Credential: { Kind: CredentialKind.Session, Id: var session } } ? session : throw new ResourceRefusedException("Log in to do this.");
}
