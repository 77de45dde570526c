using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Muster.Server.Presence;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Devices.Registry;

/// <summary>
/// <c>GET /auth/v1/token</c>: a device's engine asks for leave to pull (recordings, misc). Basic credentials: <c>d_{uuid}</c> and
/// the device's key. Leave is given for images of the device's own fleet. Without a configured registry the answer says so.
/// </summary>
internal sealed class RegistryTokenEndpoint(FleetPresence presence, Database database, TimeProvider time, IOptions<RegistryOptions> options) : IDisposable
{
    private const int MaxScopes = 32;

    private readonly RegistryOptions registry = options.Value;
    private readonly Lazy<ECDsa> signingKey = new(() => ReadKey(options.Value));
    private readonly Lazy<string> ownId = new(() =>
    {
        using var key = ReadKey(options.Value);
        return RegistryKeyId.Of(key);
    });

    public async Task GetAsync(HttpContext context)
    {
        var slot = default(DeviceSlot);
        var subject = "";
        if (Callers.Secret(context.Request) is { } secret)
        {
            subject = User(context.Request) ?? "";
            var auth = subject.StartsWith("d_", StringComparison.Ordinal) ? presence.Authenticate(subject.AsSpan(2), secret, out slot) : DeviceAuth.Unknown;
            if (auth != DeviceAuth.Ok)
            {
                await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
                return;
            }

            await presence.ContactAsync(slot, ContactKind.RegistryToken);
        }

        if (registry.KeyFile.Length == 0)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status501NotImplemented, "No image registry is configured on this server.");
            return;
        }

        var access = new JsonArray();
        if (subject.Length > 0 && context.Request.Query["service"] == registry.Service)
        {
            foreach (var scope in context.Request.Query["scope"].SelectMany(s => s!.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Take(MaxScopes))
            {
                if (await AccessAsync(scope, presence.FleetId(slot), context.RequestAborted) is { } granted)
                    access.Add(granted);
            }
        }

        var answer = new JsonObject { ["token"] = Token(subject, access) };
        await DeviceAnswers.BytesAsync(context, StatusCodes.Status200OK, System.Text.Encoding.UTF8.GetBytes(answer.ToJsonString()));
    }

    public void Dispose()
    {
        if (signingKey.IsValueCreated)
            signingKey.Value.Dispose();
    }

    private static ECDsa ReadKey(RegistryOptions options)
    {
        var key = ECDsa.Create();
        key.ImportFromPem(File.ReadAllText(options.KeyFile));
        return key;
    }

    /// <summary>One scope, <c>repository:v2/…:pull</c>, with the actions that are allowed: pull for the own fleet's images, nothing else.</summary>
    private async Task<JsonObject?> AccessAsync(string scope, long fleetId, CancellationToken cancellation)
    {
        if (scope.Split(':') is not ["repository", { Length: > 0 } name, var actions])
            return null;
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            "SELECT 1 FROM image i JOIN service s ON s.id = i.service_id JOIN fleet f ON f.id = s.fleet_id WHERE i.location = @p0 AND (f.id = @p1 OR f.is_public <> 0)",
            $"{registry.Service}/{name}", fleetId);
        var mayPull = actions.Split(',').Contains("pull") && await command.ExecuteScalarAsync(cancellation) is not null;
        return new() { ["name"] = name, ["type"] = "repository", ["actions"] = mayPull ? new JsonArray("pull") : new JsonArray() };
    }

    private string Token(string subject, JsonArray access)
    {
        var now = time.GetUtcNow();
        var payload = new JsonObject
        {
            ["jti"] = Guid.NewGuid().ToString(),
            // A registry whose clock is a little behind must not refuse.
            ["nbf"] = now.AddSeconds(-10).ToUnixTimeSeconds(),
            ["access"] = access,
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = now.Add(registry.Lifetime).ToUnixTimeSeconds(),
            ["aud"] = registry.Service,
            ["iss"] = registry.Issuer,
            ["sub"] = subject,
        };
        var key = new ECDsaSecurityKey(signingKey.Value) { KeyId = registry.KeyId.Length > 0 ? registry.KeyId : ownId.Value };
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(payload.ToJsonString(), new SigningCredentials(key, SecurityAlgorithms.EcdsaSha256));
    }

    /// <summary>The user of Basic credentials.</summary>
    private static string? User(HttpRequest request)
    {
        const string basic = "Basic ";
        if (request.Headers.Authorization is not [{ } header] || !header.StartsWith(basic, StringComparison.OrdinalIgnoreCase))
            return null;
        var decoded = new byte[header.Length];
        if (!Convert.TryFromBase64String(header[basic.Length..].Trim(), decoded, out var length))
            return null;
        var text = System.Text.Encoding.UTF8.GetString(decoded, 0, length);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : text[..colon];
    }
}
