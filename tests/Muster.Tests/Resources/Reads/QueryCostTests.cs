using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;
using Muster.Core.Access;
using Muster.Server.Resources.Reads;
using Muster.Tests.Storage;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Reads;

public sealed class QueryCostTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_would_cost_too_much_is_refused_in_a_sentence_before_it_is_built(string kind)
    {
        await using var world = await World.StartAsync(kind);
        const string nested = "/v7/device_type?$top=1&$expand=is_of__cpu_architecture($expand=is_supported_by__device_type)";
        Assert.Equal((400, "Log in to use an $expand inside an $expand."), Short(await world.Server.SendAsync("GET", nested)));
        Assert.Equal(200, (await world.Server.SendAsync("GET", "/v7/device_type?$select=slug&$expand=is_of__cpu_architecture($select=slug)")).Status);
        Assert.Equal(200, (await world.GetAsync(nested)).Status);

        var seven = string.Concat(Enumerable.Repeat("$expand=is_supported_by__device_type($expand=is_of__cpu_architecture(", 4))[..^1] + new string(')', 7);
        Assert.Equal(400, (await world.GetAsync($"/v7/cpu_architecture?{seven}")).Status);
        Assert.Equal((400, "At most 3 collections are expanded inside each other."),
            Short(await world.GetAsync("/v7/organization?$expand=application($expand=owns__release($expand=release_image($expand=image_label)))")));

        // One release with a log of 70 MiB: more than one row may embed.
        var fleet = await world.FleetAsync("large-fleet");
        var release = await world.ReleaseAsync(fleet);
        await world.Server.Database.WriteAsync(async write =>
        {
            await using var log = write.Command("UPDATE release SET build_log = @p0 WHERE id = @p1", new string('x', 70 * 1024 * 1024), Id(release));
            await log.ExecuteNonQueryAsync();
        });
        var bytes = await world.GetAsync($"/v7/application({Id(fleet)})?$expand=owns__release");
        Assert.Equal((400, "The expands would embed too many bytes. Name the fields with $select, or narrow them down with $filter or $top."), Short(bytes));
        Assert.Equal(200, (await world.GetAsync($"/v7/application({Id(fleet)})?$expand=owns__release($select=id,commit)")).Status);
    }

    [Fact]
    public void Slow_queries_of_one_caller_use_up_its_time_and_nobody_elses()
    {
        var time = new FakeTimeProvider();
        var allowance = new QueryAllowance(time);
        var caller = new Caller(CallerKind.User, 1, 1, [], System.Collections.Immutable.ImmutableDictionary<long, Role>.Empty);
        for (var i = 0; i < 1_000; i++)
            allowance.Charge("one", caller, TimeSpan.FromSeconds(1));
        Assert.Null(allowance.Wait("one", caller));
        for (var i = 0; i < 5; i++)
            allowance.Charge("one", caller, TimeSpan.FromSeconds(31));
        Assert.NotNull(allowance.Wait("one", caller));
        Assert.Null(allowance.Wait("other", caller));
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(allowance.Wait("one", caller));
    }

    private static (int Status, string? Sentence) Short(Answer answer) => (answer.Status, answer.Status == 200 ? null : answer.Sentence);
}
