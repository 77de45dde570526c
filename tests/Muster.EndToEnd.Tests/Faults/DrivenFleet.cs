using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Muster.EndToEnd.Tests.Faults;

/// <summary>A fleet with devices that a test drives over HTTP, request by request, and that remember what was acknowledged.</summary>
internal sealed class DrivenFleet : IDisposable
{
    private readonly HttpClient http;
    private readonly List<DrivenDevice> devices = [];

    private DrivenFleet(Uri address, string token)
    {
        http = new HttpClient(new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromSeconds(2) }) { BaseAddress = address, Timeout = TimeSpan.FromSeconds(60) };
        Token = token;
    }

    public IReadOnlyList<DrivenDevice> Devices => devices;

    public long Id { get; private set; }

    public string Token { get; }

    public static async Task<DrivenFleet> CreateAsync(Uri address, string email, string password, int count)
    {
        using var login = new HttpClient { BaseAddress = address };
        using var answer = await login.PostAsJsonAsync("/login_", new { username = email, password });
        answer.EnsureSuccessStatusCode();
        var fleet = new DrivenFleet(address, (await answer.Content.ReadAsStringAsync()).Trim('"'));
        var organization = (await fleet.JsonAsync("GET", "/v7/organization?$select=id"))!["d"]![0]!["id"]!.GetValue<long>();
        var type = (await fleet.JsonAsync("GET", "/v7/device_type?$select=id&$filter=slug eq 'generic-amd64'"))!["d"]![0]!["id"]!.GetValue<long>();
        var made = await fleet.JsonAsync("POST", "/v7/application", new { app_name = $"fleet-{RandomNumberGenerator.GetHexString(8, lowercase: true)}", organization, is_for__device_type = type });
        fleet.Id = made!["id"]!.GetValue<long>();
        var key = (await fleet.JsonAsync("POST", $"/api-key/application/{fleet.Id}/provisioning", new { }))!.GetValue<string>();
        for (var i = 0; i < count; i++)
        {
            var uuid = RandomNumberGenerator.GetHexString(32, lowercase: true);
            var device = await fleet.JsonAsync("POST", "/device/register", new { application = fleet.Id, uuid, device_type = "generic-amd64" }, key);
            fleet.devices.Add(new DrivenDevice(fleet, device!["id"]!.GetValue<long>(), uuid, device["api_key"]!.GetValue<string>()));
        }

        return fleet;
    }

    /// <summary>One request with a key or, without one, as the administrator. Answers other than 2xx fail the test.</summary>
    public async Task<JsonNode?> JsonAsync(string method, string path, object? body = null, string? key = null)
    {
        using var answer = await SendAsync(method, path, body, key ?? Token);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {(int)answer.StatusCode} {text}");
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }

    public async Task<HttpResponseMessage> SendAsync(string method, string path, object? body, string key)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = body is null ? null : JsonContent.Create(body) };
        if (request.Content is not null)
            await request.Content.LoadIntoBufferAsync();
        request.Headers.Authorization = new("Bearer", key);
        return await http.SendAsync(request);
    }

    /// <summary>Reads one device's row over the API.</summary>
    public async Task<JsonNode> RowAsync(DrivenDevice device, string select = "overall_status,api_heartbeat_state,is_connected_to_vpn,os_version") =>
        (await JsonAsync("GET", $"/v7/device({device.Id})?$select={select}"))!["d"]![0]!;

    public void Dispose() => http.Dispose();
}

/// <summary>One device: what it sent, and what of that was acknowledged.</summary>
internal sealed class DrivenDevice(DrivenFleet fleet, long id, string uuid, string key)
{
    public long Id { get; } = id;

    public string Uuid { get; } = uuid;

    /// <summary>The last numbered report that was answered 200; and the last that was sent at all.</summary>
    public int Acknowledged { get; private set; }

    public int Sent { get; private set; }

    /// <summary>What came of the last poll, for a failing test to tell.</summary>
    public string LastPoll { get; private set; } = "none";

    /// <summary>Asks for the target state. Null when no answer came.</summary>
    public async Task<HttpStatusCode?> PollAsync()
    {
        try
        {
            using var answer = await fleet.SendAsync("GET", $"/device/v3/{Uuid}/state", null, key);
            LastPoll = $"{(int)answer.StatusCode} at {DateTimeOffset.UtcNow:HH:mm:ss.fff}";
            return answer.StatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException)
        {
            LastPoll = $"{e.Message} at {DateTimeOffset.UtcNow:HH:mm:ss.fff}";
            return null;
        }
    }

    /// <summary>Reports the next number as its OS version. Null when no answer came.</summary>
    public async Task<HttpStatusCode?> ReportNextAsync()
    {
        var number = ++Sent;
        var status = await ReportAsync(new { os_version = Text(number) });
        if (status == HttpStatusCode.OK)
            Acknowledged = number;
        return status;
    }

    /// <summary>A state report (v3) with these fields. Null when no answer came.</summary>
    public async Task<HttpStatusCode?> ReportAsync(object fields)
    {
        try
        {
            using var answer = await fleet.SendAsync("PATCH", "/device/v3/state", new Dictionary<string, object> { [Uuid] = fields }, key);
            return answer.StatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException)
        {
            return null;
        }
    }

    /// <summary>Lives: polls, and asks again soon when nobody answers, as long as it is not switched off.</summary>
    public async Task LiveAsync(TimeSpan every, CancellationToken off)
    {
        while (!off.IsCancellationRequested)
        {
            await PollAsync();
            await Task.Delay(every, CancellationToken.None);
        }
    }

    /// <summary>Reports without a pause as long as it is not switched off; counts the answers by status (0: none came).</summary>
    public async Task ReportOnAsync(Action<int> answered, CancellationToken off)
    {
        while (!off.IsCancellationRequested)
        {
            var status = await ReportNextAsync();
            answered((int)(status ?? 0));
            if (status != HttpStatusCode.OK)
                await Task.Delay(50, CancellationToken.None);
        }
    }

    /// <summary>Whether a number on record is one this device may have there: nothing older than what was acknowledged.</summary>
    public bool MayStandAt(string? osVersion)
    {
        var number = osVersion is null ? 0 : int.Parse(osVersion["report ".Length..], CultureInfo.InvariantCulture);
        return number >= Acknowledged && number <= Sent;
    }

    private static string Text(int number) => string.Create(CultureInfo.InvariantCulture, $"report {number}");
}
