using Muster.Core.Access;
using Muster.Server.Resources.Accounts;
using Muster.Storage;

namespace Muster.Server.Resources.Writes.Rules;

/// <summary>Organizations: whoever makes one is its first administrator.</summary>
internal sealed class OrganizationRule : ResourceRule
{
    public override Task CreatingAsync(Write write, RowValues row)
    {
        row.Default("handle", People.UsernameOf(row.Text("name")!));
        Check(row);
        return Task.CompletedTask;
    }

    public override async Task CreatedAsync(Write write, RowValues row, long id)
    {
        await write.DoAsync(
            "INSERT INTO organization_membership (organization_id, account_id, role, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, @p3)",
            id, write.Caller.SubjectId, Role.Administrator.Word(), write.Now);
        write.After.Callers = true;
    }

    public override Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        Check(row);
        return Task.CompletedTask;
    }

    public override async Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        if (row.Text("handle") is { } handle)
            await write.DoForAsync(ids, $"UPDATE fleet SET slug = @p0 || '/' || {SqlDialect.Lower("name")} WHERE organization_id IN ({{ids}})", handle);
        if (row.Has("plan") || row.Has("device_allowance"))
        {
            write.After.Cause = row.Has("plan") ? "plan" : "allowance";
            write.After.Organizations.UnionWith(ids);
        }
    }

    // One call must not take away fleets and their devices: they are deleted one by one, and by name.
    public override async Task RemovingAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Callers = true;
        var fleets = await write.RowsOfAsync(ids, "SELECT slug FROM fleet WHERE organization_id IN ({ids}) ORDER BY slug", r => r.GetString(0));
        if (fleets.Count > 0)
            throw new RefusedException(StatusCodes.Status409Conflict, $"The organization still has {(fleets.Count == 1 ? "the fleet" : $"{fleets.Count} fleets, such as")} {fleets[0]}. Delete its fleets first.");
    }

    private static void Check(RowValues row)
    {
        if (row.Text("handle") is { } handle && !People.IsHandle(handle))
            throw RefusedException.Invalid("Organization handles can only contain lower case letters, digits, dashes and underscores.");
        if (row.Text("plan") is { } plan && plan is not ("free" or "paid"))
            throw RefusedException.Invalid("\"muster_plan\" must be \"free\" or \"paid\".");
        if (row.Number("device_allowance") < 0)
            throw RefusedException.Invalid("\"muster_device_allowance\" cannot be negative.");
    }
}

/// <summary>Who belongs to an organization, and as what.</summary>
internal sealed class MembershipRule : ResourceRule
{
    public override Task CreatingAsync(Write write, RowValues row)
    {
        TakeRole(row, "organization_membership_role");
        row.Default("role", Role.Observer.Word());
        return Task.CompletedTask;
    }

    public override Task CreatedAsync(Write write, RowValues row, long id)
    {
        write.After.Callers = true;
        return AuditAsync(write, [id], "membership.create", (name, role) => $"{name} as {role}");
    }

    public override async Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        TakeRole(row, "organization_membership_role");
        await TakeTurnsAsync(write, ids);
        if (row.Text("role") is { } role)
            await AuditAsync(write, ids, "membership.change", (name, former) => former == role ? null : $"{name} from {former} to {role}");
    }

    public override async Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        write.After.Callers = true;
        await CheckAdministratorsAsync(write, ids, "");
        await EndInvitesAsync(write, ids, "AND m.role <> 'administrator'");
    }

    public override async Task RemovingAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Callers = true;
        await TakeTurnsAsync(write, ids);
        await CheckAdministratorsAsync(write, ids, "AND m.id NOT IN ({ids})");
        await AuditAsync(write, ids, "membership.remove", (name, role) => $"{name}, who was {role}");
        await EndInvitesAsync(write, ids, "");
    }

    /// <summary>So that two administrators who remove each other at once do not both succeed.</summary>
    private static async Task TakeTurnsAsync(Write write, IReadOnlyList<long> ids)
    {
        var organizations = await write.RowsOfAsync(ids, "SELECT DISTINCT organization_id FROM organization_membership WHERE id IN ({ids})", r => r.GetInt64(0));
        foreach (var organization in organizations.Distinct().Order())
            await write.Scope.TakeTurnAsync("organization_membership", organization);
    }

    /// <param name="detail">Of a user name and a role; null: nothing is to be said of this one.</param>
    private static async Task AuditAsync(Write write, IReadOnlyList<long> ids, string what, Func<string, string, string?> detail)
    {
        var members = await write.RowsOfAsync(ids,
            "SELECT m.organization_id, a.username, m.role FROM organization_membership m JOIN account a ON a.id = m.account_id WHERE m.id IN ({ids}) ORDER BY m.id",
            r => (Organization: r.GetInt64(0), Detail: detail(r.GetString(1), r.GetString(2))));
        foreach (var (organization, text) in members)
        {
            if (text is not null)
                write.After.AuditedOfOrganizations.Add((what, organization, text));
        }
    }

    private static async Task CheckAdministratorsAsync(Write write, IReadOnlyList<long> ids, string remaining)
    {
        var without = await write.RowsOfAsync(ids,
            $"SELECT c.organization_id FROM organization_membership c WHERE c.id IN ({{ids}}) AND NOT EXISTS (SELECT 1 FROM organization_membership m WHERE m.organization_id = c.organization_id AND m.role = 'administrator' {remaining})",
            r => r.GetInt64(0));
        if (without.Count > 0)
            throw RefusedException.Invalid("An organization keeps at least one administrator.");
    }

    /// <summary>The role is given by its word or, as SDKs do, by its id; from here on it is the word.</summary>
    /// <exception cref="RefusedException">400: there is no such role.</exception>
    public static void TakeRole(RowValues row, string byId)
    {
        if (row.Has(byId))
            row["role"] = (row.Take(byId) is long id ? RoleWords.OfId(id) : null)?.Word() ?? throw RefusedException.Invalid($"\"{byId}\" must be the id of a role.");
        if (row.Has("role") && RoleWords.Parse(row.Text("role")) is null)
            throw RefusedException.Invalid("\"muster_role\" must be observer, operator, developer or administrator.");
    }

    /// <summary>Who is no administrator any more has invited nobody.</summary>
    private static Task EndInvitesAsync(Write write, IReadOnlyList<long> ids, string which) => write.DoForAsync(ids,
        $"DELETE FROM invite WHERE EXISTS (SELECT 1 FROM organization_membership m WHERE m.id IN ({{ids}}) AND m.organization_id = invite.organization_id AND m.account_id = invite.created_by_account_id {which})");
}
