using Muster.Core.Access;
using Muster.Core.TargetState;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Devices.Targets;

/// <summary>
/// <c>GET</c> and <c>HEAD</c> of <c>/device/v3/{uuid}/state</c>, <c>/device/v2/{uuid}/state</c> and
/// <c>/device/v3/fleet/{uuid}/state</c>. By the device's own key it is a poll; by a person who may read the device it is not.
/// </summary>
internal sealed class TargetStateEndpoints(FleetPresence presence, Callers callers, DeviceReaders readers, FleetRows fleets, TargetStateReader targets)
{
    public async Task GetAsync(HttpContext context, int api)
    {
        var uuid = (string)context.Request.RouteValues["uuid"]!;
        var secret = Callers.Secret(context.Request);
        var auth = presence.Authenticate(uuid, secret, out var slot);
        if (auth is DeviceAuth.Ok or DeviceAuth.Frozen)
        {
            presence.SeenFrom(slot, context.Connection.RemoteIpAddress);
            await presence.PolledAsync(slot);
        }

        var isThere = presence.TryFind(uuid, out slot);
        var isItself = auth is DeviceAuth.Ok or DeviceAuth.Frozen;
        var caller = isItself ? Caller.Anonymous : await callers.OfAsync(context);
        // To people and fleets, a device that they may not read is like one that is not there. (Device keys are answered as recorded.)
        if (caller.Kind is not (CallerKind.Anonymous or CallerKind.Device) && !(isThere ? await readers.MayReadAsync(caller, slot, context.RequestAborted) : caller.IsServerAdmin))
        {
            await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
            return;
        }

        // A device that is gone or frozen stays quiet, whatever key it has left: there is nothing new for it (recordings deleted-device, frozen-inactive).
        if (!isThere || presence.IsFrozen(slot))
        {
            await DeviceAnswers.EmptyAsync(context, StatusCodes.Status304NotModified);
            return;
        }

        if (!isItself && caller.Kind is (CallerKind.Anonymous or CallerKind.Device))
        {
            await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
            return;
        }

        var ticket = presence.TargetTicket(slot);
        if (await targets.DeviceAsync(presence.DeviceId(slot), context.RequestAborted) is not { } inputs)
        {
            await DeviceAnswers.EmptyAsync(context, StatusCodes.Status304NotModified);
            return;
        }

        var document = api == 2 ? TargetDocument.V2(inputs) : TargetDocument.V3(inputs);
        var version = TargetDocument.Version(document.Span);
        presence.SetTargetVersion(slot, api, version, ticket);
        if (auth is DeviceAuth.Ok)
            presence.Told(slot, inputs.PollIntervalMs);
        await AnswerAsync(context, document, version);
    }

    public async Task GetFleetAsync(HttpContext context)
    {
        var uuid = (string)context.Request.RouteValues["uuid"]!;
        var caller = await callers.OfAsync(context);
        var fleet = await fleets.FleetAsync(uuid, context.RequestAborted);
        if (fleet is null || !await readers.MayReadFleetAsync(caller, fleet, context.RequestAborted))
        {
            await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
            return;
        }

        long? releaseId = null;
        if (context.Request.Query["releaseUuid"] is [{ Length: > 0 } commit])
        {
            releaseId = await fleets.ReleaseIdAsync(fleet.App.Id, commit, fleet.TargetReleaseId, context.RequestAborted);
            if (releaseId is null)
            {
                await DeviceAnswers.EmptyAsync(context, StatusCodes.Status401Unauthorized);
                return;
            }
        }

        var document = TargetDocument.V3(await targets.FleetAsync(fleet, releaseId, context.RequestAborted));
        await AnswerAsync(context, document, TargetDocument.Version(document.Span));
    }

    private static Task AnswerAsync(HttpContext context, ReadOnlyMemory<byte> document, string version)
    {
        context.Response.Headers.ETag = version;
        return IsUnchanged(context.Request, version)
            ? DeviceAnswers.EmptyAsync(context, StatusCodes.Status304NotModified)
            : DeviceAnswers.BytesAsync(context, StatusCodes.Status200OK, document);
    }

    /// <summary>Versions are compared as opaque texts; a list of them and <c>*</c> are allowed (RFC 9110, 13.1.2).</summary>
    private static bool IsUnchanged(HttpRequest request, string version)
    {
        if (request.Headers.CacheControl.ToString().Contains("no-cache", StringComparison.OrdinalIgnoreCase))
            return false;
        foreach (var known in request.Headers.IfNoneMatch)
        {
            if (known is "*" || (known?.Split(',', StringSplitOptions.TrimEntries).Contains(version, StringComparer.Ordinal) ?? false))
                return true;
        }

        return false;
    }
}
