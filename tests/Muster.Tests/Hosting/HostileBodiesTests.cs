using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Muster.Storage.Resources;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Hosting;

/// <summary>
/// Whatever is sent to whichever endpoint that takes a body: an answer below 500, and no error in the log. The endpoints are
/// asked of the server itself, so that a new one is tried too.
/// </summary>
public sealed class HostileBodiesTests
{
    private const int Rounds = 1_500;

    /// <summary>Answers 500 for an unknown fleet by protocol: SDKs know it (recordings).</summary>
    private static readonly string[] ByProtocol = ["/api-key/application/{id}/provisioning"];

    private static readonly string[] Values =
    [
        "\"\\ud83d\"", "\"\\ude80x\"", "\"\\u0000\"", "\"a\\u0000b\"", "\"\"", "\"   \"", "\"\\u200b\"", "\"text\"", "\"-1\"", "\"99999999999999999999\"", "\"1e400\"", "\"NaN\"",
        "0", "-1", "1.5", "1e400", "-1e400", "2147483648", "9223372036854775807", "9223372036854775808", "99999999999999999999999", "0.1e-400", "true", "null",
        "[]", "{}", "[[[]]]", "{\"__id\":\"x\"}", "{\"__id\":-1}", "{\"\\udead\":1}", "[\"\\ud83d\"]", "[1,\"a\",null]", "\"{\\\"a\\\":\\\"\\\\ud83d\\\"}\"", "\"2020-13-45T99:99:99Z\"", "\"0001-01-01\"",
        $"\"{new string('x', 3_000)}\"", $"{new string('[', 70)}{new string(']', 70)}", $"{new string('[', 5_000)}", "\"%ED%A0%BD\"", "\"\u0001\"", "\"\\q\"", "tru", "", "01", "\"\n\"",
    ];

    private static readonly byte[][] Whole =
    [
        [], [.. "null"u8], [.. "[]"u8], [.. "\"text\""u8], [.. "1"u8], [.. "{"u8], [.. "{}"u8], [.. "{}{}"u8], [.. "{\"a\":1,\"a\":2}"u8], [0xFF, 0xFE, 0x7B, 0x00], [0xEF, 0xBB, 0xBF, .. "{}"u8],
        [.. "{\"name\":\""u8, 0xC3, 0x28, .. "\"}"u8], [.. "{\""u8, 0xED, 0xA0, 0x80, .. "\":1}"u8], [.. "[{\"message\":\"\\ud83d\",\"timestamp\":1}]"u8], [.. Enumerable.Repeat((byte)'[', 9_000)], [0],
        [.. "a=%ED%A0%BD&a=1&=&%00=%00"u8], [.. "username=%00&password=%00"u8],
    ];

    private static readonly string[] Types = ["application/json", "application/json; charset=utf-16", "application/x-www-form-urlencoded", "application/x-ndjson", "multipart/form-data; boundary=x", "multipart/form-data", "text/plain", "application/vnd.x+json"];

    private static readonly string[] Queries = ["", "?$filter=uuid eq '%00'", "?$filter=id eq 99999999999999999999", "?$filter=note eq '%ED%A0%BD'", "?$filter=id eq %", "?apikey=%00", "?$select=%00", "?$top=-1", "?$orderby=id%20%FF", "?returnResource=%00"];

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task No_body_brings_an_endpoint_to_fail(string kind)
    {
        using var errors = new Errors();
        await using var world = await ServerWithFleet.StartAsync(kind, builder => builder.Logging.AddProvider(errors));
        var device = await world.AddDeviceAsync();
        var tunnels = await world.Server.People.CreateServiceKeyAsync("tunnels");
        var provisioning = (await world.PostAsync($"/api-key/application/{world.Fleet.Id}/provisioning", world.Admin, new JsonObject())).Json.GetValue<string>();
        // Who may do all, a device, a provisioning key, a tunnel server, nobody. A key of nobody's comes last: it may be held back.
        string?[] callers = [world.Admin, world.Admin, device.Key, provisioning, tunnels, null];
        var endpoints = Endpoints(world, device);
        Assert.InRange(endpoints.Count, 50, 1_000);
        using var http = new HttpClient { BaseAddress = world.Server.Address, Timeout = TimeSpan.FromMinutes(2) };

        List<string> wrong = [];
        var body = Gen.Frequency(
            (3, Gen.Select(Gen.Int[0, int.MaxValue], Any(Values), Any(Values)).Select((field, value, other) => (Field: field, Value: value, Other: other, Bytes: (byte[]?)null))),
            (1, Any(Whole).Select(bytes => (Field: 0, Value: "", Other: "", Bytes: (byte[]?)bytes))));
        var request = Gen.Select(Any(endpoints.ToArray()), Any(callers), body, Gen.Frequency((6, Gen.Const(Types[0])), (1, Any(Types))), Gen.Frequency((6, Gen.Const("")), (1, Any(Queries))));
        var random = new PCG(7);
        for (var i = 0; i < Rounds; i++)
        {
            var (endpoint, caller, sent, type, query) = request.Generate(random, null, out _);
            using var message = new HttpRequestMessage(new(endpoint.Method), new Uri(world.Server.Address + endpoint.Path.TrimStart('/') + query))
            {
                Content = new ByteArrayContent(sent.Bytes ?? Encoding.UTF8.GetBytes(Body(endpoint.Fields, sent.Field, sent.Value, sent.Other, device.Uuid))),
            };
            message.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
            if (caller is not null)
                message.Headers.Authorization = new("Bearer", caller);
            using var answer = await http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead);
            if ((int)answer.StatusCode >= 500)
                wrong.Add($"{(int)answer.StatusCode} {endpoint.Method} {endpoint.Path}{query} {type} {Encoding.UTF8.GetString(await message.Content.ReadAsByteArrayAsync())[..Math.Min(300, (int)message.Content.Headers.ContentLength!)]}");
        }

