using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Insight;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>Has a device do something at once, for the pages of this server: the calls, and the rule, of <c>POST /supervisor/…</c>.</summary>
public sealed class DeviceActions
{
    private const int LongestSentence = 300;

    /// <summary>Where supervisors put their words in JSON.</summary>
    private static readonly string[] WordFields = ["Error", "error", "message"];

    private static readonly DeviceActionAnswer NotFound = new(DeviceActionOutcome.NotFound, "There is no such device.");

    private static readonly DeviceActionAnswer Frozen = new(DeviceActionOutcome.NotConnected, "The device is frozen and takes no actions.");

    private readonly ConnectedDevices connected;
    private readonly AuditedCalls calls;
    private readonly AuditLog audit;
    private readonly ActionQueue queue;
    private readonly QueuedActions actions;
    private readonly CloudlinkOptions options;

    internal DeviceActions(
        ConnectedDevices connected, AuditedCalls calls, AuditLog audit, ActionQueue queue, QueuedActions actions, IOptions<CloudlinkOptions> options)
    {
        (this.connected, this.calls, this.audit, this.queue, this.actions, this.options) = (connected, calls, audit, queue, actions, options.Value);
        queue.Changed += device => QueueChanged?.Invoke(device);
    }

    /// <summary>Raised with the device's id when something of its queue changed on this node. Handlers return at once and don't throw.</summary>
    public event Action<long>? QueueChanged;

    /// <param name="device">Uuid or id.</param>
    /// <param name="imageId">The service's image, for the actions on one service.</param>
    /// <param name="force">Overrides an update lock.</param>
    /// <param name="from">The caller's address, for the audit log.</param>
    /// <exception cref="Storage.DatabaseAwayException">Nothing was done.</exception>
    public Task<DeviceActionAnswer> RunAsync(Caller caller, string device, DeviceAction action, long? imageId = null, bool force = false, string? from = null, CancellationToken cancellation = default) =>
        IfAllowedAsync(new(caller, from), device, action, imageId, force, (asker, link, call) => RunAsync(asker, link, action, call, force, cancellation), cancellation);

    /// <summary>Has the device do it when it is connected again: once, if that is before the server's usual expiry.</summary>
    /// <inheritdoc cref="RunAsync(Caller, string, DeviceAction, long?, bool, string?, CancellationToken)"/>
    public Task<DeviceActionAnswer> QueueAsync(Caller caller, string device, DeviceAction action, long? imageId = null, bool force = false, string? from = null, CancellationToken cancellation = default) =>
        IfAllowedAsync(new(caller, from), device, action, imageId, force, (asker, link, call) => QueueAsync(asker, link, action, call, cancellation), cancellation);

    /// <summary>The newest queued actions of a device; none for who may not see it.</summary>
    /// <exception cref="Storage.DatabaseAwayException">The database is away.</exception>
    public async Task<IReadOnlyList<QueuedAction>> QueuedAsync(Caller caller, string uuid, int limit, CancellationToken cancellation = default) =>
        caller.Kind is CallerKind.User ? await actions.ListAsync(caller.IsServerAdmin ? null : [.. caller.Memberships.Keys], uuid, state: null, after: null, limit, cancellation) : [];

    /// <summary>Cancels a queued action that has not begun; false when it has, or is not the caller's to cancel.</summary>
    /// <exception cref="Storage.DatabaseAwayException">Ask again.</exception>
    public async Task<bool> CancelAsync(Caller caller, long action, string? from, CancellationToken cancellation = default) =>
        await actions.FindAsync(action, cancellation) is { } queued
        && SupervisorRule.MayCall(caller, queued.DeviceId, queued.OrganizationId, new(queued.Method))
        && await queue.CancelAsync(new(caller, from), queued, cancellation);

    private async Task<DeviceActionAnswer> IfAllowedAsync(
        Asker asker, string device, DeviceAction action, long? imageId, bool force, Func<Asker, DeviceLink, SupervisorCall, Task<DeviceActionAnswer>> work, CancellationToken cancellation)
    {
        if (action.IsOfService() && imageId is null)
            throw new ArgumentException("An action on a service needs its image.", nameof(imageId));
        if (await connected.LinkAsync(device, cancellation) is not { } link || !SupervisorRule.MaySee(asker.Caller, link.Id, link.OrganizationId))
            return NotFound;
        var call = Call(action, link.FleetId, imageId, force);
        if (SupervisorRule.MayCall(asker.Caller, link.Id, link.OrganizationId, call.Method))
            return await work(asker, link, call);
        await calls.RefusedAsync(asker, [(link.Id, link.OrganizationId)], call, cancellation);
        return new(DeviceActionOutcome.NotAllowed, "Your role does not allow this.");
    }

