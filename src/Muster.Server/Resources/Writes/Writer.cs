using System.Data.Common;
using System.Text.Json;
using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Server.Devices.Reports;
using Muster.Server.Insight;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>
/// Carries out writes: one transaction per request; whoever's work depends on what changed is told after the commit and
/// before the answer, so that the next read shows the consequences.
/// </summary>
internal sealed partial class Writer(Database database, Callers callers, ResourceRules rules, ConstraintErrors constraints, FleetPresence presence, OsProgress progress, DeviceEdits edits, AuditLog audit, TimeProvider time, ILogger<Writer> log)
{
    /// <summary>POST: a new row. Its JSON, as a read would show it, and its id.</summary>
    /// <exception cref="RefusedException">Nothing was written.</exception>
    public Task<(long Id, string Json)> CreateAsync(WriteRequest request) =>
        InTransactionAsync(request, async write =>
        {
            var id = await InsertAsync(write, request.Body.Fields);
            return (id, WithShownOnce(write, await EntityAsync(write, id, request.Query.Options.Select)));
        });

    /// <summary>PATCH: changes every row that the key and the filter name and the caller may change. None at all is no error.</summary>
    /// <exception cref="RefusedException">Nothing was written.</exception>
    public async Task ChangeAsync(WriteRequest request, CancellationToken cancellation)
    {
        if (await ReportedAsync(request, cancellation))
            return;
        await InTransactionAsync(request, async (write, named) =>
        {
            var fields = request.Resource.Name == "service_instance" ? WithoutSignOfLife(request.Body.Fields) : request.Body.Fields;
            var row = FieldConversion.ForChange(request.Resource, fields);
            await UpdateAsync(write, row, await PermittedAsync(write, named, Act.Change, row.Given));
            return true;
        });
    }

    /// <summary>PUT: the row with this key, changed when it is there and made when it is not. The new row's id, or null.</summary>
    /// <exception cref="RefusedException">Nothing was written.</exception>
    public Task<long?> PutAsync(WriteRequest request)
    {
        if (request.Query.Key is not { } key)
            throw RefusedException.Invalid("PUT needs a key.");
        return InTransactionAsync<long?>(request, async (write, named) =>
        {
            // What the key says need not stand in the body, and cannot be changed by it.
            var settable = request.Body.Fields.Where(f => request.Resource.Field(f.Key) is not { Write: FieldWrite.Create }).ToDictionary(f => f.Key, f => f.Value);
            var row = FieldConversion.ForChange(request.Resource, settable);
            var ids = await PermittedAsync(write, named, Act.Change, row.Given);
            if (ids.Count > 0)
            {
                await UpdateAsync(write, row, ids);
                return null;
            }

            if (key.Parts.Any(p => p.Name is null or "id"))
                throw RefusedException.Invalid("A row is made by its natural key, not by its id.");
            var fields = request.Body.Fields.ToDictionary(f => f.Key, f => f.Value);
            foreach (var part in key.Parts)
                fields[part.Name!] = JsonSerializer.SerializeToElement(part.Value.Value);
            return await InsertAsync(write, fields);
        });
    }

    /// <summary>DELETE: every row that the key and the filter name and the caller may delete, with all that hangs on it.</summary>
    /// <exception cref="RefusedException">Nothing was written.</exception>
    public Task RemoveAsync(WriteRequest request) =>
        InTransactionAsync(request, async (write, named) =>
        {
            var rule = rules.Of(request.Resource.Name);
            var ids = await PermittedAsync(write, named, Act.Delete, []);
            if (ids.Count == 0)
            {
                rule.NothingToRemove();
                return false;
            }

            await rule.RemovingAsync(write, ids);
            await write.DoForAsync(ids, $"DELETE FROM {request.Resource.Table} WHERE id IN ({{ids}})");
            await rule.RemovedAsync(write, ids);
            return true;
        });

    /// <summary>The ids that the query names and that the caller may reach through a tunnel (<c>canAccess</c>).</summary>
    public Task<IReadOnlyList<long>> ReachableAsync(WriteRequest request) =>
        InTransactionAsync(request, (write, named) => PermittedAsync(write, named, Act.Reach, []));

