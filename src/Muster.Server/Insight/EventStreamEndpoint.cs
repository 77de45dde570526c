using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary>
/// <c>GET /muster/v1/events?fleet=&amp;device=</c>: transitions as server-sent events, those that the caller may see.
/// The id of an event is its place in the history: with <c>Last-Event-ID</c> a reader goes on where it stopped.
/// </summary>
internal static class EventStreamEndpoint
{
    public static void MapEventStream(this IEndpointRouteBuilder routes) => routes.MapGet("/events", StreamAsync);

    private static async Task<IResult> StreamAsync(HttpContext context, string? fleet, string? device, Callers callers, [FromServices] FleetPresence presence, Sight sight, EventStreams streams)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is CallerKind.Anonymous or CallerKind.Fleet || Callers.Secret(context.Request) is not { } secret)
            return Refused.Unauthorized();
        if (!TryNumber(context.Request.Headers["Last-Event-ID"], out var after))
            return Refused.Invalid("Last-Event-ID must be the id of an event");
        if (!TryNumber(fleet, out var onlyFleet))
            return Refused.Invalid("fleet must be the id of a fleet");
        long? onlyDevice = null;
        if (device is not null)
        {
            if (!presence.TryFind(device, out var slot) || !await sight.CanSeeAsync(caller, presence.FleetId(slot), presence.DeviceId(slot), context.RequestAborted))
                return Refused.NoSuchDevice();
            onlyDevice = presence.DeviceId(slot);
        }

        if (!streams.TryEnter())
        {
            context.Response.Headers.RetryAfter = Random.Shared.Next(5, 16).ToString(CultureInfo.InvariantCulture);
            return Results.Json("Too many event streams are open. Try again soon.", statusCode: StatusCodes.Status503ServiceUnavailable);
        }

        try
        {
            if (onlyDevice is { } wanted)
            {
                Callers.ConnectionOf(context).Require(async cancellation =>
                    presence.TryFind(device!, out var now) && presence.DeviceId(now) == wanted && await sight.CanSeeAsync(caller, presence.FleetId(now), wanted, cancellation));
            }

            // The end of a fleet that the caller does not see is none of its business.
            if (onlyFleet is { } id && presence.HasFleet(id) && await sight.CanSeeFleetAsync(caller, id, context.RequestAborted))
                Callers.ConnectionOf(context).Require(_ => ValueTask.FromResult(presence.HasFleet(id)));
            await streams.RunAsync(context, caller, secret, new(onlyFleet, onlyDevice), after);
        }
        finally
        {
            streams.Leave();
        }

        return Results.Empty;
    }

    private static bool TryNumber(string? text, out long? number)
    {
        number = null;
        if (text is not { Length: > 0 })
            return true;
        if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed))
            return false;
        number = parsed;
        return true;
    }
}
