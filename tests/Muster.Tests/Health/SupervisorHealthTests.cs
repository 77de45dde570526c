using Muster.Core.Health;

namespace Muster.Tests.Health;

/// <summary>What a supervisor's answers tell of its device.</summary>
public sealed class SupervisorHealthTests
{
    private static readonly Dictionary<string, SupervisorWord> Fine = new()
    {
        [SupervisorHealth.Ping] = new(200, "OK", 40, 300),
        [SupervisorHealth.Healthy] = new(200, "OK", 40),
        [SupervisorHealth.Device] = new(200, """{"commit":"ab","status":"Idle","update_pending":false,"update_downloaded":false,"update_failed":false}""", 40),
        [SupervisorHealth.State] = new(200, """{"appState":"applied","containers":[{"serviceName":"main","status":"Running"}]}""", 40),
        [SupervisorHealth.Version] = new(200, """{"status":"success","version":"17.0.1"}""", 40),
        [SupervisorHealth.Tunnel] = new(200, """{"status":"success","vpn":{"enabled":true,"connected":true}}""", 40),
        [SupervisorHealth.Containers] = new(200, """{"services":{"main":"f00"}}""", 40),
    };

    [Fact]
    public void A_device_that_answers_well_passes_every_check() =>
        Assert.All(SupervisorHealth.Of(Fine), check => Assert.Equal((HealthLevel.Ok, null), (check.Level, check.Advice)));

    [Fact]
    public void Of_a_device_that_was_not_asked_nothing_is_claimed() =>
        Assert.All(SupervisorHealth.Of(new Dictionary<string, SupervisorWord>()), check => Assert.Equal(HealthLevel.Unknown, check.Level));

    [Theory]
    [InlineData("/ping", 502, "The device could not be reached through its tunnel.", 0, "tunnel", HealthLevel.Fail, "The device could not be reached through its tunnel.")]
    [InlineData("/ping", 200, "OK", 5_000, "tunnel", HealthLevel.Warn, "The supervisor answers slowly: after 5000 ms.")]
    [InlineData("/ping", 500, "", 9, "tunnel", HealthLevel.Warn, "The supervisor answers, but not as it should (500).")]
    [InlineData("/v1/healthy", 500, "Unhealthy", 9, "supervisor-health", HealthLevel.Fail, "The supervisor counts itself unhealthy (500).")]
    [InlineData("/v1/healthy", 401, "Unauthorized", 9, "supervisor-health", HealthLevel.Unknown, "Whether the supervisor is healthy is not known: the supervisor does not accept the key that it reported; it reports a new one when it restarts.")]
    [InlineData("/v2/state/status", 200, """{"appState":"applying"}""", 9, "release-state", HealthLevel.Warn, "The release is not applied: applying.")]
    [InlineData("/v2/state/status", 200, "[]", 9, "release-state", HealthLevel.Unknown, "The state of the release is not known: the answer was not understood.")]
    [InlineData("/v2/state/status", 200, """{"appState":"applied","containers":[{"serviceName":"main","status":"Running"},{"serviceName":"db","status":"exited"}]}""", 9, "services", HealthLevel.Fail, "1 of 2 services don't run: db (exited).")]
    [InlineData("/v1/device", 200, """{"update_failed":true}""", 9, "device-update", HealthLevel.Fail, "The device says that its update failed.")]
    [InlineData("/v1/device", 200, """{"update_pending":true,"update_downloaded":true}""", 9, "device-update", HealthLevel.Warn, "An update is downloaded and waits to be applied.")]
    [InlineData("/v2/device/vpn", 200, """{"vpn":{"enabled":true,"connected":false}}""", 9, "own-tunnel", HealthLevel.Warn, "The device itself counts its tunnel as down, and yet answers through it.")]
    [InlineData("/v2/device/vpn", 404, "Not Found", 9, "own-tunnel", HealthLevel.Unknown, "What the device thinks of its tunnel is not known: this supervisor does not know the question.")]
    public void Each_answer_is_judged_by_itself(string question, int status, string text, int took, string check, HealthLevel level, string sentence)
    {
        var answers = new Dictionary<string, SupervisorWord>(Fine) { [question] = new(status, text, took) };
        var found = SupervisorHealth.Of(answers).Single(c => c.Name == check);
        Assert.Equal((level, sentence), (found.Level, found.Sentence));
    }

    [Theory]
    [InlineData(-900, HealthLevel.Ok)]
    [InlineData(120_000, HealthLevel.Warn)]
    [InlineData(-7_200_000, HealthLevel.Fail)]
    public void The_clock_is_judged_by_the_dates_of_the_answers(int ahead, HealthLevel level)
    {
        var answers = new Dictionary<string, SupervisorWord>(Fine) { [SupervisorHealth.Ping] = new(200, "OK", 4, ahead) };
        Assert.Equal(level, SupervisorHealth.Of(answers).Single(c => c.Name == "device-clock").Level);
    }

    [Fact]
    public void Whatever_a_device_answers_the_checks_are_short_and_none_is_missing()
    {
        foreach (var text in new[] { "", "null", "7", "{", """{"appState":{},"containers":[1,null],"vpn":7,"services":[]}""", new string('x', 100_000) })
        {
            var checks = SupervisorHealth.Of(SupervisorHealth.Questions.ToDictionary(q => q, _ => new SupervisorWord(200, text, 1)));
            Assert.Equal(8, checks.Count);
            Assert.All(checks, check => Assert.InRange(check.Sentence.Length, 1, 300));
        }
    }
}
