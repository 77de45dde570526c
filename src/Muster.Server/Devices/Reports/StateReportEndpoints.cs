using System.Data.Common;
using System.Globalization;
using Muster.Core.Access;
using Muster.Core.Status;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Devices.Reports;

/// <summary>
/// <c>PATCH /device/v3/state</c> and <c>PATCH /device/v2/{uuid}/state</c> (recordings state-patch-v3, state-patch-v2). 200 means
/// that the report is durable; whatever is refused has written nothing.
/// </summary>
internal sealed class StateReportEndpoints(FleetPresence presence, Callers callers, DeviceReaders readers, ReportResolver resolver, OwnRow ownRow)
{
    private const string NotYours = "The report names no device that this key belongs to.";
    private const string Foreign = "The report names a release or an image that is not of the device's fleet.";

    public async Task PatchV3Async(HttpContext context)
    {
        if (Callers.Secret(context.Request) is not { } secret)
        {
            await DeviceAnswers.KeyRequiredAsync(context);
            return;
        }

        if (await DeviceBody.ReadAsync(context, callers) is not { } body)
        {
            await TooLargeAsync(context);
            return;
        }

        var parsed = DeviceBody.IsJson(context.Request) && body.Length > 0 ? StateReportParser.ParseV3(body.Span) : new() { Verdict = ReportVerdict.NotOneDevice };
        if (parsed.Verdict == ReportVerdict.Malformed)
        {
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, parsed.Problem);
            return;
        }

        var auth = presence.Authenticate(parsed.Uuid, secret, out var slot);
        var isPerson = auth == DeviceAuth.WrongKey && parsed.Verdict != ReportVerdict.NotOneDevice && presence.TryFind(parsed.Uuid, out slot) && await IsPersonsKeyAsync(context, slot);
        if (parsed.Verdict == ReportVerdict.NotOneDevice || (auth != DeviceAuth.Ok && !isPerson))
        {
            await RefuseAsync(context, auth, slot);
            return;
        }

        await TakeAsync(context, parsed, slot, isContact: !isPerson);
    }

    public async Task PatchV2Async(HttpContext context)
    {
        var uuid = (string)context.Request.RouteValues["uuid"]!;
        if (Callers.Secret(context.Request) is not { } secret)
        {
            await DeviceAnswers.KeyRequiredAsync(context);
            return;
        }

        var auth = presence.Authenticate(uuid, secret, out var slot);
        switch (auth)
        {
            case DeviceAuth.Ok:
                if (await DeviceBody.ReadAsync(context) is not { } body)
                {
                    await TooLargeAsync(context);
                    return;
                }

                var parsed = DeviceBody.IsJson(context.Request) ? StateReportParser.ParseV2(body.Span) : new() { Verdict = ReportVerdict.Invalid, Problem = "The body must be JSON." };
                if (parsed.Verdict == ReportVerdict.Malformed)
                    await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, parsed.Problem);
                else
                    await TakeAsync(context, parsed, slot, isContact: true);
                return;
            case DeviceAuth.Frozen:
                await RefuseAsync(context, auth, slot);
                return;
            default:
                // A key that is somebody's: 200, and nothing is written (recordings: another device's key, unknown and deleted device).
                if (auth == DeviceAuth.Deleted || await HasKeyAsync(context))
                    await DeviceAnswers.EmptyAsync(context, StatusCodes.Status200OK);
                else
                    await DeviceAnswers.KeyRequiredAsync(context);
                return;
        }
    }

    private async Task TakeAsync(HttpContext context, ParsedReport parsed, DeviceSlot slot, bool isContact)
    {
        if (parsed.Verdict != ReportVerdict.Ok)
        {
            await ContactAsync(slot, isContact);
            await DeviceAnswers.SentenceAsync(context, StatusCodes.Status400BadRequest, parsed.Problem);
            return;
        }

        var address = isContact ? PublicAddress(context) : null;
        for (var isAgain = false; ; isAgain = true)
        {
            var resolved = await resolver.ResolveAsync(parsed, slot, address, isAgain, context.RequestAborted);
            var isForeign = IsForeign(parsed, resolved);
            if (!isForeign && !await ownRow.WriteAsync(parsed, slot, context.RequestAborted))
            {
                // A wish to run what is not of the fleet; the rest of the report is as true without it.
                resolved.PassOver(string.Create(CultureInfo.InvariantCulture, $"release {parsed.PinnedReleaseId.Value}"));
                parsed.PinnedReleaseId = default;
                isForeign = IsForeign(parsed, resolved) || !await ownRow.WriteAsync(parsed, slot, context.RequestAborted);
            }

            if (isForeign)
            {
                await ContactAsync(slot, isContact);
                await DeviceAnswers.SentenceAsync(context, StatusCodes.Status401Unauthorized, Foreign);
                return;
            }

            if (isContact && !isAgain)
            {
                presence.SeenFrom(slot, context.Connection.RemoteIpAddress);
                presence.SeenMachine(slot, resolved.Report, address ?? "");
            }

            try
            {
                await presence.ReportAsync(slot, resolved.Report, context.RequestAborted, isContact);
            }
            catch (DbException) when (!isAgain)
            {
                // A release was deleted between the look-up and the write: looked up again, it is passed over.
                continue;
            }

            if (resolved.Note is { } note)
                await DeviceAnswers.SentenceAsync(context, StatusCodes.Status200OK, note);
            else
                context.Response.StatusCode = StatusCodes.Status200OK;
            return;
        }
    }

    /// <summary>Whether there is nothing in the report that could be taken: it speaks of apps only, and of none that the device can run.</summary>
    private static bool IsForeign(ParsedReport parsed, ResolvedReport resolved) =>
        resolved is { PassesOver: true, KnowsSome: false } && parsed.Fields == StateReport.Empty
        && !parsed.RunningCommit.IsPresent && !parsed.Name.IsPresent && !parsed.Note.IsPresent && !parsed.PinnedReleaseId.IsPresent;

    private ValueTask ContactAsync(DeviceSlot slot, bool isContact) => isContact ? presence.ContactAsync(slot, ContactKind.Report) : ValueTask.CompletedTask;

    private async Task RefuseAsync(HttpContext context, DeviceAuth auth, DeviceSlot slot)
    {
        if (auth is DeviceAuth.Ok or DeviceAuth.Frozen)
            await presence.ContactAsync(slot, ContactKind.Report);
        else if (!await HasKeyAsync(context) && auth != DeviceAuth.Deleted)
        {
            await DeviceAnswers.KeyRequiredAsync(context);
            return;
        }

        await DeviceAnswers.SentenceAsync(context, StatusCodes.Status401Unauthorized, NotYours);
    }

    private static Task TooLargeAsync(HttpContext context) =>
        DeviceAnswers.SentenceAsync(context, StatusCodes.Status413PayloadTooLarge, $"A report may have {DeviceBody.Limit / 1024} KiB.");

    /// <summary>Whether the request was made with an API key, of whomever, rather than with a login token or nothing.</summary>
    private async Task<bool> HasKeyAsync(HttpContext context) => (await callers.OfAsync(context)).KeyRoles.Length > 0;

    private async Task<bool> IsPersonsKeyAsync(HttpContext context, DeviceSlot slot)
    {
        var caller = await callers.OfAsync(context);
        return caller is { Kind: CallerKind.User, KeyRoles.Length: > 0 } && !presence.IsFrozen(slot)
            && await readers.HasRoleAsync(caller, Role.Developer, presence.FleetId(slot), context.RequestAborted);
    }

    private static string? PublicAddress(HttpContext context) =>
        context.Connection.RemoteIpAddress is { } address ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : null;
}
