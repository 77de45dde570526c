using System.Text.Json;
using Muster.Core.Access;
using Muster.Core.Text;
using Muster.Protocol;
using Muster.Server.Insight;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Devices.Registration;

/// <summary><c>POST /device/register</c> and <c>POST /api-key/device/{id}/device-key</c> (recordings device-register, auth).</summary>
internal sealed class RegistrationEndpoints(DeviceRegistry registry, KeyExchange exchange, Callers callers, DeviceReaders readers, Database database)
{
    private const string NoDevice = "No device found to associate with the api key";

    public async Task RegisterAsync(HttpContext context)
    {
        var caller = await callers.OfAsync(context);
        if (caller.KeyRoles.IsEmpty)
        {
            await DeviceAnswers.KeyRequiredAsync(context);
            return;
        }

        if (await FieldsAsync(context) is not { } fields)
            return;
        var (request, problem) = RegistrationRequest.Of(fields);
        if (request is null)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, problem);
            return;
        }

        if (!await MayRegisterAsync(caller, request.Application, context.RequestAborted))
        {
            await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
            return;
        }

        var key = request.ApiKey ?? Keys.New();
        var (outcome, id) = await registry.RegisterAsync(request, key, context.RequestAborted);
        await (outcome switch
        {
            RegistrationOutcome.Done => DeviceAnswers.BytesAsync(context, StatusCodes.Status201Created, JsonSerializer.SerializeToUtf8Bytes(
                new RegisterResponse { Id = id, Uuid = request.Uuid, ApiKey = key }, DeviceApiJson.Default.RegisterResponse)),
            RegistrationOutcome.UnknownDeviceType => DeviceAnswers.SentenceAsync(context, StatusCodes.Status404NotFound, $"Unknown device type {request.DeviceType}"),
            RegistrationOutcome.UuidTaken => DeviceAnswers.TextAsync(context, StatusCodes.Status409Conflict, "\"uuid\" must be unique."),
            RegistrationOutcome.KeyTaken => DeviceAnswers.SentenceAsync(context, StatusCodes.Status409Conflict, "\"key\" must be unique."),
            _ => DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized),
        });
    }

    public async Task AddKeyAsync(HttpContext context)
    {
        var caller = await callers.OfAsync(context);
        if (!long.TryParse((string)context.Request.RouteValues["id"]!, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var deviceId))
        {
            await DeviceAnswers.TextAsync(context, StatusCodes.Status400BadRequest, "Device id must be a number");
            return;
        }

        if (caller.Kind is not (CallerKind.User or CallerKind.Fleet))
        {
            await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
            return;
        }

        if (await FieldsAsync(context) is not { } fields)
            return;
        var device = await DeviceAsync(deviceId, context.RequestAborted);
        if (caller.Kind == CallerKind.Fleet)
        {
            // One answer, whatever is in the way: a provisioning key learns nothing of devices that it may not exchange keys of.
            if (device is null || await exchange.FindAsync(caller, device.Value.Uuid, context.RequestAborted) is null)
            {
                await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
                return;
            }
        }
        else if (device is null || !await readers.HasRoleAsync(caller, Role.Observer, device.Value.FleetId, context.RequestAborted))
        {
            // What a person may not see does not exist for him.
            await DeviceAnswers.TextAsync(context, StatusCodes.Status404NotFound, NoDevice);
            return;
        }
        else if (!await MayRegisterAsync(caller, device.Value.FleetId, context.RequestAborted))
        {
            await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
            return;
        }

        if (fields.FirstOrDefault(f => f.Key is "apiKey" or "name" or "description" && f.Value is { } text && !WireText.IsStorable(text)) is { Key: { } bad })
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, JsonText.NotText(bad));
            return;
        }

        string? Field(string name) => fields.TryGetValue(name, out var value) && !string.IsNullOrEmpty(value) ? value : null;
        var key = Field("apiKey") ?? Keys.New();
        if (Keys.Problem(key) is { } problem)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, problem);
            return;
        }

        if (Field("name") is { } name && (name.Length > 255 || NameRule.Problem(name) is not null) || Field("description") is { Length: > 255 })
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, "The name and the description of a key have at most 255 characters; a name can be seen and has one line.");
            return;
        }

        await (await registry.AddKeyAsync(caller, deviceId, key, Field("name"), Field("description"), AuditEntry.Address(context.Connection.RemoteIpAddress), context.RequestAborted) switch
        {
            RegistrationOutcome.Done => DeviceAnswers.SentenceAsync(context, StatusCodes.Status200OK, key),
            RegistrationOutcome.KeyTaken => DeviceAnswers.SentenceAsync(context, StatusCodes.Status409Conflict, "\"key\" must be unique."),
            RegistrationOutcome.TooManyKeys => DeviceAnswers.SentenceAsync(context, StatusCodes.Status409Conflict, "The device has too many keys; remove those that it uses no more."),
            RegistrationOutcome.NotOpen => DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized),
            _ => DeviceAnswers.TextAsync(context, StatusCodes.Status404NotFound, NoDevice),
        });
    }

    /// <summary>A provisioning key into its own fleet; a person who may develop the fleet.</summary>
    private async ValueTask<bool> MayRegisterAsync(Caller caller, long fleetId, CancellationToken cancellation) =>
        (caller.Kind == CallerKind.Fleet && caller.SubjectId == fleetId && caller.KeyRoles.Contains(AccessRule.ProvisioningKey))
        || await readers.HasRoleAsync(caller, Role.Developer, fleetId, cancellation);

    /// <summary>The body's fields; null when it was refused and answered.</summary>
    private static async Task<IReadOnlyDictionary<string, string?>?> FieldsAsync(HttpContext context)
    {
        if (await DeviceBody.ReadAsync(context) is not { } body)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status413PayloadTooLarge, $"The request may have {DeviceBody.Limit / 1024} KiB.");
            return null;
        }

        if (context.Request.ContentType?.StartsWith("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase) ?? false)
        {
            var form = Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(System.Text.Encoding.UTF8.GetString(body.Span));
            return form.ToDictionary(f => f.Key, f => (string?)f.Value.ToString(), StringComparer.Ordinal);
        }

        if (body.Length == 0 || !DeviceBody.IsJson(context.Request))
            return new Dictionary<string, string?>();
        var (fields, problem) = RegistrationRequest.FieldsOf(body);
        if (fields is null)
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, problem!);
        return fields;
    }

    private async Task<(long FleetId, string Uuid)?> DeviceAsync(long deviceId, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT fleet_id, uuid FROM device WHERE id = @p0", deviceId);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? (reader.GetInt64(0), reader.GetString(1)) : null;
    }
}
