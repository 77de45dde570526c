using System.Collections.Concurrent;
using System.Diagnostics;
using Muster.Server.Cloudlink;

namespace Muster.Tests.Cloudlink;

public sealed class BoundProcessTests
{
    private static readonly Dictionary<string, string> Nothing = [];

    [Fact]
    public async Task It_says_what_the_program_says_and_how_it_ended()
    {
        ConcurrentQueue<string> said = [];
        using var program = BoundProcess.Start("/bin/sh", ["-c", "echo $WORD; exit 7"], new Dictionary<string, string> { ["WORD"] = "hello" }, said.Enqueue);

        Assert.Equal(7, await program.EndedAsync(TestContext.Current.CancellationToken));
        Assert.Equal(["hello"], said);
    }

    [Fact]
    public async Task The_program_ends_with_it()
    {
        var (program, id) = await StartedAsync("echo $$; exec sleep 600");
        program.Dispose();

        await GoneAsync(id);
    }

    [Fact]
    public async Task A_program_that_ignores_the_request_is_ended_all_the_same()
    {
        var (program, id) = await StartedAsync("trap '' TERM; echo $$; while :; do sleep 1; done");
        program.Dispose();

        await GoneAsync(id);
    }

    private static async Task<(BoundProcess Program, int Id)> StartedAsync(string script)
    {
        var id = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var program = BoundProcess.Start("/bin/sh", ["-c", script], Nothing, line => id.TrySetResult(int.Parse(line, System.Globalization.CultureInfo.InvariantCulture)));
        return (program, await id.Task);
    }

    private static async Task GoneAsync(int id)
    {
        var waited = Stopwatch.StartNew();
        while (Directory.Exists($"/proc/{id}"))
        {
            Assert.True(waited.Elapsed < TimeSpan.FromSeconds(30), "still there");
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }
}
