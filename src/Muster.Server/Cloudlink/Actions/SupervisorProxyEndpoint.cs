using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Muster.Core.Access;
using Muster.Core.Text;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Hosting;
using Muster.Server.Resources;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>
/// <c>POST /supervisor/{path}</c>: one call to the supervisors of one device or of all connected devices of a fleet
/// (recordings/supervisor-proxy.json).
/// </summary>
internal static partial class SupervisorProxyEndpoint
{
    private const string Prefix = "/supervisor";

    /// <summary>Devices that one call may reach.</summary>
    private const int MaxDevices = 1_000;

    private const int MaxBytes = 1024 * 1024;

    private static readonly HashSet<string> Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

    public static void MapSupervisorProxy(this IEndpointRouteBuilder routes) => routes.Map(Prefix + "/{**path}", CallAsync);

    private static async Task<IResult> CallAsync(HttpContext context, Callers callers, ConnectedDevices connected, AuditedCalls calls, QueuedCalls queued)
    {
        var cancellation = context.RequestAborted;
        if (!HttpMethods.IsPost(context.Request.Method))
            return Results.StatusCode(StatusCodes.Status404NotFound);
        var caller = await callers.OfAsync(context);
        if (caller.Kind is CallerKind.Anonymous)
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        if (!ProxyCall.TryRead(await BodyAsync(context), out var call, out var refusal))
            return refusal is null ? Results.StatusCode(StatusCodes.Status400BadRequest) : Results.Json(refusal, statusCode: StatusCodes.Status400BadRequest);
        if (!Methods.Contains(call.Method))
            return Results.StatusCode(StatusCodes.Status400BadRequest);

        var asked = new SupervisorCall(new(call.Method), "/" + new PathString(context.Request.Path.Value![Prefix.Length..]).ToUriComponent().TrimStart('/'), call.Data).Effective();
        if (!QueueWish.TryRead(context.Request, call.Body, out var wish, out var unclear))
            return Results.Json(unclear, statusCode: StatusCodes.Status400BadRequest);
        if (wish is not null)
            return await queued.CallAsync(Asker.Of(caller, context), asked, wish, await connected.LinksAsync(call.DeviceId, call.FleetId, call.Uuid, MaxDevices + 1, cancellation), MaxDevices, cancellation);

        var found = await connected.FindAsync(call.DeviceId, call.FleetId, call.Uuid, MaxDevices + 1, cancellation);
        var devices = found.FindAll(device => SupervisorRule.MaySee(caller, device.Id, device.OrganizationId));
        if (devices.Count == 0)
            return Results.Json("No online device(s) found", statusCode: StatusCodes.Status404NotFound);
        if (!devices.TrueForAll(device => SupervisorRule.MayCall(caller, device.Id, device.OrganizationId, asked.Method)))
        {
            await calls.RefusedAsync(Asker.Of(caller, context), devices.Select(d => (d.Id, d.OrganizationId)), asked, cancellation);
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        }

        if (devices.Count > MaxDevices)
            return Results.Json($"More than {MaxDevices} devices are connected; name them one by one.", statusCode: StatusCodes.Status400BadRequest);

        var answers = await calls.CallAllAsync(Asker.Of(caller, context), devices, asked, note: null, cancellation);
        return answers.Length == 1
            ? PassOn(answers[0])
            : Results.Json(answers.Select(answer => new { statusCode = answer.Status, body = answer.Body }), statusCode: StatusCodes.Status207MultiStatus);
    }

    /// <exception cref="BadHttpRequestException">413.</exception>
    private static async Task<JsonElement> BodyAsync(HttpContext context)
    {
        if (await BufferedBody.ReadAsync(context, MaxBytes) is not { } body)
            throw new BadHttpRequestException("The call is too large.", StatusCodes.Status413PayloadTooLarge);
        return JsonText.Problem(body.Span) is null ? JsonElement.Parse(body.Span) : default;
    }

    /// <summary>JSON and harmless plain text pass; anything else could be made to act in the caller's browser.</summary>
    public static IResult PassOn(SupervisorAnswer answer)
    {
        switch (answer.ContentType)
        {
            case null:
                return Results.StatusCode(answer.Status);
            case "application/json" when IsJson(answer.Body):
                return Results.Text(answer.Body, "application/json; charset=utf-8", statusCode: answer.Status);
            case "text/plain" or "text/html" when HarmlessText().IsMatch(answer.Body):
                return Results.Text(answer.Body, "text/plain; charset=utf-8", statusCode: answer.Status);
            default:
                return Results.Json(new Dictionary<string, string> { ["error"] = "Bad API response from supervisor" }, statusCode: StatusCodes.Status500InternalServerError);
        }
    }

    public static bool IsJson(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"^[A-Za-z0-9\s:'.?!,/-]*\z", RegexOptions.NonBacktracking)]
    private static partial Regex HarmlessText();

    /// <summary>What a caller asks: whom, how, with what.</summary>
    private sealed record ProxyCall(long? DeviceId, long? FleetId, string? Uuid, string Method, JsonElement? Data, JsonElement Body)
    {
        /// <param name="refusal">Why not, in words; null when there are none.</param>
        public static bool TryRead(JsonElement body, out ProxyCall call, out string? refusal)
        {
            call = new(null, null, null, "POST", null, body);
            refusal = null;
            if (body.ValueKind is not JsonValueKind.Object)
                return false;
            if (!TryId(body, "appId", out var fleet))
                refusal = "App ID must be a valid integer if specified";
            else if (!TryId(body, "deviceId", out var device))
                refusal = "Device ID must be a valid integer if specified";
            else if (!TryText(body, "uuid", out var uuid))
                refusal = "UUID must be a valid string if specified";
            else if (fleet is null && device is null && uuid is null)
                refusal = "At least one filter must be specified";
            else if (!TryText(body, "method", out var method))
                return false;
            else
                call = new(device, fleet, uuid, (method ?? "POST").ToUpperInvariant(), body.TryGetProperty("data", out var data) && data.ValueKind is not JsonValueKind.Null ? data : null, body);
            return refusal is null;
        }

        private static bool TryId(JsonElement body, string name, out long? id)
        {
            id = null;
            if (!body.TryGetProperty(name, out var value) || value.ValueKind is JsonValueKind.Null)
                return true;
            var text = value.ValueKind is JsonValueKind.String ? value.GetString() : value.ToString();
            if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                return false;
            id = number;
            return true;
        }

        private static bool TryText(JsonElement body, string name, out string? text)
        {
            text = null;
            if (!body.TryGetProperty(name, out var value) || value.ValueKind is JsonValueKind.Null)
                return true;
            text = value.ValueKind is JsonValueKind.String ? value.GetString() : null;
            return text is not null;
        }
    }
}
