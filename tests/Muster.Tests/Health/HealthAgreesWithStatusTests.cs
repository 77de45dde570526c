using CsCheck;
using Muster.Core.Health;
using Muster.Core.Status;
using Muster.Tests.Status;

namespace Muster.Tests.Health;

/// <summary>Status and health are told from the same facts, and never say the opposite of each other.</summary>
public sealed class HealthAgreesWithStatusTests
{
    private const long Now = 1_795_382_493_000;

    private static readonly Gen<HealthFacts> Any =
        from facts in AnyFacts.All
        from update in Gen.OneOf(UpdateStatus.None, UpdateStatus.Rejected, UpdateStatus.Aborted, UpdateStatus.Downloading, UpdateStatus.Downloaded, UpdateStatus.ApplyingChanges, UpdateStatus.Done)
        from running in Gen.OneOf(Gen.Const((long?)null), Gen.Const((long?)1), Gen.Const((long?)2))
        from minutes in Gen.Long[0, 500]
        from degrees in Gen.OneOf(Gen.Const((long?)null), Gen.Const((long?)0), Gen.Const((long?)50))
        from line in Gen.OneOf<string?>(null, "Failed to download image 'x' due to 'unauthorized'", "Updates are locked")
        select new HealthFacts
        {
            Now = Now,
            // Who is active was seen, and so was who polled or had a tunnel.
            Facts = facts with { EverSeen = facts.EverSeen || facts.IsActive || facts.Heartbeat is not HeartbeatState.Unknown || facts.EverOnCloudlink },
            LastPollAt = facts.Heartbeat is HeartbeatState.Unknown ? null : Now - 1000,
            CloudlinkSince = facts.EverOnCloudlink ? Now - 5000 : null,
            UpdateStatus = update,
            UpdateStatusSince = Now - (minutes * 60_000),
            UpdateMovedAt = Now - (minutes * 60_000),
            UpdateSign = line is null ? null : UpdateSign.Of(line, Now),
            RunningReleaseId = running,
            Temperature = degrees,
            MemoryUsed = 1,
            MemoryTotal = 2,
            SupervisorVersion = "17.0.1",
            OsVersion = "balenaOS 6.1.24",
        };

    [Fact]
    public void Health_never_contradicts_the_status() => Any.Sample(Check, iter: 20_000);

    [Fact]
    public void A_new_target_is_not_called_reached()
    {
        var facts = new HealthFacts
        {
            Now = Now,
            Facts = new() { IsActive = true, EverSeen = true, Heartbeat = HeartbeatState.Online, CloudlinkConnected = true, EverOnCloudlink = true, TargetReleaseId = 2 },
            UpdateStatus = UpdateStatus.Done,
            UpdateStatusSince = Now - 3_600_000,
            RunningReleaseId = 1,
        };
        HealthLevel Level(HealthFacts of) => HealthRule.Of(of).Single(c => c.Name == "update").Level;
        Assert.Equal(HealthLevel.Warn, Level(facts));
        Assert.Equal(HealthLevel.Ok, Level(facts with { RunningReleaseId = 2 }));
        Assert.Equal(HealthLevel.Warn, Level(facts with { UpdateStatus = UpdateStatus.None }));
    }

    private static void Check(HealthFacts facts)
    {
        var status = OverallStatusRule.Evaluate(facts.Facts);
        var checks = HealthRule.Of(facts);
        HealthCheck Of(string name) => checks.Single(c => c.Name == name);
        HealthCheck[] links = [Of("heartbeat"), Of("cloudlink")];

        if (status.Status is OverallStatus.Disconnected or OverallStatus.ReducedFunctionality or OverallStatus.Frozen)
            Assert.True(HealthRule.Overall(checks) is HealthLevel.Warn or HealthLevel.Fail, $"{status.Status}, and health is {HealthRule.Overall(checks)}");
        if (status.Status is OverallStatus.Operational)
            Assert.All(links, link => Assert.Equal(HealthLevel.Ok, link.Level));
        if (status.Reason is StatusReason.Deactivated)
            Assert.All(links, link => Assert.NotEqual(HealthLevel.Fail, link.Level));

        // Whoever holds a tunnel, or polls, has power.
        if (facts.Facts is { IsOnline: true, IsActive: true } && status.Status is not OverallStatus.PostProvisioning)
        {
            Assert.DoesNotContain(links.Select(l => l.Advice).Append(StatusExplanation.Of(facts.Facts, status).NextStep), words => words?.Contains("power", StringComparison.OrdinalIgnoreCase) ?? false);
        }

        // A firewall is no trouble of a device of which nothing is heard.
        if (status.Status is OverallStatus.Disconnected)
            Assert.DoesNotContain(links, link => link.Advice?.Contains("firewall", StringComparison.Ordinal) ?? false);

        var update = Of("update");
        if (update.Sentence.Contains("in its target state", StringComparison.Ordinal))
        {
            Assert.Equal(facts.Facts.TargetReleaseId, facts.RunningReleaseId);
            Assert.NotEqual(OverallStatus.Updating, status.Status);
        }

        if (!facts.Facts.IsHeard)
        {
            Assert.DoesNotContain("The device downloads", update.Sentence, StringComparison.Ordinal);
            Assert.StartsWith("When last heard", Of("memory").Sentence, StringComparison.Ordinal);
        }

        if (facts.Temperature is 0)
            Assert.Equal(HealthLevel.Unknown, Of("temperature").Level);
        var trouble = UpdateTrouble.Of(
            new(facts.UpdateStatus, facts.UpdateStatusSince, facts.UpdateMovedAt, facts.Facts.IsDownloading, facts.Facts.IsHeard, facts.Facts.TargetReleaseId == facts.RunningReleaseId, facts.UpdateSign), facts.Now);
        if (trouble is not null)
            Assert.True(update.Level is HealthLevel.Warn or HealthLevel.Fail, update.Sentence);
    }
}
