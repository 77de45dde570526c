using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Storage;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Accounts;

/// <summary>Who belongs to an organization: what changes of that leave on record, and what holds when two come at once.</summary>
public sealed class MembershipTests
{
    private const string Members = "organization_membership";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Each_change_is_in_the_audit_log_with_who_did_it_and_a_refused_one_is_not(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (organization, boss) = await OrganizationOfAsync(world, "boss");
        var ann = await world.PersonAsync("ann", organization, null);
        var account = await AccountAsync(world, "ann");
        JsonObject Ann(string role) => new() { ["user"] = account, ["is_member_of__organization"] = organization, ["muster_role"] = role };

        // Refused: not by an administrator of the organization, no such role, no such person.
        Assert.Equal(401, (await world.PostAsync($"/v7/{Members}", Ann("developer"), boss)).Status);
        Assert.Equal(400, (await world.PostAsync($"/v7/{Members}", Ann("king"))).Status);
        Assert.Equal(409, (await world.PostAsync($"/v7/{Members}", new JsonObject { ["user"] = 999_999, ["is_member_of__organization"] = organization })).Status);
        Assert.Empty(await AuditedAsync(world, world.Admin));

        var member = Id(await world.MakeAsync(Members, Ann("developer")));
        Assert.Equal(409, (await world.PostAsync($"/v7/{Members}", Ann("operator"))).Status);
        Assert.Equal(200, (await world.PatchAsync($"/v7/{Members}({member})", new JsonObject { ["muster_role"] = "operator" }, boss)).Status);
        // As it was: nothing has changed.
        Assert.Equal(200, (await world.PatchAsync($"/v7/{Members}({member})", new JsonObject { ["muster_role"] = "operator" }, boss)).Status);
        var developer = await world.RowAsync("/v7/organization_membership_role?$top=1&$select=id&$filter=name eq 'developer'", boss);
        Assert.Equal(200, (await world.PatchAsync($"/v7/{Members}({member})", new JsonObject { ["organization_membership_role"] = Id(developer) }, boss)).Status);

        // Refused: the last administrator, by a role or by leaving; a member who is no administrator.
        var own = Id(await world.RowAsync($"/v7/{Members}?$select=id&$filter=user/any(u:u/username eq 'boss')", boss));
        Assert.Equal(400, (await world.PatchAsync($"/v7/{Members}({own})", new JsonObject { ["muster_role"] = "observer" }, boss)).Status);
        Assert.Equal(400, (await world.DeleteAsync($"/v7/{Members}({own})", boss)).Status);
        Assert.Equal(401, (await world.DeleteAsync($"/v7/{Members}({own})", ann)).Status);

        Assert.Equal(200, (await world.DeleteAsync($"/v7/{Members}({member})", boss)).Status);
        await world.MakeAsync(Members, Ann("observer"));
        Assert.Equal(200, (await world.DeleteAsync($"/v7/{Members}?$filter=user eq {account}", ann)).Status);

        (string, string, string, string)[] expected =
        [
            ("ann", "membership.remove", "ann, who was observer", "done"),
            ("admin", "membership.create", "ann as observer", "done"),
            ("boss", "membership.remove", "ann, who was developer", "done"),
            ("boss", "membership.change", "ann from operator to developer", "done"),
            ("boss", "membership.change", "ann from developer to operator", "done"),
            ("admin", "membership.create", "ann as developer", "done"),
        ];
        Assert.Equal(expected, await AuditedAsync(world, world.Admin));
        // The organization's administrator reads all of it, who has left only what was done by himself.
        Assert.Equal(expected, await AuditedAsync(world, boss));
        Assert.Equal(expected[..1], await AuditedAsync(world, ann));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Administrators_who_remove_each_other_at_once_leave_one(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (organization, boss) = await OrganizationOfAsync(world, "boss");
        var heir = await world.PersonAsync("heir", organization, Role.Administrator);
        foreach (var change in (string[])["removal", "role", "removal", "role", "removal"])
        {
            async Task AgainstAsync(string name, string token)
            {
                var path = $"/v7/{Members}?$filter=is_member_of__organization eq {organization} and user/any(u:u/username eq '{name}')";
                try
                {
                    _ = await (change == "removal" ? world.DeleteAsync(path, token) : world.PatchAsync(path, new JsonObject { ["muster_role"] = "operator" }, token));
                }
                catch (HttpRequestException)
                {
                    // The other was quicker: a request ends with the right of who sent it.
                }
            }

            await Task.WhenAll(AgainstAsync("heir", boss), AgainstAsync("boss", heir));

            Assert.Equal(1, await world.Server.ScalarAsync<int>("SELECT count(*) FROM organization_membership WHERE organization_id = @p0 AND role = 'administrator'", organization));
            foreach (var name in (string[])["boss", "heir"])
                await world.Server.People.JoinAsync(name, "own", Role.Administrator);
        }
    }

    private static async Task<(long Organization, string Boss)> OrganizationOfAsync(World world, string name)
    {
        await world.Server.People.CreateUserAsync($"{name}@muster.test", "a long password");
        var boss = await world.Server.LogInAsync(name, "a long password");
        return (Id(await world.MakeAsync("organization", new JsonObject { ["name"] = "Own", ["handle"] = "own" }, boss)), boss);
    }

    private static Task<long> AccountAsync(World world, string name) => world.Server.ScalarAsync<long>("SELECT id FROM account WHERE username = @p0", name);

    /// <summary>Who, what, about whom and how it ended, newest first.</summary>
    private static async Task<List<(string, string, string, string)>> AuditedAsync(World world, string token) =>
    [
        .. from entry in (await world.GetAsync("/muster/v1/audit?what=membership", token)).Json["entries"]!.AsArray()
           select ((string)entry["who"]!, (string)entry["what"]!, (string)entry["detail"]!, (string)entry["outcome"]!),
    ];
}
