using Muster.Server.Dashboard.Health;
using Muster.Server.Dashboard.Parts;

namespace Muster.Tests.Dashboard;

/// <summary>What the pages tell a person who looks for trouble.</summary>
public sealed class AdviceTests
{
    [Fact]
    public void Checks_stand_with_the_worst_first_and_the_same_advice_is_given_once()
    {
        var shown = CheckList.WorstFirst(
        [
            ("ok", "Voltage is fine.", null), ("unknown", "No clock.", "Check the network."), ("fail", "No heartbeat.", "Check the network."),
            ("warn", "Hot.", "Cool it."), ("fail", "No cloudlink.", "Check the network."), ("ok", "Memory is fine.", null),
        ]);
        Assert.Equal(["No heartbeat.", "No cloudlink.", "Hot.", "No clock.", "Voltage is fine.", "Memory is fine."], shown.Select(c => c.Sentence));
        Assert.Equal(["Check the network.", null, "Cool it.", null, null, null], shown.Select(c => c.Advice));
    }

    [Theory]
    [InlineData("reduced-functionality", "Reduced Functionality")]
    [InlineData("post-provisioning", "Post Provisioning")]
    [InlineData("operational", "Operational")]
    public void Statuses_are_written_as_in_their_specification(string wire, string word) => Assert.Equal(word, StatusLook.Overall(wire).Word);

    [Fact]
    public void Steps_of_an_update_are_written_as_in_their_specification() =>
        Assert.Equal(["Downloading", "Downloaded", "Applying Changes", "Rejected", "Aborted", "Done"], StatusLook.UpdateWords.Select(word => StatusLook.Update(word).Word));
}
