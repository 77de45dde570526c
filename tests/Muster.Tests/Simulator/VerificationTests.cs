using System.Collections.Immutable;
using Muster.Simulator.Devices;
using Muster.Simulator.Fleet;
using Muster.Simulator.Verifying;

namespace Muster.Tests.Simulator;

/// <summary>
/// A device of the test's own making: registered, polls every 10 s (interval 10 s, margin 5 s, offline 3 s later), tunnel up
/// at 1 s; polls until 60 s, then falls silent; its tunnel ends at 70 s. Offline is due between 78 and 79 s.
/// </summary>
public sealed class VerificationTests
{
    private const string Device = "d";
    private static readonly Bounds Bounds = new(TimeoutMargin: 5_000, OfflineAfter: 3_000, Tolerance: 1_000, PollInterval: 10_000, HasTunnels: true);

    private static readonly ImmutableArray<TruthEvent> Truth =
    [
        new(Device, 0, TruthEvents.Register) { AnsweredAt = 10, Status = 201 },
        .. Enumerable.Range(0, 7).Select(i => new TruthEvent(Device, 100 + (i * 10_000), TruthEvents.Poll) { AnsweredAt = 110 + (i * 10_000), Status = 304, PollInterval = 10_000, TunnelEnabled = true }),
        new(Device, 200, TruthEvents.Report) { AnsweredAt = 210, Status = 200, Claim = new Claim(false, "done", "one", null) },
        new(Device, 30_500, TruthEvents.Report) { AnsweredAt = 30_510, Status = 200, Claim = new Claim(true, "downloading", "one", null) },
        new(Device, 40_500, TruthEvents.Report) { AnsweredAt = 40_510, Status = 200, Claim = new Claim(false, "done", "two", null) },
        new(Device, 1_000, TruthEvents.Tunnel) { AnsweredAt = 1_010, Status = 200, State = "up" },
        new(Device, 70_000, TruthEvents.Tunnel) { AnsweredAt = 70_010, Status = 200, State = "down" },
        new(Device, 60_200, TruthEvents.Trouble) { Trouble = "power-off", State = "begins" },
    ];

    private static readonly Transition[] History =
    [
        new(Device, "heartbeat", "online", 105), new(Device, "cloudlink", "connected", 1_005), new(Device, "overall_status", "operational", 1_005),
        new(Device, "update_status", "done", 205), new(Device, "update_status", "downloading", 30_505), new(Device, "overall_status", "updating", 30_505),
        new(Device, "update_status", "done", 40_505), new(Device, "overall_status", "operational", 40_505),
        new(Device, "cloudlink", "disconnected", 70_005), new(Device, "overall_status", "reduced-functionality", 70_005),
        new(Device, "heartbeat", "timeout", 75_300), new(Device, "heartbeat", "offline", 78_300), new(Device, "overall_status", "disconnected", 78_300),
    ];

    [Fact]
    public void A_server_that_tells_the_truth_is_found_true()
    {
        var report = Compare(Truthful());
        Assert.Empty(report.False);
        Assert.Equal(100 + History.Length, report.Compared);
    }

    public static TheoryData<long, string, string?, string> Lies => new()
    {
        { 20_000, "overall_status", "disconnected", "operational" },
        { 20_000, "overall_status", "updating", "operational" },
        { 20_000, "overall_status", "reduced-functionality", "operational" },
        { 20_000, "overall_status", "configuring", "operational" },
        { 20_000, "overall_status", "frozen", "operational" },
        { 20_000, "overall_status", "inactive", "operational" },
        { 35_000, "overall_status", "operational", "updating" },
        { 72_000, "overall_status", "operational", "reduced-functionality" },
        { 72_000, "overall_status", "disconnected", "reduced-functionality" },
        { 90_000, "overall_status", "operational", "disconnected" },
        { 90_000, "overall_status", "reduced-functionality", "disconnected" },
        { 20_000, "heartbeat", "timeout", "online" },
        { 20_000, "heartbeat", "unknown", "online" },
        { 73_000, "heartbeat", "timeout", "online" },
        { 76_000, "heartbeat", "offline", "timeout" },
        { 90_000, "heartbeat", "online", "offline" },
        { 90_000, "heartbeat", "timeout", "offline" },
        { 20_000, "cloudlink", "down", "connected" },
        { 90_000, "cloudlink", "up", "disconnected" },
        { 20_000, "update_status", "downloading", "done" },
        { 35_000, "update_status", "done", "downloading" },
        { 35_000, "update_status", null, "downloading" },
    };

