using System.Data.Common;
using System.Globalization;
using Muster.Core.Access;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>What of the log is asked for. Texts may be parts, in any case; null asks for all.</summary>
/// <param name="Device">A uuid, or part of a name.</param>
/// <param name="Fleet">Id or slug.</param>
/// <param name="From">Unix ms, included.</param>
/// <param name="To">Unix ms, excluded.</param>
internal sealed record AuditQuestion(string? Device = null, string? Fleet = null, string? Who = null, string? What = null, long? From = null, long? To = null);

/// <summary>A page of the log, newest first.</summary>
/// <param name="Next">Value of <c>after</c> for what is older; null when there is nothing.</param>
internal sealed record AuditPage(IReadOnlyList<AuditRecord> Entries, string? Next);

/// <summary>
/// Reads the log for those who may: the server's administrator all of it, people what happened in organizations where they
/// are developers or administrators, and everybody what they did themselves.
/// </summary>
internal sealed class AuditQuestions(Database database)
{
    public const int LargestPage = 1_000;

    /// <summary>Of a text that is looked for.</summary>
    public const int LongestText = 100;

    private const string Columns = "id, at, who_kind, who_id, who, what, device_id, device_uuid, device_name, fleet_id, organization_id, from_address, detail, outcome, ended_at";

    /// <summary>Whether there is anything to read for this caller.</summary>
    public static bool IsFor(Caller caller) => caller.Kind is CallerKind.User;

    /// <param name="after">The <see cref="AuditPage.Next"/> of the page before; null for the newest.</param>
    /// <exception cref="FormatException">The cursor is none.</exception>
    /// <exception cref="DatabaseAwayException">The database is away.</exception>
    public async Task<AuditPage> ReadAsync(Caller caller, AuditQuestion question, string? after, int limit, CancellationToken cancellation)
    {
        if (!IsFor(caller))
            return new([], null);
        List<object?> parameters = [];
        string P(object? value)
        {
            parameters.Add(value);
            return $"@p{parameters.Count - 1}";
        }

        var conditions = Conditions(question, P);
        if (after is not null)
        {
            var (at, id) = Cursor(after);
            conditions.Add($"(at, id) < ({P(at)}, {P(id)})");
        }

        // Each arm is one walk of one index, however much of the log is others'.
        var arms = Scopes(caller, P).Select(scope =>
            $"SELECT * FROM (SELECT {Columns} FROM audit WHERE {string.Join(" AND ", [scope, .. conditions])} ORDER BY at DESC, id DESC LIMIT {limit + 1}) arm");
        var sql = $"{string.Join(" UNION ALL ", arms)} ORDER BY at DESC, id DESC LIMIT {limit + 1}";
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(sql, [.. parameters]);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<AuditRecord> entries = [];
        while (await reader.ReadAsync(cancellation))
            entries.Add(Read(reader));
        if (entries.Count <= limit)
            return new(entries, null);
        entries.RemoveRange(limit, entries.Count - limit);
        return new(entries, string.Create(CultureInfo.InvariantCulture, $"{entries[^1].At.ToUnixTimeMilliseconds()}-{entries[^1].Id}"));
    }

    /// <summary>What the caller may read, in parts that don't overlap.</summary>
    private static IEnumerable<string> Scopes(Caller caller, Func<object?, string> parameter)
    {
        if (caller.IsServerAdmin)
        {
            yield return "1 = 1";
            yield break;
        }

        var organizations = caller.Memberships.Where(m => m.Value >= Role.Developer).Select(m => m.Key).Order().ToList();
        foreach (var organization in organizations)
            yield return $"organization_id = {parameter(organization)}";
        var others = organizations.Count == 0 ? "" : $" AND (organization_id IS NULL OR organization_id NOT IN ({string.Join(',', organizations)}))";
        yield return $"who_kind = 'user' AND who_id = {parameter(caller.SubjectId)}{others}";
    }

    private List<string> Conditions(AuditQuestion question, Func<object?, string> parameter)
    {
        List<string> conditions = [];
        if (question.Device is { } device)
        {
            conditions.Add(IsUuid(device)
                ? $"device_uuid = {parameter(device.ToLowerInvariant())}"
                : Has("device_name", device));
        }

        if (question.Fleet is { } fleet)
        {
            conditions.Add(long.TryParse(fleet, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
                ? $"fleet_id = {parameter(id)}"
                : $"fleet_id IN (SELECT id FROM fleet WHERE slug = {parameter(fleet)})");
        }

        if (question.Who is { } who)
            conditions.Add(Has("who", who));
        if (question.What is { } what)
            conditions.Add(Has("what", what));
        if (question.From is { } from)
            conditions.Add($"at >= {parameter(from)}");
        if (question.To is { } to)
            conditions.Add($"at < {parameter(to)}");
        return conditions;

        string Has(string column, string part) => database.Dialect.Contains(SqlDialect.Lower(column), SqlDialect.Lower(parameter(part)));
    }

    private static bool IsUuid(string text) => text.Length >= 32 && text.All(char.IsAsciiHexDigit);

    private static (long At, long Id) Cursor(string after)
    {
        var parts = after.Split('-');
        return parts.Length == 2
            && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var at)
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? (at, id)
            : throw new FormatException("after must be the next of a page before");
    }

    private static AuditRecord Read(DbDataReader row) => new(
        row.GetInt64(0), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)), row.GetString(2), row.GetInt64(3), row.GetString(4), row.GetString(5),
        Number(row, 6), Text(row, 7), Text(row, 8), Number(row, 9), Number(row, 10), Text(row, 11), Text(row, 12), Text(row, 13),
        Number(row, 14) is { } ended ? DateTimeOffset.FromUnixTimeMilliseconds(ended) : null);

    private static string? Text(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static long? Number(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);
}
