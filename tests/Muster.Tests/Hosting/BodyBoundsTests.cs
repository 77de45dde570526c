using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Muster.Server.Hosting;
using Muster.Tests.Resources;

namespace Muster.Tests.Hosting;

/// <summary>What the server reads of a body, seen from the socket.</summary>
public sealed class BodyBoundsTests
{
    private const int Mega = 1024 * 1024;

    /// <summary>The connection was closed on a sender who went on; the answer was lost on the way.</summary>
    private const int Cut = 499;

    /// <summary>The largest piece that is sent at once.</summary>
    private const int Piece = 64 * 1024;

    [Fact]
    public async Task Who_is_not_known_is_read_to_8_KiB_chunked_or_not()
    {
        await using var server = await StartedServer.StartAsync();
        foreach (var path in (string[])["/login_", "/download-config"])
        {
            foreach (var type in (string[])["application/json", "application/x-www-form-urlencoded"])
            {
                Assert.Equal(413, await PostAsync(server.Address, path, 20 * 1024, type, chunked: false));
                Assert.Equal(413, await PostAsync(server.Address, path, 20 * 1024, type, chunked: true));
            }

            Assert.Equal(415, await PostAsync(server.Address, path, 20 * 1024, "multipart/form-data; boundary=x", chunked: true));
        }
    }

    [Theory]
    [InlineData("/device/v3/state", "PATCH")]
    [InlineData("/device/v3/tags", "PATCH")]
    [InlineData("/device/register", "POST")]
    [InlineData("/device/v2/497b8d1499d685b69dd4de70ea97e8bc/state", "PATCH")]
    [InlineData("/device/v2/497b8d1499d685b69dd4de70ea97e8bc/logs", "POST")]
    [InlineData("/v7/device", "POST")]
    [InlineData("/supervisor/v1/reboot", "POST")]
    [InlineData("/muster/v1/views", "PUT")]
    [InlineData("/services/vpn/client-connect", "POST")]
    public async Task Who_is_not_known_is_refused_before_a_large_body_is_sent(string path, string method)
    {
        await using var server = await StartedServer.StartAsync();
        using var connection = await ConnectAsync(server.Address);
        // Nothing follows the head: an answer comes only from a server that does not wait for the body.
        await SendAsync(connection, $"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef0123456789abcdef\r\nContent-Type: application/json\r\nContent-Length: 400000\r\n\r\n");
        Assert.Equal(401, await StatusAsync(connection));
    }

    [Fact]
    public async Task Thirty_megabytes_in_chunks_are_refused_wherever_they_are_sent()
    {
        await using var server = await StartedServer.StartAsync();
        var admin = await server.LogInAsync();
        foreach (var (path, type) in ((string, string)[])
            [("/login_", "application/json"), ("/v7/device_tag", "application/json"), ("/v7/release_asset", "multipart/form-data; boundary=x"), ("/supervisor/v1/reboot", "application/json"), ("/login", "application/x-www-form-urlencoded")])
        {
            Assert.InRange(await PostAsync(server.Address, path, 30 * Mega, type, chunked: true, admin), 400, 499);
            Assert.InRange(await PostAsync(server.Address, path, 30 * Mega, type, chunked: false, admin), 400, 499);
        }
    }

