using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Tests.Storage;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Accounts;

public sealed class InviteTests
{
    private const string ToOrganization = "invitee__is_invited_to__organization";
    private const string ToFleet = "invitee__is_invited_to__application";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Membership_begins_when_the_invited_person_accepts(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (organization, boss, fleet) = await OwnOrganizationAsync(world);
        var ann = await world.PersonAsync("ann", organization, null);
        var mallory = await world.PersonAsync("mallory", organization, null);

        // Nobody is made a member: not by an administrator, and not an account that is not there either.
        var account = await world.Server.ScalarAsync<long>("SELECT id FROM account WHERE username = 'ann'");
        foreach (var id in (long[])[account, 999_999])
            Assert.Equal((401, ""), Short(await world.PostAsync("/v7/organization_membership", new JsonObject { ["user"] = id, ["is_member_of__organization"] = organization }, boss)));

        // As the SDK invites: the role by its id.
        var role = await world.RowAsync("/v7/organization_membership_role?$top=1&$select=id&$filter=name eq 'developer'", boss);
        var made = await world.MakeAsync(ToOrganization, new JsonObject { ["is_invited_to__organization"] = organization, ["invitee"] = "ANN@muster.test", ["organization_membership_role"] = Id(role), ["message"] = "Welcome" }, boss);
        var token = made["muster_token"]!.GetValue<string>();
        Assert.Empty(await world.RowsAsync("/v7/application", ann));

        var listed = await world.RowAsync($"/v7/{ToOrganization}?$filter=is_invited_to__organization eq {organization}&$expand=invitee,organization_membership_role,is_created_by__user($select=username)", boss);
        Assert.Equal(("ANN@muster.test", "developer", "boss", null), (Text(listed["invitee"]![0]!, "email"), Text(listed["organization_membership_role"]![0]!, "name"), Text(listed["is_created_by__user"]![0]!, "username"), Text(listed, "muster_token")));
        Assert.Equal(0, await world.Server.ScalarAsync<long>("SELECT count(*) FROM invite WHERE token_hash = @p0", System.Text.Encoding.UTF8.GetBytes(token)));

        // The invited person learns of it without e-mail; others learn nothing, and the link serves nobody else.
        var pending = (await world.GetAsync("/muster/v1/invites", ann)).Json["invites"]!.AsArray();
        Assert.Equal(("Own", "developer", "Welcome", "boss"), (Text(pending[0]!, "organization"), Text(pending[0]!, "role"), Text(pending[0]!, "message"), Text(pending[0]!, "invited_by")));
        Assert.Empty((await world.GetAsync("/muster/v1/invites", mallory)).Json["invites"]!.AsArray());
        Assert.Empty(await world.RowsAsync($"/v7/{ToOrganization}", mallory));
        Assert.Empty(await world.RowsAsync("/v7/invitee", mallory));
        Assert.Equal(401, (await world.Server.SendAsync("POST", $"/org/v1/invitation/{token}")).Status);
        var foreign = await world.Server.SendAsync("POST", $"/org/v1/invitation/{token}", mallory);
        Assert.Equal(Short(await world.Server.SendAsync("POST", "/org/v1/invitation/nonsense", mallory)), Short(foreign));
        Assert.Equal(404, foreign.Status);
        Assert.Equal(404, (await world.Server.SendAsync("POST", $"/muster/v1/invites/{Id(made)}/accept", mallory)).Status);
        Assert.Equal(404, (await world.Server.SendAsync("DELETE", $"/muster/v1/invites/{Id(made)}", mallory)).Status);

        Assert.Equal((200, ""), Short(await world.Server.SendAsync("POST", $"/org/v1/invitation/{token}", ann)));
        Assert.Equal(Id(fleet), Id(await world.RowAsync("/v7/application", ann)));
        Assert.Equal(200, (await world.PatchAsync($"/v7/application({Id(fleet)})", new JsonObject { ["app_name"] = "renamed" }, ann)).Status);
        Assert.Equal(404, (await world.Server.SendAsync("POST", $"/org/v1/invitation/{token}", ann)).Status);
        Assert.Empty(await world.RowsAsync($"/v7/{ToOrganization}", boss));
        Assert.Equal(["invite.accept", "invite.create"], await AuditedAsync(world));

        // Members see each other; who may leave may leave, and the last administrator stays.
        Assert.Equal(["ann", "boss"], (await world.RowsAsync("/v7/user?$select=username&$orderby=username asc", ann)).Select(u => Text(u!, "username")!));
        var own = await world.RowAsync($"/v7/organization_membership?$select=id&$filter=user eq {account}", ann);
        var others = await world.RowAsync($"/v7/organization_membership?$select=id&$filter=user ne {account}", ann);
        Assert.Equal(401, (await world.DeleteAsync($"/v7/organization_membership({Id(others)})", ann)).Status);
        Assert.Equal(200, (await world.DeleteAsync($"/v7/organization_membership({Id(own)})", ann)).Status);
        Assert.Equal(400, (await world.DeleteAsync($"/v7/organization_membership({Id(others)})", boss)).Status);
        Assert.Empty(await world.RowsAsync("/v7/application", ann));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task An_invite_to_a_fleet_is_accepted_declined_and_revoked(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (organization, boss, fleet) = await OwnOrganizationAsync(world);
        var ann = await world.PersonAsync("ann", organization, null);
        var role = await world.RowAsync("/v7/application_membership_role?$top=1&$select=id&$filter=name eq 'operator'", boss);
        JsonObject Body() => new() { ["is_invited_to__application"] = Id(fleet), ["invitee"] = "Ann", ["application_membership_role"] = Id(role) };

        var revoked = await world.MakeAsync(ToFleet, Body(), boss);
        Assert.Equal(200, (await world.DeleteAsync($"/v7/{ToFleet}({Id(revoked)})", boss)).Status);
        Assert.Equal(404, (await world.Server.SendAsync("POST", $"/user/v1/invitation/{Text(revoked, "muster_token")}", ann)).Status);

        var declined = await world.MakeAsync(ToFleet, Body(), boss);
        Assert.Equal(200, (await world.Server.SendAsync("DELETE", $"/muster/v1/invites/{Id(declined)}", ann)).Status);
        Assert.Empty(await world.RowsAsync($"/v7/{ToFleet}", boss));

        var accepted = await world.MakeAsync(ToFleet, Body(), boss);
        Assert.Equal(Id(fleet), (await world.RowAsync($"/v7/{ToFleet}", boss))["is_invited_to__application"]!["__id"]!.GetValue<long>());
        Assert.Empty(await world.RowsAsync($"/v7/{ToOrganization}", boss));
        Assert.Equal(200, (await world.Server.SendAsync("POST", $"/user/v1/invitation/{Text(accepted, "muster_token")}", ann)).Status);
        Assert.Equal("operator", Text(await world.RowAsync("/v7/organization_membership?$select=muster_role&$filter=user/any(u:u/username eq 'ann')", boss), "muster_role"));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Only_administrators_invite_and_the_answer_tells_nobody_who_has_an_account(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (organization, boss, fleet) = await OwnOrganizationAsync(world);
        await world.PersonAsync("ann", organization, null);
        foreach (var (name, role) in ((string, Role)[])[("dev", Role.Developer), ("obs", Role.Observer)])
        {
            var token = await world.PersonAsync(name, organization, role);
            Assert.Equal((401, ""), Short(await world.PostAsync($"/v7/{ToOrganization}", new JsonObject { ["is_invited_to__organization"] = organization, ["invitee"] = "ann" }, token)));
            Assert.Equal((401, ""), Short(await world.PostAsync($"/v7/{ToFleet}", new JsonObject { ["is_invited_to__application"] = Id(fleet), ["invitee"] = "ann" }, token)));
        }

        // A developer who is administrator elsewhere learns nothing here either.
        var dev = await world.Server.LogInAsync("dev", "a long password");
        await world.MakeAsync("organization", new JsonObject { ["name"] = "Devs own" }, dev);
        Assert.Equal((401, ""), Short(await world.PostAsync($"/v7/{ToOrganization}", new JsonObject { ["is_invited_to__organization"] = organization, ["invitee"] = "boss" }, dev)));
        Assert.Empty(await world.RowsAsync($"/v7/{ToOrganization}", dev));
        Assert.Equal(401, (await world.PostAsync($"/v7/{ToOrganization}", new JsonObject { ["is_invited_to__organization"] = await world.OrganizationAsync(), ["invitee"] = "ann" }, boss)).Status);

        foreach (var invitee in (string[])["ann", "nobody", "ann@muster.test", "nobody@muster.test", "boss@muster.test"])
        {
            var answer = await world.PostAsync($"/v7/{ToOrganization}?$select=is_invited_to__organization", new JsonObject { ["is_invited_to__organization"] = organization, ["invitee"] = invitee }, boss);
            Assert.Equal((201, "is_invited_to__organization,muster_token"), (answer.Status, string.Join(',', answer.Json.AsObject().Select(f => f.Key).Order(StringComparer.Ordinal))));
            Assert.Equal(409, (await world.PostAsync($"/v7/{ToOrganization}", new JsonObject { ["is_invited_to__organization"] = organization, ["invitee"] = invitee.ToUpperInvariant() }, boss)).Status);
        }

        foreach (var body in (JsonObject[])[new() { ["invitee"] = " " }, new() { ["invitee"] = "a b" }, [], new() { ["invitee"] = 5 }, new() { ["invitee"] = "x", ["muster_role"] = "king" }, new() { ["invitee"] = "x", ["organization_membership_role"] = 9 }, new() { ["invitee"] = "x", ["message"] = new string('m', 1001) }])
        {
            body["is_invited_to__organization"] = organization;
            Assert.Equal(400, (await world.PostAsync($"/v7/{ToOrganization}", body, boss)).Status);
        }

        // Who names an account in another way learns nothing of it either.
        var account = await world.Server.ScalarAsync<long>("SELECT id FROM account WHERE username = 'ann'");
        const string key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJlF0Gk0gAkzVkzQ0V9oVhQnqWmXc1H7u0V6M3m2f5aB x";
        foreach (var id in (long[])[account, 999_999])
            Assert.Equal((401, ""), Short(await world.PostAsync("/v7/user__has__public_key", new JsonObject { ["user"] = id, ["title"] = "t", ["public_key"] = key }, boss)));
    }

    [Fact]
    public async Task An_invite_ends_after_a_week_and_with_the_inviters_right()
    {
        var clock = new SteppedTime();
        await using var world = await World.StartAsync(configure: b => b.Services.AddSingleton<TimeProvider>(clock));
        var (organization, boss, _) = await OwnOrganizationAsync(world);
        var ann = await world.PersonAsync("ann", organization, null);
        var first = await InviteAsync("ann");
        clock.Step = TimeSpan.FromDays(7) + TimeSpan.FromSeconds(1);
        Assert.Empty((await world.GetAsync("/muster/v1/invites", ann)).Json["invites"]!.AsArray());
        Assert.Equal(404, (await world.Server.SendAsync("POST", $"/org/v1/invitation/{first}", ann)).Status);

        var second = await InviteAsync("ann");
        await world.PersonAsync("heir", organization, Role.Administrator);
        Assert.Equal(200, (await world.PatchAsync("/v7/organization_membership?$filter=user/any(u:u/username eq 'boss')", new JsonObject { ["organization_membership_role"] = 3 })).Status);
        Assert.Equal(404, (await world.Server.SendAsync("POST", $"/org/v1/invitation/{second}", ann)).Status);
        Assert.Equal(0, await world.Server.ScalarAsync<long>("SELECT count(*) FROM invite"));

        async Task<string> InviteAsync(string invitee) =>
            Text(await world.MakeAsync(ToOrganization, new JsonObject { ["is_invited_to__organization"] = organization, ["invitee"] = invitee }, boss), "muster_token")!;
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Pending_invites_are_bounded_also_when_many_are_made_at_once(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (organization, boss, _) = await OwnOrganizationAsync(world);
        for (var i = 0; i < 98; i++)
            await world.MakeAsync(ToOrganization, new JsonObject { ["is_invited_to__organization"] = organization, ["invitee"] = $"p{i}" }, boss);
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => world.PostAsync($"/v7/{ToOrganization}", new JsonObject { ["is_invited_to__organization"] = organization, ["invitee"] = $"q{i}" }, boss)));
        Assert.Equal(2, answers.Count(a => a.Status == 201));
        Assert.All(answers.Where(a => a.Status != 201), refused => Assert.Equal((400, "Too many invites are pending. Revoke some first."), (refused.Status, refused.Sentence)));
        Assert.Equal(100, await world.Server.ScalarAsync<long>("SELECT count(*) FROM invite"));
    }

    /// <summary>An organization of somebody who is not the server's administrator, with a fleet.</summary>
    private static async Task<(long Organization, string Boss, JsonNode Fleet)> OwnOrganizationAsync(World world)
    {
        await world.Server.People.CreateUserAsync("boss@muster.test", "a long password");
        var boss = await world.Server.LogInAsync("boss", "a long password");
        var organization = Id(await world.MakeAsync("organization", new JsonObject { ["name"] = "Own" }, boss));
        return (organization, boss, await world.FleetAsync("fleet", organization: organization, token: boss));
    }

    private static async Task<List<string>> AuditedAsync(World world) =>
        [.. (await world.GetAsync("/muster/v1/audit")).Json["entries"]!.AsArray().Select(e => Text(e!, "what")!).Where(what => what.StartsWith("invite.", StringComparison.Ordinal))];

    private static string? Text(JsonNode row, string field) => row[field]?.GetValue<string>();

    private static (int Status, string Text) Short(Answer answer) => (answer.Status, answer.Text);
}
