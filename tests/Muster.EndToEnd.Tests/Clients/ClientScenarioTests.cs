namespace Muster.EndToEnd.Tests.Clients;

/// <summary>The client scenarios, each a result of its own; all come from one run.</summary>
public sealed class ClientScenarioTests(ClientRun run) : IClassFixture<ClientRun>
{
    public static TheoryData<string> Scenarios => [.. ClientScenarios.Run];

    [Theory, MemberData(nameof(Scenarios))]
    public void Client(string scenario) => run.Check(scenario);

    [Fact]
    public void Every_scenario_that_is_left_out_exists() => Assert.Subset(ClientScenarios.All().ToHashSet(), ClientScenarios.LeftOut.Keys.ToHashSet());
}
