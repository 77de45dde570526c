using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Insight;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

/// <summary>Who did what, when, from where, with what outcome; what survives a death, an absence of the database, and a repetition.</summary>
public sealed class AuditLogTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task An_entry_tells_who_did_what_to_which_device_from_where_and_how_it_ended(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        var person = await CallerAsync(server, await server.LogInAsAsync(Role.Operator));
        var id = await Log(server).BeginAsync(new(person, "action.reboot", device.Id, null, AuditEntry.Address(IPAddress.Parse("::ffff:192.0.2.7")), "POST /v1/reboot"), CancellationToken.None);

        var open = Assert.Single(await EntriesAsync(server, server.Admin))!;
        Assert.Equal((id, "action.reboot", device.Uuid, "192.0.2.7", "POST /v1/reboot"), ((long)open["id"]!, (string)open["what"]!, (string)open["device_uuid"]!, (string)open["from"]!, (string)open["detail"]!));
        Assert.Equal(("user", person.SubjectId, server.Fleet.OrganizationId, server.Fleet.Id), ((string)open["who_kind"]!, (long)open["who_id"]!, (long)open["organization_id"]!, (long)open["fleet_id"]!));
        Assert.StartsWith("person", (string)open["who"]!, StringComparison.Ordinal);
        Assert.Null(open["outcome"]);

        await Log(server).EndAsync(id, "done (202)");
        await Log(server).EndAsync(id, "told twice");
        var ended = Assert.Single(await EntriesAsync(server, server.Admin))!;
        Assert.Equal("done (202)", (string)ended["outcome"]!);
        Assert.NotNull(ended["ended_at"]);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Opening_a_device_to_everybody_is_on_record_with_the_change_and_a_refused_one_is_neither(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind, builder => builder.Configuration["Cloudlink:DeviceUrls:Domain"] = "devices.test");
        var device = await server.AddDeviceAsync();

        async Task<int> OpenAsync(string token, bool open) =>
            (await server.Server.SendAsync("PATCH", $"/v7/device({device.Id})", token, new JsonObject { ["is_web_accessible"] = open })).Status;

        Assert.Equal(401, await OpenAsync(await server.LogInAsAsync(Role.Observer), true));
        Assert.Empty(await EntriesAsync(server, server.Admin));
        Assert.Equal(200, await OpenAsync(server.Admin, true));
        Assert.Equal(200, await OpenAsync(server.Admin, false));

        var entries = await EntriesAsync(server, server.Admin);
        Assert.Equal(["device-url.off", "device-url.on"], entries.Select(entry => (string)entry!["what"]!));
        Assert.All(entries, entry => Assert.Equal((device.Uuid, "done"), ((string)entry!["device_uuid"]!, (string)entry["outcome"]!)));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_a_process_that_died_had_begun_ended_nobody_knows_how(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        var caller = await CallerAsync(server, server.Admin);
        await Log(server).BeginAsync(new(caller, "ssh.open", device.Id, null, null, null), CancellationToken.None);
        await server.Fixture.DoAsync("UPDATE audit SET life = 'an earlier one'");
        await Log(server).BeginAsync(new(caller, "tunnel.open", device.Id, null, null, null), CancellationToken.None);

        await Log(server).EndEarlierLivesAsync(CancellationToken.None);
        Assert.Equal([("tunnel.open", null), ("ssh.open", "unknown")], (await EntriesAsync(server, server.Admin)).Select(e => ((string)e!["what"]!, (string?)e["outcome"])));
    }

    [Fact]
    public async Task Without_a_database_nothing_begins_and_an_outcome_waits_until_it_is_back()
    {
        var server = await PostgresServer.StartAsync();
        await using var database = new PostgresDatabase(await server.CreateDatabaseAsync("away"));
        Migrator.Migrate(database);
        using var log = new AuditLog(database, Options.Create(new InsightOptions()), Options.Create(new PresenceOptions()), TimeProvider.System, NullLogger<AuditLog>.Instance);
        await log.StartAsync(CancellationToken.None);
        var entry = new AuditEntry(Caller.Anonymous, "ssh.open", null, null, null, null);
        var id = await log.BeginAsync(entry, CancellationToken.None);

        await server.StopServerAsync();
        await Assert.ThrowsAsync<DatabaseAwayException>(() => log.BeginAsync(entry, CancellationToken.None));
        await log.EndAsync(id, "done");
        await server.StartServerAsync();

        var fixture = new FleetFixture(database);
        await Eventually.HoldsAsync(async () => (string?)await fixture.ReadAsync("SELECT outcome FROM audit WHERE id = @p0", id) == "done");
        await log.StopAsync(CancellationToken.None);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Developers_read_what_happened_in_their_organizations_and_everybody_what_they_did(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var elsewhere = await server.Fixture.AddFleetAsync();
        var (here, there) = (await server.AddDeviceAsync(), await server.AddDeviceAsync(elsewhere));
        var tokens = new Dictionary<Role, string>();
        foreach (var role in Enum.GetValues<Role>())
            tokens[role] = await server.LogInAsAsync(role);
        foreach (var (role, token) in tokens)
            await NoteAsync(server, token, $"action.{role}", here.Id);
        await NoteAsync(server, server.Admin, "action.elsewhere", there.Id);

        async Task<string> Read(string token) => string.Join(' ', (await EntriesAsync(server, token)).Select(e => (string)e!["what"]!));
        Assert.Equal("action.elsewhere action.Administrator action.Developer action.Operator action.Observer", await Read(server.Admin));
        Assert.Equal("action.Administrator action.Developer action.Operator action.Observer", await Read(tokens[Role.Administrator]));
        Assert.Equal("action.Administrator action.Developer action.Operator action.Observer", await Read(tokens[Role.Developer]));
        Assert.Equal("action.Operator", await Read(tokens[Role.Operator]));
        Assert.Equal("action.Observer", await Read(tokens[Role.Observer]));
        Assert.Equal("action.elsewhere", await Read(await server.LogInAsAsync(Role.Developer, elsewhere)));
        Assert.Equal(401, (await server.GetAsync("/muster/v1/audit", null)).Status);
        Assert.Equal(401, (await server.GetAsync("/muster/v1/audit", here.Key)).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task It_is_asked_by_device_person_word_and_time_and_read_page_by_page(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var (one, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        await server.Fixture.DoAsync("UPDATE device SET name = 'Pump North' WHERE id = @p0", one.Id);
        var developer = await server.LogInAsAsync(Role.Developer);
        for (var i = 0; i < 5; i++)
            await NoteAsync(server, i < 3 ? developer : server.Admin, $"action.a{i}", i % 2 == 0 ? one.Id : other.Id);
        await server.Fixture.DoAsync("UPDATE audit SET at = 1000 * id");

        async Task<string> Ask(string query) => string.Join(' ', (await EntriesAsync(server, server.Admin, query)).Select(e => ((string)e!["what"]!)[7..]));
        Assert.Equal("a4 a2 a0", await Ask($"device={one.Uuid}"));
        Assert.Equal("a4 a2 a0", await Ask("device=pump"));
        Assert.Equal("a2 a1 a0", await Ask("who=PERSON"));
        Assert.Equal("a3", await Ask("what=A3"));
        Assert.Equal("a4 a3 a2 a1 a0", await Ask($"fleet={server.Fleet.Name}"));
        Assert.Equal("", await Ask("fleet=0"));
        Assert.Equal("a2 a1", await Ask("from=2000&to=4000"));

        List<string> paged = [];
        for (string? next = ""; next is not null;)
        {
            var page = (await server.GetAsync($"/muster/v1/audit?limit=2&after={next}", developer)).Json;
            paged.AddRange(page["entries"]!.AsArray().Select(e => ((string)e!["what"]!)[7..]));
            next = (string?)page["next"];
        }

        Assert.Equal(["a4", "a3", "a2", "a1", "a0"], paged);
        foreach (var (query, sentence) in new[] { ("limit=0", "limit"), ("after=x", "after"), ("from=soon", "from"), ($"who={new string('x', 101)}", "who") })
        {
            var refused = await server.GetAsync($"/muster/v1/audit?{query}", server.Admin);
            Assert.Equal(400, refused.Status);
            Assert.Contains(sentence, refused.Sentence, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_happened_stays_on_record_when_the_device_and_the_person_are_gone()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        await NoteAsync(server, await server.LogInAsAsync(Role.Operator), "action.purge", device.Id);
        await server.Fixture.DoAsync("DELETE FROM device");
        await server.Fixture.DoAsync("DELETE FROM account WHERE username LIKE 'person%'");
        var entry = Assert.Single(await EntriesAsync(server, server.Admin, $"device={device.Uuid}"))!;
        Assert.StartsWith("device-", (string)entry["device_name"]!, StringComparison.Ordinal);
        Assert.StartsWith("person", (string)entry["who"]!, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_is_too_old_or_too_much_goes_the_oldest_first(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind, builder => builder.Configuration["Insight:AuditMost"] = "3");
        var device = await server.AddDeviceAsync();
        for (var i = 0; i < 5; i++)
            await NoteAsync(server, server.Admin, $"a{i.ToString(CultureInfo.InvariantCulture)}", device.Id);
        await Log(server).PruneAsync(CancellationToken.None);
        Assert.Equal(["a4", "a3", "a2"], (await EntriesAsync(server, server.Admin)).Select(e => (string)e!["what"]!));
        await server.Fixture.DoAsync("UPDATE audit SET at = at - @p0 WHERE what = 'a2'", (long)TimeSpan.FromDays(366).TotalMilliseconds);
        await Log(server).PruneAsync(CancellationToken.None);
        Assert.Equal(["a4", "a3"], (await EntriesAsync(server, server.Admin)).Select(e => (string)e!["what"]!));
    }

    private static AuditLog Log(ServerWithFleet server) => server.Server.Services.GetRequiredService<AuditLog>();

    private static async Task<Caller> CallerAsync(ServerWithFleet server, string token) => await server.Server.Callers.OfTokenAsync(token, CancellationToken.None);

    private static async Task NoteAsync(ServerWithFleet server, string token, string what, long device) =>
        await Log(server).NoteAsync([new(await CallerAsync(server, token), what, device, null, null, null)], AuditOutcome.Done, CancellationToken.None);

    private static async Task<JsonArray> EntriesAsync(ServerWithFleet server, string token, string query = "")
    {
        var answer = await server.GetAsync($"/muster/v1/audit?{query}", token);
        Assert.Equal(200, answer.Status);
        return answer.Json["entries"]!.AsArray();
    }
}