    /// <param name="work">Is given the statement of the rows that key and filter name, as the caller sees them.</param>
    private async Task<T> InTransactionAsync<T>(WriteRequest request, Func<Write, SqlStatement, Task<T>> work)
    {
        var query = request.Query;
        if (query.Key is null && query.Options.Filter is null)
            throw RefusedException.Invalid("Name the rows by a key or by $filter.");
        var named = new QueryCompiler(request.Model, database.Dialect, ReadScope.Of(request.Caller), Now)
            .Named(new ResourceQuery(query.Resource) { Key = query.Key, Options = new QueryOptions { Filter = query.Options.Filter } });
        // Rows that are chosen by when they were heard: what memory knows of that must be on record.
        if (named.ReadsContacts)
            await presence.RecordContactsAsync(CancellationToken.None);
        return await InTransactionAsync(request, write => work(write, named));
    }

    private async Task<T> InTransactionAsync<T>(WriteRequest request, Func<Write, Task<T>> work)
    {
        var (result, after) = await database.WriteAsync(async scope =>
        {
            // Made anew for each attempt: a transaction that lost a deadlock is run again.
            var write = new Write(scope, request.Model, request.Resource, request.Caller, request.Body, Now);
            try
            {
                var made = await work(write);
                await audit.NoteAsync(scope,
                [
                    .. write.After.Audited.Select(a => new AuditEntry(request.Caller, a.What, a.Device, null, null, null)),
                    .. write.After.AuditedOfOrganizations.Select(a => new AuditEntry(request.Caller, a.What, null, a.Organization, null, a.Detail)),
                ], AuditOutcome.Done);
                return (made, write.After);
            }
            catch (DbException e)
            {
                if (await constraints.OfAsync(e, request.Resource) is { } refusal)
                    throw refusal;
                throw;
            }
        });
        try
        {
            await after.TellAsync(presence, callers, edits);
        }
        catch (Exception e) when (e is DatabaseAwayException or PresenceBusyException)
        {
            // The write stands on record, and an answer must not deny it; presence catches up when the database is back.
            LogUntold(e, request.Resource.Name);
        }

        return result;
    }

