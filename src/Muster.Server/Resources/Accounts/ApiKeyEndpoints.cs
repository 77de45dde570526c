using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Core.Text;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>
/// Making keys (docs/resource-api.md, "Outside the resources"). A key is answered once, as a JSON string, and kept as a hash.
/// Keys for tunnel servers are made on the command line only.
/// </summary>
internal static class ApiKeyEndpoints
{
    private const string BadExpiry = "Key expiry date should be a valid date";

    public static void MapApiKeys(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api-key/user/full", UserKeyAsync);
        routes.MapPost("/api-key/application/{id}/provisioning", ProvisioningKeyAsync);
        routes.MapPost("/api-key/v1", (HttpContext context, Callers callers, ApiKeys keys, Database database, [FromServices] FleetPresence presence) => AnyKeyAsync(context, callers, keys, database, presence, expiryIsNeeded: false));
        routes.MapPost("/api-key/v2", (HttpContext context, Callers callers, ApiKeys keys, Database database, [FromServices] FleetPresence presence) => AnyKeyAsync(context, callers, keys, database, presence, expiryIsNeeded: true));
    }

    /// <summary>A named key that may do what its owner may. Needs a session: a key cannot make keys.</summary>
    private static async Task<IResult> UserKeyAsync(HttpContext context, Callers callers, ApiKeys keys, Database database)
    {
        var caller = await callers.OfAsync(context);
        if (!IsSession(caller))
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        var body = await RequestBody.ReadAsync(context.Request, context.RequestAborted);
        if (body.Text("name") is not { Length: > 0 })
            return Answers.Empty(StatusCodes.Status400BadRequest);
        return await MakeAsync(database, keys, caller.ActorId, AccessRule.UserKey, body);
    }

    private static async Task<IResult> ProvisioningKeyAsync(HttpContext context, string id, Callers callers, ApiKeys keys, Database database)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        if (!long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var fleet))
            return Results.Text("Application id must be a number", "text/html", statusCode: StatusCodes.Status400BadRequest);
        // SDKs know this 500 and its text as "no such fleet".
        if (await SubjectAsync(database, "SELECT actor_id, organization_id FROM fleet WHERE id = @p0", fleet, context.RequestAborted) is not { } subject || !AccessRule.Has(caller, Role.Observer, subject.Organization))
            return Results.Text("No application found to associate with the api key", "text/html", statusCode: StatusCodes.Status500InternalServerError);
        if (!AccessRule.Has(caller, Role.Developer, subject.Organization))
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        return await MakeAsync(database, keys, subject.Actor, AccessRule.ProvisioningKey, await RequestBody.ReadAsync(context.Request, context.RequestAborted));
    }

    private static async Task<IResult> AnyKeyAsync(HttpContext context, Callers callers, ApiKeys keys, Database database, FleetPresence presence, bool expiryIsNeeded)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        var body = await RequestBody.ReadAsync(context.Request, context.RequestAborted);
        if (expiryIsNeeded && !body.Fields.ContainsKey("expiryDate"))
            throw RefusedException.Invalid(BadExpiry);
        var roles = RolesOf(body);
        var id = body.Number("actorTypeId") ?? throw RefusedException.Invalid("\"actorTypeId\" is required.");
        switch (body.Text("actorType"))
        {
            case "user" when IsSession(caller) && id == caller.SubjectId:
                return await MakeAsync(database, keys, caller.ActorId, roles, body);
            case "application" when await SubjectAsync(database, "SELECT actor_id, organization_id FROM fleet WHERE id = @p0", id, context.RequestAborted) is { } fleet && AccessRule.Has(caller, Role.Developer, fleet.Organization):
                return await MakeAsync(database, keys, fleet.Actor, roles, body);
            case "device" when await SubjectAsync(database, "SELECT d.actor_id, f.organization_id FROM device d JOIN fleet f ON f.id = d.fleet_id WHERE d.id = @p0", id, context.RequestAborted) is { } device && AccessRule.Has(caller, Role.Developer, device.Organization):
                var answer = await MakeAsync(database, keys, device.Actor, roles, body);
                await presence.KeysChangedAsync(id);
                return answer;
            default:
                return Answers.Empty(StatusCodes.Status401Unauthorized);
        }
    }

    private static string RolesOf(RequestBody body)
    {
        if (!body.Fields.TryGetValue("roles", out var list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() is 0 or > 10)
            throw RefusedException.Invalid("\"roles\" must be an array of 1 to 10 roles.");
        List<string> roles = [];
        foreach (var role in list.EnumerateArray())
        {
            if (role.ValueKind != JsonValueKind.String)
                throw RefusedException.Invalid("\"roles\" must be an array of 1 to 10 roles.");
            var word = role.GetString()!;
            if (word is not (AccessRule.DeviceKey or AccessRule.ProvisioningKey or AccessRule.UserKey))
                throw new RefusedException(StatusCodes.Status404NotFound, $"Role '{word}' not found");
            roles.Add(word);
        }

        return string.Join(' ', roles.Distinct(StringComparer.Ordinal));
    }

    private static async Task<IResult> MakeAsync(Database database, ApiKeys keys, long actor, string roles, RequestBody body)
    {
        var (name, description) = (Limited(body.Text("name")), Limited(body.Text("description")));
        if (name is { Length: > 0 } && NameRule.Problem(name) is { } problem)
            throw RefusedException.Invalid($"The name {problem}.");
        var expiry = Expiry(body);
        var key = ApiKeys.Generate();
        await database.WriteAsync(write => keys.AddAsync(write, actor, key, roles, name, description, expiry));
        return Answers.Json(JsonSerializer.Serialize(key));
    }

    private static string? Limited(string? text) =>
        text is { Length: > 255 } ? throw RefusedException.Invalid("Names and descriptions of keys have at most 255 characters.") : text;

    // A date in the past is taken: the key just does not work.
    private static long? Expiry(RequestBody body)
    {
        if (!body.Fields.TryGetValue("expiryDate", out var value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind == JsonValueKind.String && WireInstant.TryParse(value.GetString()!, out var at) ? at : throw RefusedException.Invalid(BadExpiry);
    }

    private static bool IsSession(Caller caller) => caller.Kind == CallerKind.User && caller.KeyRoles.IsEmpty;

    private static async Task<(long Actor, long Organization)?> SubjectAsync(Database database, string sql, long id, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(sql, id);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? (reader.GetInt64(0), reader.GetInt64(1)) : null;
    }
}
