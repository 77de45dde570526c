using System.Collections.Immutable;
using System.Text.Json;
using Muster.Core.Status;

namespace Muster.Tests.Status;

/// <summary>The decision table of existing clients, row by row (tests/cases/overall-status.jsonl; its first line is the legend).</summary>
public sealed class OverallStatusTableTests
{
    private const long OldRelease = 1;
    private const long TargetRelease = 2;

    [Fact]
    public void Every_row_of_the_table_has_its_status_and_progress()
    {
        var lines = File.ReadAllLines(TestFiles.At("cases/overall-status.jsonl"));
        using var legend = JsonDocument.Parse(lines[0]);
        var variants = legend.RootElement.GetProperty("_variants");
        var wrong = new List<string>();
        foreach (var line in lines.Skip(1))
        {
            using var row = JsonDocument.Parse(line);
            var answer = OverallStatusRule.Evaluate(Facts(row.RootElement, variants));
            var expected = (row.RootElement.GetProperty("out").GetString(), Number(row.RootElement, "prog"));
            if ((answer.Status.Word(), answer.Progress) != expected)
                wrong.Add($"{answer.Status.Word()} {answer.Progress} for {line}");
        }

        Assert.True(lines.Length > 4_000);
        Assert.True(wrong.Count == 0, $"{wrong.Count} rows are wrong:\n{string.Join('\n', wrong.Take(50))}");
    }

    [Theory]
    [InlineData(false, false, OverallStatus.Inactive)]
    [InlineData(false, true, OverallStatus.Inactive)]
    [InlineData(true, true, OverallStatus.Frozen)]
    public void Inactive_and_frozen_come_before_every_row(bool active, bool frozen, OverallStatus expected)
    {
        var facts = new DeviceFacts { IsActive = active, IsFrozen = frozen, Heartbeat = HeartbeatState.Online, CloudlinkConnected = true, ProvisioningState = "Post-Provisioning", ProvisioningProgress = 5 };
        var answer = OverallStatusRule.Evaluate(facts);
        Assert.Equal((expected, null), (answer.Status, answer.Progress));
    }

    private static DeviceFacts Facts(JsonElement row, JsonElement variants)
    {
        var fleet = new Dictionary<string, string>();
        var device = new Dictionary<string, string>();
        if (Text(row, "fv", "unset") is not "unset" and { } fleetValue)
            fleet["BALENA_SUPERVISOR_VPN_CONTROL"] = fleetValue;
        if (Text(row, "dv", "unset") is not "unset" and { } deviceValue)
            device["BALENA_SUPERVISOR_VPN_CONTROL"] = deviceValue;
        if (row.TryGetProperty("dcv", out var variables))
        {
            foreach (var variable in variables.EnumerateObject())
                device[variable.Name] = variable.Value.GetString()!;
        }

        var installs = row.TryGetProperty("iis", out var own) ? own : variants.GetProperty(Text(row, "ii", "none")!);
        return new()
        {
            IsActive = true,
            EverSeen = true,
            Heartbeat = StatusWords.Heartbeat(Text(row, "hb", "unknown")!),
            CloudlinkConnected = Flag(row, "vpn"),
            CloudlinkExpected = ConfigValues.CloudlinkExpected(fleet, device),
            EverOnCloudlink = Flag(row, "lce"),
            ReportedStatus = Text(row, "st", "Idle"),
            ProvisioningState = Text(row, "ps", null),
            ProvisioningProgress = Number(row, "pp"),
            DownloadProgress = Number(row, "dp"),
            TargetReleaseId = Text(row, "pin", "target") == "old" ? OldRelease : TargetRelease,
            Installs = [.. installs.EnumerateArray().Select(Install)],
        };
    }

    private static ServiceInstall Install(JsonElement install) => new(
        install[1].GetInt64(),
        install[0].GetString() == "old" ? OldRelease : TargetRelease,
        install[2].GetString()!,
        install[3].ValueKind is JsonValueKind.Null ? null : install[3].GetInt32());

    private static string? Text(JsonElement row, string name, string? otherwise) => row.TryGetProperty(name, out var value) ? value.GetString() : otherwise;

    private static bool Flag(JsonElement row, string name) => row.TryGetProperty(name, out var value) && value.GetBoolean();

    private static int? Number(JsonElement row, string name) => row.TryGetProperty(name, out var value) && value.ValueKind is not JsonValueKind.Null ? value.GetInt32() : null;
}
