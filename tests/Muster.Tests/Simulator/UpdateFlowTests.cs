using System.Collections.Immutable;
using System.Text.Json;
using Muster.Simulator.Devices;

namespace Muster.Tests.Simulator;

public sealed class UpdateFlowTests
{
    // 1,000 bytes at 1,000 bytes per second: 10 ms per percent.
    private readonly UpdateFlow flow = new(SupervisorTimings.Stock, Platform.Default, _ => 1000);

    public UpdateFlowTests() => flow.Under(1000, held: false, reject: false, 0);

    [Fact]
    public void An_update_goes_through_downloading_downloaded_applying_changes_and_done()
    {
        flow.Aim(Target("one", "main"), 0);
        Assert.Equal(("downloading", 0), (flow.UpdateStatus, Progress("one", "main")));
        flow.Advance(500);
        Assert.Equal(50, Progress("one", "main"));
        flow.Advance(1000);
        Assert.Equal(("applying changes", "Installing"), (flow.UpdateStatus, Status("one", "main")));
        flow.Advance(4000);
        Assert.Equal(("applying changes", "Installed"), (flow.UpdateStatus, Status("one", "main")));
        flow.Advance(7000);
        Assert.Equal(("done", "Running", (string?)null), (flow.UpdateStatus, Status("one", "main"), flow.SettledCommit));
        flow.Advance(8000);
        Assert.Equal("one", flow.SettledCommit);
    }

    [Fact]
    public void Release_uuid_stays_the_old_one_until_the_new_one_settled()
    {
        Settle("one");
        flow.Aim(Target("two", "main"), 10_000);
        flow.Advance(10_500);
        var app = App();
        Assert.Equal("one", app.GetProperty("release_uuid").GetString());
        Assert.Equal("done", app.GetProperty("releases").GetProperty("one").GetProperty("update_status").GetString());
        Assert.Equal("downloading", app.GetProperty("releases").GetProperty("two").GetProperty("update_status").GetString());
        flow.Advance(20_000);
        app = App();
        Assert.Equal("two", app.GetProperty("release_uuid").GetString());
        Assert.False(app.GetProperty("releases").TryGetProperty("one", out _));
    }

    [Fact]
    public void Services_are_fetched_one_after_the_other_and_one_that_waits_reads_zero_percent()
    {
        flow.Aim(Target("one", "a", "b"), 0);
        flow.Advance(500);
        Assert.Equal((50, 0), (Progress("one", "a"), Progress("one", "b")));
        flow.Advance(1300);
        Assert.Equal(("Downloaded", 30), (Status("one", "a"), Progress("one", "b")));
        Assert.False(Service("one", "a").TryGetProperty("download_progress", out _));
    }

    [Fact]
    public void A_held_lock_stops_the_update_at_downloaded()
    {
        flow.Under(1000, held: true, reject: false, 0);
        flow.Aim(Target("one", "main"), 0);
        flow.Advance(100_000);
        Assert.Equal(("downloaded", "Downloaded"), (flow.UpdateStatus, Status("one", "main")));
        flow.Under(1000, held: false, reject: false, 200_000);
        Assert.Equal("applying changes", flow.UpdateStatus);
        flow.Advance(206_000);
        Assert.Equal("done", flow.UpdateStatus);
    }

    [Fact]
    public void A_rejected_release_rejects_the_running_one_too_and_names_no_services()
    {
        Settle("one");
        flow.Under(1000, held: false, reject: true, 9_000);
        Assert.Equal("done", flow.UpdateStatus);
        flow.Aim(Target("two", "main"), 10_000);
        var app = App();
        Assert.Equal("rejected", flow.UpdateStatus);
        Assert.Equal("""{"two":{"update_status":"rejected"},"one":{"update_status":"rejected"}}""", app.GetProperty("releases").GetRawText());
        flow.Under(1000, held: false, reject: false, 20_000);
        Assert.Equal("downloading", flow.UpdateStatus);
    }

    [Theory]
    [InlineData("""{"requires":[{"type":"hw.device-type","slug":"raspberrypi3"}]}""", "rejected")]
    [InlineData("""{"requires":[{"type":"hw.device-type","slug":"generic-amd64"}]}""", "downloading")]
    [InlineData("""{"requires":[{"type":"sw.supervisor","version":">=20.0.0"}]}""", "rejected")]
    [InlineData("""{"requires":[{"type":"sw.supervisor","version":">=16.7.0"}]}""", "downloading")]
    [InlineData("""{"requires":[{"or":[{"type":"arch.sw","slug":"rpi"},{"type":"arch.sw","slug":"amd64"}]}]}""", "downloading")]
    public void A_contract_that_is_not_met_rejects_the_release(string contract, string expected)
    {
        flow.Aim(new TargetDocument(new TargetApp("app", "one", [new TargetService("main", "image", "x", contract)]), ImmutableDictionary<string, string>.Empty), 0);
        Assert.Equal(expected, flow.UpdateStatus);
    }

    [Fact]
    public void A_new_target_cancels_the_download_under_way()
    {
        flow.Aim(Target("one", "main"), 0);
        flow.Advance(900);
        flow.Aim(Target("two", "main"), 900);
        Assert.Equal(("downloading", 0), (flow.UpdateStatus, Progress("two", "main")));
        flow.Advance(1800);
        Assert.Equal(90, Progress("two", "main"));
    }

    [Fact]
    public void Slow_downloads_take_longer_and_a_lost_network_stops_them()
    {
        flow.Aim(Target("one", "main"), 0);
        flow.Under(100, held: false, reject: false, 500);
        flow.Advance(1500);
        Assert.Equal(60, Progress("one", "main"));
        flow.Under(0, held: false, reject: false, 1500);
        flow.Advance(1_000_000);
        Assert.Equal(60, Progress("one", "main"));
        Assert.Equal(long.MaxValue, flow.NextChange);
    }

    [Fact]
    public void The_next_change_is_the_next_whole_percent()
    {
        flow.Aim(Target("one", "main"), 0);
        for (var i = 1; i < 100; i++)
        {
            var next = flow.NextChange;
            flow.Advance(next - 1);
            Assert.Equal(i - 1, Progress("one", "main"));
            flow.Advance(next);
            Assert.Equal(i, Progress("one", "main"));
        }
    }

    [Fact]
    public void A_release_that_differs_in_nothing_but_its_configuration_is_applied_without_a_download()
    {
        Settle("one");
        var changed = Target("one", "main");
        flow.Aim(changed with { App = changed.App! with { Services = [changed.App.Services[0] with { Signature = "other" }] } }, 10_000);
        Assert.Equal("applying changes", flow.UpdateStatus);
    }

    private void Settle(string commit)
    {
        flow.Aim(Target(commit, "main"), 0);
        flow.Advance(8_000);
        Assert.Equal(commit, flow.SettledCommit);
    }

    private static TargetDocument Target(string commit, params string[] services) =>
        new(new TargetApp("app", commit, [.. services.Select(s => new TargetService(s, $"{commit}/{s}", $"{commit}/{s}", null))]), ImmutableDictionary<string, string>.Empty);

    private JsonElement App() => JsonDocument.Parse(flow.Apps()!).RootElement.GetProperty("app");

    private JsonElement Service(string commit, string name) => App().GetProperty("releases").GetProperty(commit).GetProperty("services").GetProperty(name);

    private string? Status(string commit, string name) => Service(commit, name).GetProperty("status").GetString();

    private int Progress(string commit, string name) => Service(commit, name).GetProperty("download_progress").GetInt32();
}
