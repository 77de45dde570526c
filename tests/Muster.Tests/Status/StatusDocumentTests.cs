using System.Text.RegularExpressions;
using Muster.Core.Status;

namespace Muster.Tests.Status;

/// <summary>docs/device-statuses.md says what the rule does.</summary>
public sealed partial class StatusDocumentTests
{
    private static readonly string[] Lines = File.ReadAllLines(TestFiles.At("../docs/device-statuses.md"));

    [Fact]
    public void Its_order_lists_the_answers_that_the_rule_can_give_and_no_others()
    {
        var listed = new List<(string Status, string Reason)>();
        foreach (var row in Rows("### Order"))
            listed.AddRange(Words(row[^1]).Select(reason => (Words(row[^2]).Single(), reason)));
        var given = AllFacts().Select(facts => OverallStatusRule.Evaluate(facts)).Select(answer => (answer.Status.Word(), answer.Reason.Word())).Distinct();
        Assert.Equal(given.Order(), listed.Distinct().Order());
    }

    [Fact]
    public void It_names_every_word_of_the_wire_once()
    {
        Assert.Equal(Enum.GetValues<OverallStatus>().Select(s => s.Word()).Order(), Rows("## Device statuses").Select(row => Words(row[1]).Single()).Order());
        Assert.Equal(Enum.GetValues<HeartbeatState>().Select(s => s.Word()).Order(), Rows("## Connectivity states").Select(row => Words(row[0]).Single()).Order());
        // In their order: the lowest counts.
        Assert.Equal(Enum.GetValues<UpdateStatus>().Where(s => s is not UpdateStatus.None).Select(s => s.Word()), Rows("## Update statuses").Select(row => Words(row[1]).Single()));
    }

    /// <summary>The cells of the first table below a heading.</summary>
    private static IEnumerable<string[]> Rows(string heading) => Lines
        .SkipWhile(line => line != heading).SkipWhile(line => !line.StartsWith('|')).TakeWhile(line => line.StartsWith('|'))
        .Skip(2).Select(line => line.Trim('|').Split('|'));

    private static IEnumerable<string> Words(string cell) => Word().Matches(cell).Select(match => match.Groups[1].Value);

    private static IEnumerable<DeviceFacts> AllFacts()
    {
        bool[] either = [false, true];
        return from active in either
               from frozen in either
               from seen in either
               from heartbeat in Enum.GetValues<HeartbeatState>()
               from connected in either
               from expected in either
               from ever in either
               from state in (string?[])[null, "Post-Provisioning"]
               from provisioning in (int?[])[null, 50]
               from status in (string?[])[null, "Downloading"]
               from image in either
               select new DeviceFacts
               {
                   IsActive = active,
                   IsFrozen = frozen,
                   EverSeen = seen,
                   Heartbeat = heartbeat,
                   CloudlinkConnected = connected,
                   CloudlinkExpected = expected,
                   EverOnCloudlink = ever,
                   ProvisioningState = state,
                   ProvisioningProgress = provisioning,
                   ReportedStatus = status,
                   DownloadProgress = status is null ? null : 10,
                   Installs = image ? [new(1, 1, "Downloading", 5)] : [],
               };
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Word();
}
