using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Muster.Server.Cloudlink;
using Muster.Server.Cloudlink.Sessions;

namespace Muster.Tests.Cloudlink;

public sealed class LoginAdmissionTests
{
    private readonly FakeTimeProvider time = new();

    [Fact]
    public async Task A_second_s_worth_enters_at_once_and_the_rest_at_the_rate()
    {
        var admission = Admission(perSecond: 10);
        for (var i = 0; i < 10; i++)
            Assert.True(await admission.EnterAsync(CancellationToken.None));
        Assert.True(await admission.EnterAsync(CancellationToken.None));
        var (one, other) = (admission.EnterAsync(CancellationToken.None).AsTask(), admission.EnterAsync(CancellationToken.None).AsTask());
        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.True(await one);
        Assert.False(other.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.True(await other);
    }

    [Fact]
    public async Task Who_would_wait_for_too_long_is_refused_at_once()
    {
        var admission = Admission(perSecond: 10);
        var waiting = Enumerable.Range(0, 111).Select(_ => admission.EnterAsync(CancellationToken.None).AsTask()).ToList();
        Assert.False(await admission.EnterAsync(CancellationToken.None));
        time.Advance(LoginAdmission.LongestWait);
        Assert.DoesNotContain(false, await Task.WhenAll(waiting));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(await admission.EnterAsync(CancellationToken.None));
    }

    private LoginAdmission Admission(int perSecond) => new(Options.Create(new CloudlinkOptions { LoginsPerSecond = perSecond }), time);
}
