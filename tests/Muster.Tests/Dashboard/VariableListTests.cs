using Muster.Server.Dashboard.Summary;

namespace Muster.Tests.Dashboard;

public sealed class VariableListTests
{
    private static readonly ServiceView Web = new(1, "web");
    private static readonly ServiceView Db = new(2, "db");

    [Fact]
    public void A_devices_own_value_hides_its_fleets_and_both_are_known()
    {
        var row = Assert.Single(VariableList.Of([(null, new(7, "MODE", "own"))], [(null, new(3, "MODE", "fleet"))]));
        Assert.Equal(("own", "fleet", true), (row.Value, row.Inherited!.Value, row.IsOverriding));
    }

    [Fact]
    public void The_same_name_for_another_service_is_another_variable() =>
        Assert.Equal(
            [("db", "MODE", "fleet", false), ("web", "MODE", "own", false)],
            VariableList.Of([(Web, new(7, "MODE", "own"))], [(Db, new(3, "MODE", "fleet"))]).Select(r => (r.Service!.ServiceName, r.Name, r.Value, r.IsOverriding)));

    [Fact]
    public void Rows_are_in_the_order_of_their_names() =>
        Assert.Equal(["A", "B", "C"], VariableList.Of([(null, new(1, "B", ""))], [(null, new(2, "C", "")), (null, new(3, "A", ""))]).Select(r => r.Name));

    [Theory]
    [InlineData("API_KEY", true)]
    [InlineData("db_password", true)]
    [InlineData("GITHUB_TOKEN", true)]
    [InlineData("LOG_LEVEL", false)]
    public void A_name_that_speaks_of_a_secret_is_hidden_until_shown(string name, bool isSecret) =>
        Assert.Equal(isSecret, Assert.Single(VariableList.Of([(null, new(1, name, "x"))], [])).IsSecret);
}