    [Theory, MemberData(nameof(Lies))]
    public void A_single_lie_is_found(long at, string field, string? lie, string right)
    {
        var samples = Truthful().Samples.Select(s => s.AskedAt != at ? s : field switch
        {
            "overall_status" => s with { OverallStatus = lie },
            "heartbeat" => s with { Heartbeat = lie },
            "cloudlink" => s with { Cloudlink = lie == "up" },
            _ => s with { UpdateStatus = lie },
        });
        var report = Compare(new([.. samples], [.. History]));
        var found = Assert.Single(report.False);
        Assert.Equal((field, at, 1), (found.Field, found.From, found.Times));
        Assert.Contains(right, found.Right, StringComparison.Ordinal);
    }

    [Fact]
    public void A_lie_that_lasts_is_listed_once_with_its_span()
    {
        var samples = Truthful().Samples.Select(s => s.AskedAt is >= 20_000 and < 25_000 ? s with { OverallStatus = "disconnected" } : s);
        var found = Assert.Single(Compare(new([.. samples], [.. History])).False);
        Assert.Equal((20_000L, 24_020L, 5), (found.From, found.Until, found.Times));
    }

    [Theory]
    [InlineData("heartbeat", "timeout", 74_000)]
    [InlineData("heartbeat", "timeout", 30_000)]
    [InlineData("overall_status", "disconnected", 50_000)]
    [InlineData("update_status", "rejected", 50_000)]
    [InlineData("cloudlink", "disconnected", 50_000)]
    public void A_line_of_history_that_cannot_be_true_is_found(string fact, string to, long at) =>
        Assert.Contains(Compare(new([.. Truthful().Samples], [.. History, new(Device, fact, to, at)])).False, f => f.Source == "history" && f.Field == fact && f.From == at);

    [Theory]
    [InlineData("heartbeat", "timeout")]
    [InlineData("heartbeat", "offline")]
    [InlineData("cloudlink", "disconnected")]
    [InlineData("update_status", "downloading")]
    public void What_the_history_does_not_mention_is_found(string fact, string value) =>
        Assert.Contains(Compare(new([.. Truthful().Samples], [.. History.Where(t => t.Fact != fact || t.To != value)])).False, f => f.Source == "missing in the history" && f.Field == fact);

    [Fact]
    public void Being_late_is_measured_up_to_the_tolerance_and_false_beyond_it()
    {
        var timely = Compare(Truthful());
        var lost = Assert.Single(timely.Delays, d => d.What == "heartbeat lost");
        Assert.Equal(("power-off", 1, 190L), (lost.Trouble, lost.Count, lost.RecordedMax));
        var late = Truthful().Samples.Select(s => s.AskedAt is >= 75_000 and < 80_000 ? s with { Heartbeat = "online", OverallStatus = "reduced-functionality" } : s);
        Assert.Contains(Compare(new([.. late], [.. History])).False, f => f is { Field: "heartbeat", Said: "online" });
    }

    [Fact]
    public void A_poll_without_an_answer_may_have_counted_or_not()
    {
        // At 68 s one more poll went out and was never answered: both are right now, heard and not heard.
        var truth = Truth.Add(new(Device, 68_000, TruthEvents.Poll));
        Assert.Empty(Compare(Truthful(), truth).False);
        var heard = Truthful().Samples.Select(s => s.AskedAt switch
        {
            >= 75_000 and < 83_000 => s with { Heartbeat = "online", OverallStatus = "reduced-functionality" },
            >= 83_000 and < 86_000 => s with { Heartbeat = "timeout", OverallStatus = "reduced-functionality" },
            _ => s,
        });
        Assert.Empty(Compare(new([.. heard], []), truth).False);
    }

