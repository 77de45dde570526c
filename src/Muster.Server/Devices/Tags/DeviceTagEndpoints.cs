using System.Text.Json;
using Muster.Core.Access;
using Muster.Core.Text;
using Muster.Server.Presence;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Devices.Tags;

/// <summary><c>PATCH /device/v3/tags</c>: a device sets tags on itself; those it does not name stay (recordings, tags-patch-v3).</summary>
internal sealed class DeviceTagEndpoints(FleetPresence presence, Callers callers, Database database, TimeProvider time)
{
    private const int MaxTags = 100, MaxKey = 255, MaxValue = 4096;

    public async Task PatchAsync(HttpContext context)
    {
        if (Callers.Secret(context.Request) is not { } secret)
        {
            await DeviceAnswers.KeyRequiredAsync(context);
            return;
        }

        if (await DeviceBody.ReadAsync(context, callers) is not { } body)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status413PayloadTooLarge, $"The request may have {DeviceBody.Limit / 1024} KiB.");
            return;
        }

        var (uuid, tags, problem) = Parse(body);
        var auth = presence.Authenticate(uuid, secret, out var slot);
        if (auth != DeviceAuth.Ok)
        {
            if (uuid.Length == 0 && problem is not null && (await callers.OfAsync(context)).KeyRoles.Length > 0)
            {
                await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, problem);
                return;
            }

            if (auth is DeviceAuth.Deleted or DeviceAuth.Frozen || (await callers.OfAsync(context)).KeyRoles.Length > 0)
                await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
            else
                await DeviceAnswers.KeyRequiredAsync(context);
            return;
        }

        await presence.ContactAsync(slot, ContactKind.Tags);
        if (problem is not null)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, problem);
            return;
        }

        if (!await WriteAsync(presence.DeviceId(slot), tags, context.RequestAborted))
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, $"A device may have {OwnerBounds.MostEntries} tags.");
            return;
        }

        context.Response.StatusCode = StatusCodes.Status200OK;
    }

    /// <summary>The one device that the body names ("" for none), its tags, and what is wrong with them.</summary>
    private static (string Uuid, List<(string Key, string Value)> Tags, string? Problem) Parse(ReadOnlyMemory<byte> body)
    {
        List<(string, string)> tags = [];
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Object || document.RootElement.GetPropertyCount() != 1)
                return ("", tags, null);
            var device = document.RootElement.EnumerateObject().First();
            if (device.Value.ValueKind != JsonValueKind.Object)
                return (device.Name, tags, "Tags must be an object.");
            foreach (var tag in device.Value.EnumerateObject())
            {
                if (Problem(tag) is { } problem)
                    return (device.Name, tags, problem);
                tags.Add((tag.Name, tag.Value.GetString()!));
            }

            return (device.Name, tags, tags.Count switch
            {
                0 => "No tags were sent to be updated.",
                > MaxTags => $"At most {MaxTags} tags can be set at once.",
                _ => null,
            });
        }
        catch (JsonException)
        {
            return ("", tags, JsonText.Malformed);
        }
        catch (InvalidOperationException)
        {
            return ("", tags, JsonText.Problem(body.Span) ?? JsonText.Malformed);
        }
    }

    private static string? Problem(JsonProperty tag)
    {
        if (tag.Value.ValueKind != JsonValueKind.String)
            return "A tag's value must be a text.";
        if (tag.Name.Length is 0 or > MaxKey || tag.Name.Any(char.IsWhiteSpace))
            return $"A tag's key must have 1 to {MaxKey} characters and no whitespace.";
        if (NameRule.Problem(tag.Name) is { } problem)
            return $"A tag's key {problem}.";
        if (tag.Name.StartsWith("io.balena.", StringComparison.Ordinal) || tag.Name.StartsWith("io.resin.", StringComparison.Ordinal))
            return "Tag keys beginning with io.balena. and io.resin. are reserved.";
        var value = Text(tag.Value);
        return value is null || value.Length > MaxValue || !WireText.IsStorable(value)
            ? $"The value of \"{tag.Name}\" may have {MaxValue} characters, must be valid Unicode and hold no NUL."
            : null;
    }

    private static string? Text(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>False when the device would have more tags than it may; nothing is written then.</summary>
    private async Task<bool> WriteAsync(long deviceId, List<(string Key, string Value)> tags, CancellationToken cancellation)
    {
        try
        {
            await database.WriteAsync(
                async write =>
                {
                    var now = time.GetUtcNow().ToUnixTimeMilliseconds();
                    foreach (var (key, value) in tags)
                    {
                        await using var command = write.Command(
                            """
                            INSERT INTO device_tag (device_id, tag_key, value, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, @p3)
                            ON CONFLICT (device_id, tag_key) DO UPDATE SET value = excluded.value, modified_at = excluded.modified_at
                            """, deviceId, key, value, now);
                        await command.ExecuteNonQueryAsync(cancellation);
                    }

                    await write.TakeTurnAsync("device_tag", deviceId);
                    await using var count = write.Command("SELECT count(*) FROM device_tag WHERE device_id = @p0", deviceId);
                    if ((long)(await count.ExecuteScalarAsync(cancellation))! > OwnerBounds.MostEntries)
                        throw new TooManyTagsException();
                },
                cancellation);
            return true;
        }
        catch (TooManyTagsException)
        {
            return false;
        }
    }

    /// <summary>Rolls the transaction back.</summary>
    private sealed class TooManyTagsException : Exception;
}
