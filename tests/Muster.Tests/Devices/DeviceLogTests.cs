using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Muster.Tests.Storage;

namespace Muster.Tests.Devices;

public sealed class DeviceLogTests
{
    private const string Uuid = "497b8d1499d685b69dd4de70ea97e8bc", Key = "cb7b3c2ec5461b1c0838a4fdc9177222";

    [Fact]
    public async Task A_watcher_sees_the_last_lines_and_then_each_new_one()
    {
        await using var world = await StartAsync();
        await PostAsync(world, "one", "two", "three");
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/device/v2/{Uuid}/logs?stream=1&count=2");
        request.Headers.TryAddWithoutValidation("Authorization", world.AsPerson[0].Item2);
        using var response = await world.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("application/x-ndjson", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(["no"], response.Headers.GetValues("X-Accel-Buffering"));
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal("two", await MessageAsync(lines));
        Assert.Equal("three", await MessageAsync(lines));
        await PostAsync(world, "live");
        Assert.Equal("live", await MessageAsync(lines));
    }

    [Fact]
    public async Task A_watcher_without_a_count_gets_no_history()
    {
        await using var world = await StartAsync();
        await PostAsync(world, "old");
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/device/v2/{Uuid}/logs?stream=1");
        request.Headers.TryAddWithoutValidation("Authorization", world.AsPerson[0].Item2);
        using var response = await world.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal("", await lines.ReadLineAsync());
        await PostAsync(world, "new");
        Assert.Equal("new", await MessageAsync(lines));
    }

    [Fact]
    public async Task Lines_of_an_upload_that_has_not_ended_are_on_record_already()
    {
        await using var world = await StartAsync();
        using var device = new PipedUpload();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/device/v2/{Uuid}/log-stream") { Content = device };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {Key}");
        var answer = world.Http.SendAsync(request);
        await device.WriteAsync("{\"message\":\"first\",\"timestamp\":1,\"isSystem\":true}\n{\"message\":\"sec");
        await UntilAsync(async () => (await MessagesAsync(world)).SequenceEqual(["first"]));
        Assert.False(answer.IsCompleted);
        await device.WriteAsync("ond\",\"timestamp\":2}\n");
        await UntilAsync(async () => (await MessagesAsync(world)).SequenceEqual(["first", "second"]));
        device.End();
        Assert.Equal(201, (int)(await answer).StatusCode);
    }

    [Fact]
    public async Task What_is_no_gzip_is_refused()
    {
        await using var world = await StartAsync();
        var answer = await world.SendAsync("POST", $"/device/v2/{Uuid}/log-stream", [.. RecordedWorld.As(Key), ("Content-Encoding", "gzip")], "nonsense that is no gzip at all", "application/x-ndjson");
        Assert.Equal(400, answer.Status);
    }

    [Fact]
    public async Task Half_an_emoji_costs_no_line()
    {
        await using var world = await StartAsync();
        const string batch = """[{"message":"one","timestamp":1},{"message":"cut \ud83d","timestamp":2,"\udead":1},{"message":"three","timestamp":3}]""";
        Assert.Equal(201, (await world.SendAsync("POST", $"/device/v2/{Uuid}/logs", RecordedWorld.As(Key), batch, "application/json")).Status);
        const string rows = """
            {"message":"four","timestamp":4}
            {"message":"cut \ude80","timestamp":5}
            {"message":"six","timestamp":6}

            """;
        Assert.Equal(201, (await world.SendAsync("POST", $"/device/v2/{Uuid}/log-stream", RecordedWorld.As(Key), rows, "application/x-ndjson")).Status);
        Assert.Equal(["one", "cut \ufffd", "three", "four", "cut \ufffd", "six"], await MessagesAsync(world));
    }

    [Fact]
    public async Task Gzip_that_grows_out_of_all_proportion_is_refused_before_it_is_inflated()
    {
        await using var world = await StartAsync();
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
            await gzip.WriteAsync(Enumerable.Repeat((byte)'\n', 60_000_000).ToArray(), TestContext.Current.CancellationToken);
        Assert.InRange(packed.Length, 1, 100_000);
        Assert.Equal(400, await PostGzipAsync(world, packed.ToArray()));
    }

    [Fact]
    public async Task The_log_of_a_device_that_says_one_thing_over_and_over_is_taken()
    {
        await using var world = await StartAsync();
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            foreach (var i in Enumerable.Range(0, 8_000))
                await gzip.WriteAsync(Encoding.UTF8.GetBytes($"{{\"message\":\"sensor read\",\"timestamp\":{1_790_000_000_000 + i}}}\n"), TestContext.Current.CancellationToken);
        }

