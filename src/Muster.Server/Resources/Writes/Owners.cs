using System.Collections.Concurrent;
using Muster.Core.Access;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>To whom rows belong, read inside the write's transaction: the way up that the resource's description gives.</summary>
internal static class Owners
{
    private static readonly ConcurrentDictionary<(string Version, string Resource), string> Statements = new();

    public static Task<Dictionary<long, Owner>> OfAsync(Write write, IReadOnlyCollection<long> ids) => OfAsync(write, write.Resource, ids);

    private static async Task<Dictionary<long, Owner>> OfAsync(Write write, Resource resource, IReadOnlyCollection<long> ids)
    {
        var sql = Statements.GetOrAdd((write.Model.Version, resource.Name), _ => Statement(write.Model, resource));
        var rows = await write.RowsOfAsync(ids, sql, r => (Id: r.GetInt64(0), Owner: new Owner(r.GetInt64(1), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4))));
        return rows.ToDictionary(r => r.Id, r => r.Owner);
    }

    /// <summary>To whom a new row will belong; nobody when what it says of that is missing or not there.</summary>
    public static async Task<Owner> OfNewAsync(Write write, RowValues row)
    {
        var visibility = write.Resource.Visibility;
        switch (visibility.Anchor)
        {
            case Anchor.Invite when row.Number("fleet_id") is { } fleet:
                return new Owner(OrganizationId: await write.NumberAsync("SELECT organization_id FROM fleet WHERE id = @p0", fleet) ?? 0);
            case Anchor.Fleet or Anchor.Membership or Anchor.Invite:
                return new Owner(OrganizationId: row.Number("organization_id") ?? 0);
            case Anchor.OwnAccount:
                return new Owner(AccountId: row.Number("account_id") ?? 0);
        }

        if (visibility.Parent is not { } parent)
            return default;
        var reference = write.Resource.Field(parent)!;
        // A service_install names device and service in one number.
        var id = row.Number(reference.Column!) ?? row.Number("service_install") >> 20 ?? 0;
        var target = write.Model.Resource(reference.Target!)!;
        return (await OfAsync(write, target, [id])).GetValueOrDefault(id);
    }

    private static string Statement(ResourceModel model, Resource resource)
    {
        var joins = "";
        var (at, alias, depth) = (resource, "t0", 0);
        while (at.Visibility is { Anchor: Anchor.Parent, Parent: { } parent })
        {
            var reference = at.Field(parent)!;
            var next = model.Resource(reference.Target!)!;
            joins += $" JOIN {next.Table} t{++depth} ON t{depth}.id = {reference.Of(alias)}";
            (at, alias) = (next, $"t{depth}");
        }

        var (organization, fleet, device, account) = at.Visibility.Anchor switch
        {
            Anchor.Fleet => ($"{alias}.organization_id", $"{alias}.id", "0", "0"),
            Anchor.Device => ("f.organization_id", "f.id", $"{alias}.id", "0"),
            Anchor.Organization => ($"{alias}.id", "0", "0", "0"),
            Anchor.Membership => ($"{alias}.organization_id", "0", "0", $"{alias}.account_id"),
            Anchor.Invite => ($"{alias}.organization_id", "0", "0", "0"),
            Anchor.OwnAccount => ("0", "0", "0", $"{alias}.account_id"),
            Anchor.ActorKey => ("coalesce(kf.organization_id, kdf.organization_id, 0)", "coalesce(kf.id, kdf.id, 0)", "coalesce(kd.id, 0)", "coalesce(ka.id, 0)"),
            _ => ("0", "0", "0", "0"),
        };
        joins += at.Visibility.Anchor switch
        {
            Anchor.Device => $" JOIN fleet f ON f.id = {alias}.fleet_id",
            Anchor.ActorKey => $" LEFT JOIN account ka ON ka.actor_id = {alias}.actor_id LEFT JOIN fleet kf ON kf.actor_id = {alias}.actor_id LEFT JOIN device kd ON kd.actor_id = {alias}.actor_id LEFT JOIN fleet kdf ON kdf.id = kd.fleet_id",
            _ => "",
        };
        return $"SELECT t0.id, CAST({organization} AS BIGINT), CAST({fleet} AS BIGINT), CAST({device} AS BIGINT), CAST({account} AS BIGINT) FROM {resource.Table} t0{joins} WHERE t0.id IN ({{ids}})";
    }
}