        Assert.True(wrong.Count == 0 && errors.Lines.IsEmpty, string.Join('\n', [.. wrong.Take(20), .. errors.Lines.Take(10)]));
    }

    private static Gen<T> Any<T>(params T[] all) => Gen.Int[0, all.Length - 1].Select(i => all[i]);

    /// <summary>One or two fields with hostile values among plausible ones.</summary>
    private static string Body(string[] fields, int choice, string value, string other, string uuid)
    {
        var members = fields.Select((name, i) => $"\"{name}\":{(i == choice % fields.Length ? value : i == (choice / 7) % fields.Length && choice % 3 == 0 ? other : Plausible(name, uuid))}");
        var flat = $"{{{string.Join(',', members)}}}";
        return (choice % 5) switch
        {
            0 => $"{{\"{uuid}\":{flat}}}", // a device's state or tags
            1 => $"{{\"local\":{flat}}}",
            _ => flat,
        };
    }

    private static string Plausible(string name, string uuid) => name switch
    {
        "uuid" => $"\"{uuid}\"",
        "uuids" => $"[\"{uuid}\"]",
        "username" or "password" or "name" or "app_name" or "tag_key" or "title" or "value" or "device_name" => "\"plausible\"",
        "roles" => "[\"device-api-key\"]",
        "apps" => "{\"a\":{\"releases\":{\"c\":{\"services\":{\"s\":{\"image\":\"i\",\"status\":\"Running\"}}}}}}",
        _ => "1",
    };

    private static List<Target> Endpoints(ServerWithFleet world, FixtureDevice device)
    {
        string[] methods = ["POST", "PUT", "PATCH", "DELETE"];
        List<Target> found = [];
        foreach (var endpoint in world.Server.Services.GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints).OfType<RouteEndpoint>())
        {
            var pattern = endpoint.RoutePattern.RawText ?? "";
            var allowed = endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? [];
            foreach (var method in methods.Where(m => allowed.Count == 0 || allowed.Contains(m)))
            {
                if (ByProtocol.Contains(pattern))
                {
                    found.Add(new(method, pattern.Replace("{id}", $"{world.Fleet.Id}", StringComparison.Ordinal), ["name", "description", "expiryDate"]));
                }
                else if (pattern is ['/', 'v', '6' or '7', '/', '{', ..])
                {
                    // The resource API: each resource, with the fields that may be given. Deletions read no body, and would leave nothing to try.
                    if (method == "DELETE")
                        continue;
                    var model = pattern[2] == '7' ? ResourceModel.Version7 : ResourceModel.Version6;
                    found.AddRange(model.Resources.SelectMany(resource => (string[])[resource.Name, $"{resource.Name}(1)"], (resource, path) =>
                        new Target(method, $"/{model.Version}/{path}", [.. resource.Fields.Where(f => f.Write != FieldWrite.Never).Select(f => f.Name).Append("nonsense")])));
                }
                else if (!pattern.TrimStart('/').StartsWith('_'))
                {
                    var path = System.Text.RegularExpressions.Regex.Replace(pattern, @"\{[^}]*\}", m =>
                        m.Value.StartsWith("{uuid", StringComparison.Ordinal) ? device.Uuid : m.Value.Contains("path", StringComparison.Ordinal) ? "v1/blink" : m.Value.Contains("guid", StringComparison.Ordinal) ? Guid.Empty.ToString() : "1");
                    found.Add(new(method, path,
                    [
                        "username", "password", "name", "query", "uuid", "application", "device_type", "api_key", "apiKey", "description", "expiryDate", "actorType", "actorTypeId", "roles", "appId", "deviceId",
                        "method", "data", "muster_queue", "muster_expires_in", "serviceId", "uuids", "connected", "version", "status", "provisioning_progress", "api_port", "memory_usage", "cpu_temp", "apps", "message", "timestamp",
                    ]));
                }
            }
        }

        return found;
    }

    private sealed record Target(string Method, string Path, string[] Fields);

    /// <summary>What the server logs as an error.</summary>
    private sealed class Errors : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                Lines.Enqueue($"{formatter(state, exception)} {exception}");
        }

        public void Dispose()
        {
        }
    }
}