    private async Task<long> InsertAsync(Write write, IReadOnlyDictionary<string, JsonElement> fields)
    {
        var rule = rules.Of(write.Resource.Name);
        var row = FieldConversion.ForCreation(write.Resource, fields);
        await References.CheckAsync(write, row);
        // Before rules and constraints speak: what they say of other rows is not for who may not write here.
        if (!AccessRule.Allows(write.Caller, write.Resource.Name, Act.Create, row.Given, await Owners.OfNewAsync(write, row)))
            throw RefusedException.NotPermitted();
        await rule.CreatingAsync(write, row);
        (row["created_at"], row["modified_at"]) = (write.Now, write.Now);
        var columns = row.Columns.ToList();
        await using var command = write.Scope.Command(
            $"INSERT INTO {write.Resource.Table} ({string.Join(", ", columns.Select(c => $"\"{c.Key}\""))}) VALUES ({string.Join(", ", columns.Select((_, i) => $"@p{i}"))}) RETURNING id",
            [.. columns.Select(c => c.Value)]);
        var id = (long)(await command.ExecuteScalarAsync())!;
        // Judged again by the row itself, now that it says to whom it belongs; a refusal rolls it back.
        if (!AccessRule.Allows(write.Caller, write.Resource.Name, Act.Create, row.Given, await OwnerAsync(write, id)))
            throw RefusedException.NotPermitted();
        await rule.CreatedAsync(write, row, id);
        return id;
    }

    private async Task UpdateAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        if (ids.Count == 0)
            return;
        var rule = rules.Of(write.Resource.Name);
        await References.CheckAsync(write, row);
        await rule.ChangingAsync(write, row, ids);
        row["modified_at"] = write.Now;
        var columns = row.Columns.ToList();
        await write.DoForAsync(ids,
            $"UPDATE {write.Resource.Table} SET {string.Join(", ", columns.Select((c, i) => $"\"{c.Key}\" = @p{i}"))} WHERE id IN ({{ids}})", [.. columns.Select(c => c.Value)]);
        // A row may have got another owner: who moves something must be allowed on both sides.
        var owners = await Owners.OfAsync(write, ids);
        if (owners.Values.Any(owner => !AccessRule.Allows(write.Caller, write.Resource.Name, Act.Change, row.Given, owner)))
            throw RefusedException.NotPermitted();
        await rule.ChangedAsync(write, row, ids);
    }

    /// <summary>
    /// The ids of the named rows. Rows that are not the caller's to see are as if they were not there; a row that is
    /// seen, and needs a higher role to be written, refuses the whole request.
    /// </summary>
    private static async Task<IReadOnlyList<long>> PermittedAsync(Write write, SqlStatement named, Act act, IReadOnlyList<string> fields)
    {
        if (!AccessRule.AllowsSomewhere(write.Caller, write.Resource.Name, act, fields))
            throw RefusedException.NotPermitted();
        await using var command = named.In(write.Scope);
        List<long> ids = [];
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
                ids.Add(reader.GetInt64(0));
        }

        var owners = await Owners.OfAsync(write, ids);
        List<long> permitted = [];
        foreach (var id in ids)
        {
            var owner = owners[id];
            if (AccessRule.Allows(write.Caller, write.Resource.Name, act, fields, owner))
                permitted.Add(id);
            else if (write.Caller.Kind == CallerKind.User && write.Caller.Memberships.ContainsKey(owner.OrganizationId))
                throw RefusedException.NotPermitted();
        }

        return permitted;
    }

    /// <summary>A device's or a provisioning key's report in the form of a PATCH; false when it is an ordinary change.</summary>
    private async Task<bool> ReportedAsync(WriteRequest request, CancellationToken cancellation)
    {
        var (caller, fields) = (request.Caller, request.Body.Fields);
        if (request.Resource.Name != "device" || caller.Kind is not (CallerKind.Device or CallerKind.Fleet) || fields.Count == 0 || !fields.Keys.All(AccessRule.ReportedFields.Contains))
            return false;
        // Judged before rows are looked at: a refusal says nothing of them.
        if (OsProgress.Problem(fields) is { } wrong)
            throw RefusedException.Invalid(wrong);
        var uuids = await InTransactionAsync(request, async (write, named) =>
        {
            var ids = await PermittedAsync(write, named, Act.Change, [.. fields.Keys]);
            return await write.RowsOfAsync(ids, "SELECT uuid FROM device WHERE id IN ({ids})", r => r.GetString(0));
        });
        foreach (var uuid in uuids)
        {
            // The provisioning key lies on the device: with either key it is the device that speaks. One that speaks of several is none of them.
            if (await progress.ReportAsync(uuid, fields, isContact: uuids.Count == 1, cancellation) is { } problem)
                throw RefusedException.Invalid(problem);
        }

        return true;
    }

    // "is_alive" is what a tunnel server says; what is kept is when.
    private static Dictionary<string, JsonElement> WithoutSignOfLife(IReadOnlyDictionary<string, JsonElement> fields) =>
        fields.Where(f => f.Key != "is_alive").ToDictionary(f => f.Key, f => f.Value);

    private static async Task<Owner> OwnerAsync(Write write, long id) => (await Owners.OfAsync(write, [id])).GetValueOrDefault(id);

    private static async Task<string> EntityAsync(Write write, long id, System.Collections.Immutable.ImmutableArray<string>? select)
    {
        // Whoever made the row sees it, whatever else it may read (a tunnel server reads no instances of others).
        var query = new ResourceQuery(write.Resource.Name) { Key = new ResourceKey([new KeyPart(null, new Literal(id))]), Options = new QueryOptions { Select = select } };
        await using var command = new QueryCompiler(write.Model, write.Scope.Dialect, ReadScope.Of(write.Caller), write.Now).Rows(query).In(write.Scope);
        return await command.ExecuteScalarAsync() as string ?? $$"""{"id":{{id}}}""";
    }

    private static string WithShownOnce(Write write, string json)
    {
        if (write.ShownOnce.Count == 0)
            return json;
        var row = System.Text.Json.Nodes.JsonNode.Parse(json)!.AsObject();
        foreach (var (field, secret) in write.ShownOnce)
            row[field] = secret;
        return row.ToJsonString();
    }

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    [LoggerMessage(Level = LogLevel.Warning, Message = "A write of {Resource} is on record; its consequences are caught up with when the database is back.")]
    private partial void LogUntold(Exception e, string resource);
}
