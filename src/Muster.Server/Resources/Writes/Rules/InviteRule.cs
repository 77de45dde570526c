using Muster.Core.Access;
using Muster.Server.Resources.Accounts;
using Muster.Storage;

namespace Muster.Server.Resources.Writes.Rules;

/// <summary>
/// Invites. Whether there is an account with the invited address or name changes nothing in the answer: an administrator
/// learns of it only when the person accepts.
/// </summary>
/// <param name="roleById">The field in which SDKs give the role.</param>
internal sealed class InviteRule(string roleById) : ResourceRule
{
    private const int MostPerOrganization = 100;
    private const int MostPerInviter = 200;

    public override async Task CreatingAsync(Write write, RowValues row)
    {
        var invitee = write.Body.Text("invitee")?.Trim() ?? throw RefusedException.Invalid("\"invitee\" is required.");
        if (!Invites.IsInvitee(invitee))
            throw RefusedException.Invalid("\"invitee\" must be an e-mail address or a user name.");
        MembershipRule.TakeRole(row, roleById);
        row.Default("role", Role.Observer.Word());
        if (row.Number("fleet_id") is { } fleet)
            row["organization_id"] = await write.NumberAsync("SELECT organization_id FROM fleet WHERE id = @p0", fleet);
        var token = ApiKeys.Generate();
        write.ShownOnce["muster_token"] = token;
        row["token_hash"] = ApiKeys.Hash(token);
        row["invitee"] = invitee;
        row["invitee_key"] = Invites.Key(invitee);
        row["created_by_account_id"] = write.Caller.SubjectId;
        row["expires_at"] = write.Now + (long)Invites.Lifetime.TotalMilliseconds;
    }

    // After the caller was found to be an administrator: the answers tell of the organization's members and invites.
    public override async Task CreatedAsync(Write write, RowValues row, long id)
    {
        var organization = row.Number("organization_id")!.Value;
        await write.Scope.TakeTurnAsync("invite", organization);
        await write.Scope.TakeTurnAsync("inviter", write.Caller.SubjectId);
        await write.DoAsync("DELETE FROM invite WHERE organization_id = @p0 AND expires_at <= @p1", organization, write.Now);
        if (await write.NumberAsync("SELECT count(*) FROM invite WHERE organization_id = @p0", organization) > MostPerOrganization
            || await write.NumberAsync("SELECT count(*) FROM invite WHERE created_by_account_id = @p0 AND expires_at > @p1", write.Caller.SubjectId, write.Now) > MostPerInviter)
            throw RefusedException.Invalid("Too many invites are pending. Revoke some first.");
        if (await write.NumberAsync("SELECT id FROM invite WHERE organization_id = @p0 AND coalesce(fleet_id, 0) = @p1 AND invitee_key = @p2 AND id <> @p3", organization, row.Number("fleet_id") ?? 0L, row.Text("invitee_key"), id) is not null)
            throw new RefusedException(StatusCodes.Status409Conflict, $"{row.Text("invitee")} is invited already. Revoke that invite to make another.");
        // By name only: administrators see the names of members, and not their addresses.
        if (await write.NumberAsync($"SELECT m.id FROM organization_membership m JOIN account a ON a.id = m.account_id WHERE m.organization_id = @p0 AND {SqlDialect.Lower("a.username")} = @p1", organization, row.Text("invitee_key")) is not null)
            throw new RefusedException(StatusCodes.Status409Conflict, $"{row.Text("invitee")} is a member already.");
        write.After.AuditedOfOrganizations.Add(("invite.create", organization, $"{row.Text("invitee")} as {row.Text("role")}"));
    }

    public override async Task RemovingAsync(Write write, IReadOnlyList<long> ids) =>
        write.After.AuditedOfOrganizations.AddRange(await write.RowsOfAsync(ids, "SELECT organization_id, invitee FROM invite WHERE id IN ({ids})", r => ("invite.revoke", r.GetInt64(0), r.GetString(1))));
}
