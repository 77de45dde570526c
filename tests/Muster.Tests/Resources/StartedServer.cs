using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Muster.Server;
using Muster.Server.Resources;
using Muster.Server.Resources.Accounts;
using Muster.Storage;
using Muster.Tests.Storage;

namespace Muster.Tests.Resources;

/// <summary>A whole server in this process, listening on a free port, with an empty database of the kind asked for.</summary>
public sealed class StartedServer : IAsyncDisposable
{
    public const string Email = "admin@muster.test";
    public const string Password = "correct horse 7";

    private readonly WebApplication app;
    private readonly HttpClient http;

    private StartedServer(WebApplication app, string dataDirectory)
    {
        this.app = app;
        DataDirectory = dataDirectory;
        http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
    }

    public string DataDirectory { get; }

    public Database Database => app.Services.GetRequiredService<Database>();

    internal People People => app.Services.GetRequiredService<People>();

    internal Sessions Sessions => app.Services.GetRequiredService<Sessions>();

    internal IServiceProvider Services => app.Services;

    public Uri Address => http.BaseAddress!;

    internal Callers Callers => app.Services.GetRequiredService<Callers>();

    public static async Task<StartedServer> StartAsync(string kind = TestDatabases.Sqlite, Action<WebApplicationBuilder>? configure = null, bool namesAdmin = true)
    {
        var (connection, directory) = await TestDatabases.LocationAsync(kind);
        string[] args = ["--urls", "http://127.0.0.1:0", "--data", directory, "--Logging:LogLevel:Default", "Warning"];
        if (connection is not null)
            args = [.. args, "--database", connection];
        if (namesAdmin)
            args = [.. args, "--Admin:Email", Email, "--Admin:Password", Password];
        var app = ServerHost.Build(args, configure);
        await app.StartAsync();
        return new StartedServer(app, directory);
    }

    public async Task<string> LogInAsync(string username = Email, string password = Password)
    {
        var answer = await SendAsync("POST", "/login_", body: new JsonObject { ["username"] = username, ["password"] = password });
        Assert.Equal(200, answer.Status);
        return answer.Text;
    }

    /// <summary>One request; <paramref name="body"/> is JSON.</summary>
    public Task<Answer> SendAsync(string method, string path, string? token = null, JsonNode? body = null) =>
        SendAsync(method, path, token, body is null ? null : new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"));

    public async Task<Answer> SendAsync(string method, string path, string? token, HttpContent? content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = content };
        foreach (var (name, value) in headers)
            request.Headers.Add(name, value);
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await http.SendAsync(request);
        return new Answer((int)response.StatusCode, response.Content.Headers.ContentType?.ToString(), await response.Content.ReadAsStringAsync(), response.Headers.RetryAfter?.Delta);
    }

    public async Task<T> ScalarAsync<T>(string sql, params object?[] parameters)
    {
        await using var connection = await Database.OpenReadAsync();
        await using var command = connection.Statement(sql, parameters);
        return (T)Convert.ChangeType(await command.ExecuteScalarAsync(), typeof(T), System.Globalization.CultureInfo.InvariantCulture)!;
    }

    /// <summary>Stops it in order; its database can still be read.</summary>
    public Task StopAsync() => app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
        Directory.Delete(DataDirectory, recursive: true);
    }
}

/// <summary>An answer of the server.</summary>
public sealed record Answer(int Status, string? ContentType, string Text, TimeSpan? RetryAfter)
{
    public JsonNode Json => JsonNode.Parse(Text)!;

    /// <summary>The rows of a <c>{"d": […]}</c> answer.</summary>
    public JsonArray Rows => Json["d"]!.AsArray();

    /// <summary>The sentence of an error.</summary>
    public string? Sentence => Text.Length == 0 ? null : JsonSerializer.Deserialize<string>(Text);
}