        Assert.Equal(201, await PostGzipAsync(world, packed.ToArray()));
    }

    private static async Task<int> PostGzipAsync(RecordedWorld world, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/device/v2/{Uuid}/log-stream") { Content = new ByteArrayContent(body) };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {Key}");
        request.Content.Headers.ContentType = new("application/x-ndjson");
        request.Content.Headers.ContentEncoding.Add("gzip");
        using var answer = await world.Http.SendAsync(request);
        return (int)answer.StatusCode;
    }

    [Fact]
    public async Task An_endless_line_is_refused()
    {
        await using var world = await StartAsync();
        var answer = await world.SendAsync("POST", $"/device/v2/{Uuid}/log-stream", RecordedWorld.As(Key), new string('x', 300_000), "application/x-ndjson");
        Assert.Equal(400, answer.Status);
        Assert.Empty(await MessagesAsync(world));
    }

    [Fact]
    public async Task The_oldest_lines_go_when_a_device_has_too_many()
    {
        await using var world = await StartAsync("--Logs:KeepLines=20");
        for (var i = 0; i < 60; i += 10)
            await PostAsync(world, [.. Enumerable.Range(i, 10).Select(n => $"{n}")]);
        Assert.InRange(Convert.ToInt64(await world.ReadAsync("SELECT count(*) FROM device_log"), System.Globalization.CultureInfo.InvariantCulture), 20, 30);
        var newest = Enumerable.Range(40, 20).Select(n => $"{n}");
        Assert.Equal(newest, await MessagesAsync(world));
    }

    [Fact]
    public async Task A_refusal_of_a_deleted_device_is_held_back()
    {
        await using var world = await StartAsync("--Logs:RefusalDelay=00:00:01");
        var id = (long)(await world.ReadAsync("SELECT id FROM device WHERE uuid = @p0", Uuid))!;
        await world.DoAsync("DELETE FROM device WHERE id = @p0", id);
        await world.Presence.ChangedAsync(new("deleted") { Removed = [(id, Uuid)] });
        var asked = TimeProvider.System.GetTimestamp();
        Assert.Equal(401, (await world.SendAsync("POST", $"/device/v2/{Uuid}/logs", RecordedWorld.As(Key), "[]", "application/json")).Status);
        // A slow machine only makes it later.
        Assert.True(TimeProvider.System.GetElapsedTime(asked) > TimeSpan.FromMilliseconds(900));
    }

    private static async Task<RecordedWorld> StartAsync(params string[] settings)
    {
        var world = await RecordedWorld.StartAsync(TestDatabases.Sqlite, settings);
        await world.AddDeviceAsync(Uuid, Key);
        return world;
    }

    private static async Task PostAsync(RecordedWorld world, params string[] messages)
    {
        var batch = new JsonArray([.. messages.Select(m => (JsonNode)new JsonObject { ["message"] = m, ["timestamp"] = 1 })]);
        Assert.Equal(201, (await world.SendAsync("POST", $"/device/v2/{Uuid}/logs", RecordedWorld.As(Key), batch.ToJsonString(), "application/json")).Status);
    }

    private static async Task<string[]> MessagesAsync(RecordedWorld world) =>
        [.. (await world.SendAsync("GET", $"/device/v2/{Uuid}/logs", world.AsPerson, (string?)null, null)).Json!.AsArray().Select(l => (string)l!["message"]!)];

    private static async Task<string?> MessageAsync(StreamReader lines) => (string?)JsonNode.Parse((await lines.ReadLineAsync())!)!["message"];

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        while (!await holds())
            await Task.Delay(20);
    }

    /// <summary>The gzip body of a supervisor: flushed line by line, ended when told.</summary>
    private sealed class PipedUpload : HttpContent
    {
        private readonly TaskCompletionSource<GZipStream> open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Stream? wire;

        public PipedUpload()
        {
            Headers.ContentType = new MediaTypeHeaderValue("application/x-ndjson");
            Headers.ContentEncoding.Add("gzip");
        }

        public async Task WriteAsync(string text)
        {
            var gzip = await open.Task;
            await gzip.WriteAsync(Encoding.UTF8.GetBytes(text));
            await gzip.FlushAsync();
            await wire!.FlushAsync();
        }

        public void End() => ended.SetResult();

        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            wire = stream;
            await using var gzip = new GZipStream(stream, CompressionLevel.Fastest, leaveOpen: true);
            open.SetResult(gzip);
            await ended.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