    private async Task<DeviceActionAnswer> RunAsync(Asker asker, DeviceLink link, DeviceAction action, SupervisorCall call, bool force, CancellationToken cancellation)
    {
        if (!link.IsFrozen && link.Tunnel is { } tunnel)
            return Answer(action, await calls.CallAsync(asker, tunnel, call, note: null, cancellation), force);
        await audit.NoteAsync([new(asker.Caller, call.What, link.Id, link.OrganizationId, asker.From, call.Detail)], link.IsFrozen ? "frozen" : "not connected", cancellation);
        return link.IsFrozen ? Frozen : new(DeviceActionOutcome.NotConnected, Missing(action, link), DownSince: link.ChangedAt);
    }

    private async Task<DeviceActionAnswer> QueueAsync(Asker asker, DeviceLink link, DeviceAction action, SupervisorCall call, CancellationToken cancellation)
    {
        if (link.IsFrozen)
            return Frozen;
        try
        {
            await queue.AddAsync(new(asker, call, options.ActionExpiry, Key: null), [link], cancellation);
            return new(DeviceActionOutcome.Queued, $"{action.Word()} is queued: it is done when the device is back.");
        }
        catch (QueueRefusedException e)
        {
            return new(DeviceActionOutcome.Refused, e.Message);
        }
    }

    private static string Missing(DeviceAction action, DeviceLink link)
    {
        var since = link.ChangedAt is { } at
            ? DateTimeOffset.FromUnixTimeMilliseconds(at).ToString("', which is down since 'yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture)
            : ", which was never up";
        return $"{action.Word()} needs the cloudlink{since}.";
    }

    /// <summary>The calls as the SDK makes them (docs/device-protocol.md, "The supervisor's API").</summary>
    private static SupervisorCall Call(DeviceAction action, long fleet, long? imageId, bool force)
    {
        (string Path, JsonElement? Data) call = action switch
        {
            DeviceAction.Blink => ("/v1/blink", null),
            DeviceAction.Reboot => ("/v1/reboot", Json(new() { ["force"] = force })),
            DeviceAction.Shutdown => ("/v1/shutdown", Json(new() { ["force"] = force })),
            // An update that already waits for the lock takes no notice of the force alone (docs/device-protocol.md, "Updates and locks").
            DeviceAction.Update when force => ("/v1/update", Json(new() { ["force"] = true, ["cancel"] = true })),
            DeviceAction.Update => ("/v1/update", Json(new() { ["force"] = false })),
            DeviceAction.Restart => ("/v1/restart", Json(Forced(new() { ["appId"] = fleet }, force))),
            DeviceAction.Purge => ("/v1/purge", Json(Forced(new() { ["appId"] = fleet }, force))),
            _ => ($"/v2/applications/{fleet}/{Verb(action)}-service", Json(Forced(new() { ["appId"] = fleet, ["imageId"] = imageId }, force))),
        };
        return new(HttpMethod.Post, call.Path, call.Data);
    }

    private static string Verb(DeviceAction action) => action switch
    {
        DeviceAction.RestartService => "restart",
        DeviceAction.StopService => "stop",
        _ => "start",
    };

    private static JsonObject Forced(JsonObject data, bool force)
    {
        if (force)
            data["force"] = true;
        return data;
    }

    private static JsonElement Json(JsonObject data) => JsonSerializer.SerializeToElement(data);

    private static DeviceActionAnswer Answer(DeviceAction action, SupervisorAnswer answer, bool forced) => answer.Status switch
    {
        // A stock supervisor says so when instant updates are switched off.
        StatusCodes.Status202Accepted when action is DeviceAction.Update =>
            new(DeviceActionOutcome.Refused, "The device ignored it: instant updates are switched off by its configuration.", CanForce: !forced),
        >= 200 and < 300 => new(DeviceActionOutcome.Done, $"{action.Word()}: the device took it on."),
        StatusCodes.Status423Locked => new(DeviceActionOutcome.Refused, $"An update lock on the device stands against it: {Words(answer)}", CanForce: !forced && action.MeetsLocks()),
        StatusCodes.Status401Unauthorized => new(DeviceActionOutcome.Refused, "The device does not accept the key that it reported; it reports a new one when its supervisor restarts."),
        StatusCodes.Status502BadGateway or StatusCodes.Status504GatewayTimeout => new(DeviceActionOutcome.Unreachable, Words(answer)),
        _ => new(DeviceActionOutcome.Refused, $"The device refused ({answer.Status}): {Words(answer)}"),
    };

    /// <summary>The words in a supervisor's answer: in JSON, or plain.</summary>
    private static string Words(SupervisorAnswer answer)
    {
        var text = answer.Body;
        try
        {
            if (JsonNode.Parse(text) is JsonObject json)
            {
                text = WordFields.Select(name => json[name] is JsonValue value && value.TryGetValue(out string? words) ? words : null)
                    .FirstOrDefault(words => !string.IsNullOrEmpty(words)) ?? text;
            }
        }
        catch (JsonException)
        {
            // Plain text.
        }

        text = text.Trim();
        if (text.Length == 0)
            text = "it gave no reason.";
        return text.Length <= LongestSentence ? text : text[..LongestSentence] + "…";
    }
}
