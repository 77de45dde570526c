using System.Collections.Immutable;
using Muster.Simulator.Devices;
using Muster.Simulator.Scenarios;

namespace Muster.Tests.Simulator;

public sealed class ScenarioTests
{
    public static TheoryData<string> BuiltIn => [.. BuiltInScenarios.All.Keys];

    [Theory, MemberData(nameof(BuiltIn))]
    public void Every_built_in_scenario_can_be_planned(string name)
    {
        var plan = ScenarioPlan.Of(Scenario.Load(name), 50, 1, 1);
        Assert.Equal(plan.OrderBy(c => c.At).Select(c => c.At), plan.Select(c => c.At));
        Assert.All(plan, c => Assert.InRange(c.Device, -1, 49));
    }

    [Theory]
    [InlineData("""{ "troubles": [ { "kind": "bad-luck", "at": 0, "for": 1 } ] }""", "\"bad-luck\" is no kind of trouble")]
    [InlineData("""{ "troubles": [ { "kind": "power-off", "at": 0 } ] }""", "\"for\" is missing")]
    [InlineData("""{ "troubles": [ { "kind": "power-off", "at": -1, "for": 1 } ] }""", "a time must not be negative")]
    [InlineData("""{ "troubles": [ { "kind": "power-off", "at": 0, "for": 1, "devices": "some" } ] }""", "\"devices\" must be")]
    [InlineData("""{ "troubles": [ { "kind": "site-outage", "at": 0, "for": 1, "site": 4, "sites": 4 } ] }""", "\"site\" must be below")]
    [InlineData("""{ "troubles": [ { "kind": "power-off", "at": 0, "for": 1, "colour": "red" } ] }""", "line 1")]
    [InlineData("""{ "name": "x" }""", "line 1")]
    [InlineData("nonsense", "line 1")]
    public void A_wrong_scenario_is_refused_with_the_place_and_the_reason(string json, string reason) =>
        Assert.Contains(reason, Assert.Throws<ScenarioException>(() => Scenario.Parse(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void The_same_seed_plans_the_same_and_another_seed_something_else()
    {
        var scenario = Scenario.Load("mixed");
        Assert.Equal(ScenarioPlan.Of(scenario, 100, 5, 1), ScenarioPlan.Of(scenario, 100, 5, 1));
        Assert.NotEqual(ScenarioPlan.Of(scenario, 100, 5, 1), ScenarioPlan.Of(scenario, 100, 6, 1));
    }

    [Fact]
    public void A_site_outage_hits_the_whole_site_at_once_and_nobody_else()
    {
        var plan = Plan("""{ "troubles": [ { "kind": "site-outage", "at": 10, "for": 20, "site": 1, "sites": 4 } ] }""", 20);
        Assert.Equal([1, 5, 9, 13, 17], plan.Where(c => c.Begins).Select(c => c.Device).Order());
        Assert.All(plan, c => Assert.Equal(c.Begins ? 10_000 : 30_000, c.At));
    }

    [Fact]
    public void Flapping_goes_and_comes_every_half_period()
    {
        var plan = Plan("""{ "troubles": [ { "kind": "flapping", "at": 0, "for": 30, "period": 10 } ] }""", 1);
        Assert.Equal([(0L, true), (5_000, false), (10_000, true), (15_000, false), (20_000, true), (25_000, false)], plan.Select(c => (c.At, c.Begins)));
    }

    [Theory]
    [InlineData("10%", 5)]
    [InlineData("3", 3)]
    [InlineData("1%", 1)]
    [InlineData("all", 50)]
    [InlineData("500", 50)]
    public void Devices_are_given_as_a_number_a_share_or_all(string devices, int hit) =>
        Assert.Equal(hit, Plan($$"""{ "troubles": [ { "kind": "reboot", "at": 0, "devices": "{{devices}}" } ] }""", 50).Select(c => c.Device).Distinct().Count());

    [Fact]
    public void A_time_scale_shortens_the_timeline()
    {
        var scenario = Scenario.Parse("""{ "troubles": [ { "kind": "power-off", "at": 60, "for": 30, "devices": "1" } ] }""");
        Assert.Equal([6_000L, 9_000], ScenarioPlan.Of(scenario, 1, 1, 10).Select(c => c.At));
    }

    [Fact]
    public void Of_several_troubles_the_worst_counts()
    {
        var condition = Troubles.Condition([TroubleKind.NetworkOut, TroubleKind.LostAnswers, TroubleKind.UpdateLock]);
        Assert.Equal((Reach.Dark, false, true, true), (condition.Http, condition.TunnelOpen, condition.LockHeld, condition.Powered));
        Assert.Equal(DeviceCondition.Healthy, Troubles.Condition([]));
    }

    private static ImmutableArray<PlannedChange> Plan(string json, int devices) => ScenarioPlan.Of(Scenario.Parse(json), devices, 1, 1);
}