    [Fact]
    public void Reports_without_polls_hold_a_device_in_timeout()
    {
        var truth = Truth.AddRange(Enumerable.Range(0, 4).Select(i => new TruthEvent(Device, 65_500 + (i * 10_000), TruthEvents.Report) { AnsweredAt = 65_510 + (i * 10_000), Status = 200, Claim = new Claim(false, "done", "two", null) }));
        Assert.Contains(Compare(Truthful(), truth).False, f => f is { Field: "heartbeat", Said: "offline" });
        var held = Truthful().Samples.Select(s => s.AskedAt >= 78_000 ? s with { Heartbeat = "timeout", OverallStatus = "reduced-functionality" } : s);
        Assert.Empty(Compare(new([.. held], []), truth).False);
    }

    [Fact]
    public void The_progress_of_an_OS_update_does_not_settle_what_an_unanswered_report_said()
    {
        TruthEvent[] more =
        [
            new(Device, 50_500, TruthEvents.Report) { Claim = new Claim(false, "applying changes", "two", null) },
            new(Device, 51_000, TruthEvents.Report) { AnsweredAt = 51_010, Status = 200, Claim = new Claim(false, null, null, 50) },
        ];
        var truth = Truth.AddRange(more).Sort((a, b) => a.At.CompareTo(b.At));
        var possible = new DeviceTruth(Device, truth, [], Bounds).At(52_000, 52_010);
        Assert.Equal(["applying changes", "done"], possible.UpdateStatus!.Value.Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(["configuring"], possible.Overall);
    }

    [Fact]
    public void Time_in_which_the_server_was_away_moves_nothing()
    {
        var truth = Truth.Add(new("", 62_000, TruthEvents.ServerAway) { AnsweredAt = 90_000 });
        var stillOnline = Truthful().Samples.Select(s => s.AskedAt >= 75_000 ? s with { Heartbeat = "online", OverallStatus = "reduced-functionality" } : s);
        Assert.Empty(Compare(new([.. stillOnline], []), truth).False);
    }

    [Fact]
    public void Nothing_read_is_nothing_compared() => Assert.Equal(0, Compare(new([], [])).Compared);

    [Fact]
    public void The_report_lists_every_false_status_as_text_and_as_json()
    {
        var report = Compare(new([.. Truthful().Samples.Select(s => s.AskedAt == 20_000 ? s with { OverallStatus = "disconnected" } : s)], [.. History]));
        Assert.Contains("1 false statuses.", report.ToText(), StringComparison.Ordinal);
        Assert.Contains("said disconnected, right was operational", report.ToText(), StringComparison.Ordinal);
        using var json = System.Text.Json.JsonDocument.Parse(report.ToJson());
        Assert.Equal("disconnected", json.RootElement.GetProperty("false")[0].GetProperty("said").GetString());
    }

    private static VerificationReport Compare(Said said, ImmutableArray<TruthEvent>? truth = null) => Verification.Compare(truth ?? Truth, said, Bounds, 100_000);

    /// <summary>What a perfect server says, read once a second.</summary>
    private static Said Truthful() => new(
        [.. Enumerable.Range(0, 100).Select(s => s * 1_000L).Select(at => new Sample(Device, at, at + 20, Overall(at), Heartbeat(at), at is >= 1_010 and < 70_000, Update(at)))],
        [.. History]);

    private static string Heartbeat(long at) => at switch { < 110 => "unknown", < 75_300 => "online", < 78_300 => "timeout", _ => "offline" };

    private static string? Update(long at) => at switch { < 210 => null, < 30_510 => "done", < 40_510 => "downloading", _ => "done" };

    private static string Overall(long at) => at switch
    {
        < 110 => "inactive",
        < 1_010 => "reduced-functionality",
        < 30_510 => "operational",
        < 40_510 => "updating",
        < 70_000 => "operational",
        < 78_300 => "reduced-functionality",
        _ => "disconnected",
    };
}
