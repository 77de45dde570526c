using Muster.Core.Status;

namespace Muster.Tests.Status;

public sealed class UpdateTroubleTests
{
    private const long Now = 1_795_382_493_000;
    private const long Minute = 60_000;

    [Theory]
    [InlineData(UpdateStatus.Rejected, 0, null, UpdateTroubleKind.Rejected)]
    [InlineData(UpdateStatus.Aborted, 0, null, UpdateTroubleKind.Aborted)]
    [InlineData(UpdateStatus.Downloading, 1, null, null)]
    [InlineData(UpdateStatus.Downloading, 16, null, UpdateTroubleKind.DownloadStandsStill)]
    [InlineData(UpdateStatus.Downloading, 1, "Failed to download image 'x' due to 'unauthorized'", UpdateTroubleKind.DownloadFails)]
    [InlineData(UpdateStatus.Downloading, 1, "Downloaded image 'x'", null)]
    [InlineData(UpdateStatus.Downloaded, 9, "Updates are locked, retrying in 8s. Reason: Lockfile exists", null)]
    [InlineData(UpdateStatus.Downloaded, 11, "Updates are locked, retrying in 8s. Reason: Lockfile exists", UpdateTroubleKind.Locked)]
    [InlineData(UpdateStatus.Downloaded, 61, null, UpdateTroubleKind.Waits)]
    [InlineData(UpdateStatus.ApplyingChanges, 1, "Failed to start service 'main sha256:1' due to 'oci runtime'", UpdateTroubleKind.ServiceFails)]
    [InlineData(UpdateStatus.ApplyingChanges, 31, null, UpdateTroubleKind.StandsStill)]
    [InlineData(UpdateStatus.Done, 100, null, null)]
    [InlineData(UpdateStatus.Done, 100, "Could not move to new release: Invalid contract", UpdateTroubleKind.TargetRefused)]
    public void What_is_wrong_is_told_from_status_time_and_log(UpdateStatus status, int minutes, string? line, UpdateTroubleKind? kind)
    {
        var at = Now - (minutes * Minute);
        var trouble = UpdateTrouble.Of(new(status, at, at, false, true, false, line is null ? null : UpdateSign.Of(line, Now)), Now);
        Assert.Equal(kind, trouble?.Kind);
        if (line is not null && kind is not null)
            Assert.Equal(line, trouble!.Said);
    }

    [Fact]
    public void A_download_that_moves_has_its_time() =>
        Assert.Null(UpdateTrouble.Of(new(UpdateStatus.Downloading, Now - (600 * Minute), Now - Minute, false, true, false, null), Now));

    [Fact]
    public void What_the_log_said_of_an_earlier_update_does_not_count() =>
        Assert.Null(UpdateTrouble.Of(new(UpdateStatus.Downloading, Now - Minute, Now - Minute, false, true, false, UpdateSign.Of("Failed to download image 'x'", Now - (2 * Minute))), Now));

    [Fact]
    public void Of_a_device_that_is_silent_only_what_lasts_is_told()
    {
        Assert.Null(UpdateTrouble.Of(new(UpdateStatus.Downloading, 0, 0, false, false, false, null), Now));
        Assert.NotNull(UpdateTrouble.Of(new(UpdateStatus.Rejected, 0, 0, false, false, false, null), Now));
    }

    [Theory]
    [InlineData("(HTTP code 500) unauthorized: authentication required", "tokens")]
    [InlineData("write: no space left on device", "full")]
    [InlineData("dial tcp: i/o timeout", "reaches")]
    public void The_advice_fits_what_the_log_says(string why, string word)
    {
        var sign = UpdateSign.Of($"Failed to download image 'x' due to '{why}'", Now);
        Assert.Contains(word, UpdateTrouble.Of(new(UpdateStatus.Downloading, 0, Now, false, true, false, sign), Now)!.NextStep, StringComparison.Ordinal);
    }
}
