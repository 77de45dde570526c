using System.Text.Json;
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

        if (await DeviceBody.ReadAsync(context) is not { } body)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status413PayloadTooLarge, $"The request may have {DeviceBody.Limit / 1024} KiB.");
            return;
        }

        var (uuid, tags, problem) = Parse(body);
        var auth = presence.Authenticate(uuid, secret, out var slot);
        if (auth != DeviceAuth.Ok)
        {
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

        await WriteAsync(presence.DeviceId(slot), tags, context.RequestAborted);
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
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return ("", tags, null);
        }
    }

    private static string? Problem(JsonProperty tag)
    {
        if (tag.Value.ValueKind != JsonValueKind.String)
            return "A tag's value must be a text.";
        if (tag.Name.Length is 0 or > MaxKey || tag.Name.Any(char.IsWhiteSpace))
            return $"A tag's key must have 1 to {MaxKey} characters and no whitespace.";
        if (tag.Name.StartsWith("io.balena.", StringComparison.Ordinal) || tag.Name.StartsWith("io.resin.", StringComparison.Ordinal))
            return "Tag keys beginning with io.balena. and io.resin. are reserved.";
        var value = tag.Value.GetString()!;
        return value.Length > MaxValue || value.Contains('\0', StringComparison.Ordinal) || tag.Name.Contains('\0', StringComparison.Ordinal)
            ? $"A tag's value may have {MaxValue} characters and no NUL."
            : null;
    }

    private Task WriteAsync(long deviceId, List<(string Key, string Value)> tags, CancellationToken cancellation) => database.WriteAsync(
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
        },
        cancellation);
}
