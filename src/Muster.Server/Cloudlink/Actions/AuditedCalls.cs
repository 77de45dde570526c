using System.Text.Json;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Insight;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>Who asks, and from which address.</summary>
internal sealed record Asker(Caller Caller, string? From)
{
    public static Asker Of(Caller caller, HttpContext context) => new(caller, AuditEntry.Address(context.Connection.RemoteIpAddress));
}

/// <summary>A call to the API of supervisors.</summary>
/// <param name="Path">Escaped, beginning with a slash.</param>
/// <param name="Data">JSON to send, or null for no body.</param>
internal sealed record SupervisorCall(HttpMethod Method, string Path, JsonElement? Data)
{
    /// <summary>Fields that tell which service, and whether locks were overridden; nothing else of the data is told.</summary>
    private static readonly string[] TellingFields = ["serviceName", "imageId", "force", "cancel"];

    /// <summary>
    /// The call that does what is asked: an update that already waits for a lock takes no notice of force alone, it has to be
    /// cancelled and begun again (docs/device-protocol.md, "Updates and locks"). Who says something of cancel gets just that.
    /// </summary>
    public SupervisorCall Effective()
    {
        if (Method != HttpMethod.Post || Path.TrimEnd('/') != "/v1/update" || Data is not { ValueKind: JsonValueKind.Object } data
            || data.TryGetProperty("cancel", out _) || !data.TryGetProperty("force", out var force) || !IsTrue(force))
            return this;
        var fields = data.EnumerateObject().ToDictionary(f => f.Name, f => f.Value, StringComparer.Ordinal);
        fields["cancel"] = JsonElement.Parse("true"u8);
        return this with { Data = JsonSerializer.SerializeToElement(fields) };
    }

    /// <summary>As a supervisor reads a flag.</summary>
    private static bool IsTrue(JsonElement flag) => flag.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.Number => flag.GetRawText() == "1",
        JsonValueKind.String => flag.GetString()!.ToUpperInvariant() is "TRUE" or "1" or "ON",
        _ => false,
    };

    /// <summary>Whether it changes something, and so is audited.</summary>
    public bool Acts => Method != HttpMethod.Get && Method != HttpMethod.Head;

    /// <summary>As the audit log has it: <c>action.reboot</c>, <c>action.restart-service</c>, …</summary>
    public string What
    {
        get
        {
            var last = Path[(Path.TrimEnd('/').LastIndexOf('/') + 1)..].TrimEnd('/').ToLowerInvariant();
            return $"action.{(last.Length is > 0 and <= 40 && last.All(c => char.IsAsciiLetter(c) || c is '-') ? last : "call")}";
        }
    }

    public string Detail
    {
        get
        {
            var told = Data is { ValueKind: JsonValueKind.Object } data
                ? TellingFields.Where(name => data.TryGetProperty(name, out var value) && value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array))
                    .Select(name => $"{name}={data.GetProperty(name)}")
                : [];
            return string.Join(' ', [Method.Method, Path, .. told]);
        }
    }
}

/// <summary>Calls to supervisors on behalf of somebody: on record before they are made, with their outcome after. Questions are not recorded.</summary>
internal sealed class AuditedCalls(SupervisorClient supervisors, AuditLog audit)
{
    /// <param name="note">Stands before the call in the entry's detail.</param>
    /// <exception cref="Storage.DatabaseAwayException">Nothing was called.</exception>
    public async Task<SupervisorAnswer> CallAsync(Asker asker, TunnelledDevice device, SupervisorCall call, string? note, CancellationToken cancellation) =>
        (await CallAllAsync(asker, [device], call, note, cancellation))[0];

    /// <summary>The same call to several devices; answers in their order.</summary>
    /// <exception cref="Storage.DatabaseAwayException">Nothing was called.</exception>
    public async Task<SupervisorAnswer[]> CallAllAsync(Asker asker, IReadOnlyList<TunnelledDevice> devices, SupervisorCall call, string? note, CancellationToken cancellation)
    {
        if (!call.Acts)
            return await supervisors.CallAllAsync(devices, call, cancellation);
        var detail = note is null ? call.Detail : $"{note}: {call.Detail}";
        var ids = await audit.BeginAllAsync([.. devices.Select(device => new AuditEntry(asker.Caller, call.What, device.Id, device.OrganizationId, asker.From, detail))], cancellation);
        SupervisorAnswer[]? answers = null;
        try
        {
            return answers = await supervisors.CallAllAsync(devices, call, cancellation);
        }
        finally
        {
            // Broken off in the middle: the device may have done it.
            await audit.EndAllAsync([.. ids.Select((id, i) => (id, answers?[i].Word ?? AuditOutcome.Unknown))]);
        }
    }

    /// <summary>Puts on record that the caller may not do this: one entry for each organization.</summary>
    /// <exception cref="Storage.DatabaseAwayException">It is not on record.</exception>
    public Task RefusedAsync(Asker asker, IEnumerable<(long Id, long OrganizationId)> devices, SupervisorCall call, CancellationToken cancellation) => call.Acts
        ? audit.NoteAsync(
            [.. devices.GroupBy(d => d.OrganizationId).Select(group => group.ToList()).Select(some => some.Count == 1
                ? new AuditEntry(asker.Caller, call.What, some[0].Id, some[0].OrganizationId, asker.From, call.Detail)
                : new AuditEntry(asker.Caller, call.What, null, some[0].OrganizationId, asker.From, $"{some.Count} devices: {call.Detail}"))],
            AuditOutcome.Refused, cancellation)
        : Task.CompletedTask;
}