    [Fact]
    public async Task Bodies_that_trickle_are_ended_and_hold_no_more_than_the_budget()
    {
        await using var server = await StartedServer.StartAsync(configure: builder =>
        {
            builder.Configuration["Limits:BodyPatience"] = "00:00:05";
            builder.Configuration["Limits:MaxBufferedBodyBytes"] = $"{8 * Mega}";
        });
        var admin = await server.LogInAsync();
        var budget = server.Services.GetRequiredService<BodyBudget>();
        List<TcpClient> connections = [];
        using var over = new CancellationTokenSource();
        var most = Task.Run(async () =>
        {
            for (var held = 0L; ; held = Math.Max(held, budget.Held))
            {
                if (over.IsCancellationRequested)
                    return held;
                await Task.Delay(5, CancellationToken.None);
            }
        });
        try
        {
            for (var i = 0; i < 60; i++)
            {
                var connection = await ConnectAsync(server.Address);
                connections.Add(connection);
                await SendAsync(connection, Head("/v7/device_tag", "application/json", admin, "Transfer-Encoding: chunked"));
                await SendBodyAsync(connection, Mega, chunked: true, withEnd: false);
            }

            // Devices' reports, which are small, find room meanwhile.
            Assert.Equal(200, (await server.SendAsync("POST", "/login_", body: new JsonObject { ["username"] = StartedServer.Email, ["password"] = StartedServer.Password })).Status);
            var answers = await Task.WhenAll(connections.Select(StatusAsync));
            Assert.Subset(new HashSet<int> { 408, 503 }, answers.ToHashSet());
            Assert.Contains(503, answers);
            Assert.Contains(408, answers);
        }
        finally
        {
            connections.ForEach(connection => connection.Dispose());
            await over.CancelAsync();
        }

        Assert.InRange(await most, 1, 8 * Mega);
        await Eventually.HoldsAsync(() => budget.Held == 0);
    }

    [Theory]
    [InlineData("FFFFFFFFFFFFFFFFF\r\nx")]
    [InlineData("-1\r\nx")]
    [InlineData("zz\r\nx")]
    [InlineData("5\r\nabcdefgh\r\n0\r\n\r\n")]
    public async Task Badly_framed_chunks_are_400(string chunks)
    {
        await using var server = await StartedServer.StartAsync();
        foreach (var path in (string[])["/login_", "/login"])
        {
            using var connection = await ConnectAsync(server.Address);
            await SendAsync(connection, Head(path, "application/x-www-form-urlencoded", null, "Transfer-Encoding: chunked") + chunks);
            Assert.Equal(400, await StatusAsync(connection));
        }
    }

    private static async Task<int> PostAsync(Uri server, string path, int bytes, string type, bool chunked, string? token = null)
    {
        using var connection = await ConnectAsync(server);
        await SendAsync(connection, Head(path, type, token, chunked ? "Transfer-Encoding: chunked" : string.Create(CultureInfo.InvariantCulture, $"Content-Length: {bytes}")));
        var status = StatusAsync(connection);
        try
        {
            await SendBodyAsync(connection, bytes, chunked, withEnd: true);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            // The server has answered, and reads no more.
        }

        try
        {
            return await status;
        }
        catch (IOException)
        {
            return Cut;
        }
    }

    private static string Head(string path, string type, string? token, string framing) =>
        $"POST {path} HTTP/1.1\r\nHost: x\r\n{(token is null ? "" : $"Authorization: Bearer {token}\r\n")}Content-Type: {type}\r\n{framing}\r\n\r\n";

    private static async Task<TcpClient> ConnectAsync(Uri server)
    {
        var connection = new TcpClient();
        await connection.ConnectAsync(server.Host, server.Port);
        return connection;
    }

    private static async Task SendBodyAsync(TcpClient connection, int bytes, bool chunked, bool withEnd)
    {
        var piece = new string(' ', Piece);
        for (var sent = 0; sent < bytes; sent += Piece)
        {
            var next = Math.Min(Piece, bytes - sent);
            await SendAsync(connection, chunked ? $"{next:x}\r\n{piece[..next]}\r\n" : piece[..next]);
        }

        if (chunked && withEnd)
            await SendAsync(connection, "0\r\n\r\n");
    }

    private static async Task SendAsync(TcpClient connection, string text) => await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(text));

    private static async Task<int> StatusAsync(TcpClient connection)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var line = new StringBuilder();
        var one = new byte[1];
        var stream = connection.GetStream();
        while (await stream.ReadAsync(one, late.Token) == 1 && one[0] != '\n')
            line.Append((char)one[0]);
        return int.Parse(line.ToString().Split(' ')[1], CultureInfo.InvariantCulture);
    }
}
