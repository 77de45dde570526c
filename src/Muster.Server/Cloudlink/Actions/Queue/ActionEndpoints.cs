using System.Globalization;
using System.Text.Json.Serialization;
using Muster.Core.Access;
using Muster.Server.Resources;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>Answer of <c>GET /muster/v1/actions</c>, newest first.</summary>
/// <param name="Next">Value of <c>after</c> for what is older; null when there is nothing.</param>
internal sealed record ActionList(IReadOnlyList<QueuedAction> Actions, long? Next);

/// <summary>Answer to a call that waits.</summary>
internal sealed record QueuedAnswer(long MusterActionId, string State, DateTimeOffset ExpiresAt);

/// <summary>Answers for one of several devices: its own, and of one for which the call waits.</summary>
internal sealed record DeviceAnswer(
    [property: JsonPropertyName("statusCode")] int StatusCode, string Body, long MusterActionId, string Uuid,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? State = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? ExpiresAt = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, Converters = [typeof(InstantConverter)])]
[JsonSerializable(typeof(ActionList))]
[JsonSerializable(typeof(QueuedAnswer))]
[JsonSerializable(typeof(DeviceAnswer[]))]
internal sealed partial class ActionJson : JsonSerializerContext;

/// <summary>
/// <c>GET /muster/v1/actions?device=&amp;state=&amp;limit=&amp;after=</c>, <c>GET</c> and <c>DELETE /muster/v1/actions/{id}</c>: the queued
/// actions, for the people of their organizations; who may act may cancel.
/// </summary>
internal static class ActionEndpoints
{
    private const int UsualPage = 100;

    public static void MapActions(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/muster/v1/actions", ListAsync);
        routes.MapGet("/muster/v1/actions/{id:long}", ReadAsync);
        routes.MapDelete("/muster/v1/actions/{id:long}", CancelAsync);
    }

    private static async Task<IResult> ListAsync(HttpContext context, string? device, string? state, string? limit, string? after, Callers callers, QueuedActions actions)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is not CallerKind.User)
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        var page = UsualPage;
        if (limit is not null && (!int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out page) || page is < 1 or > QueuedActions.LargestPage))
            return Invalid($"limit must be a number from 1 to {QueuedActions.LargestPage}");
        if (state is not null && !ActionStates.IsState(state))
            return Invalid("state must be queued, running, done, failed, expired, cancelled or unknown");
        var before = long.MaxValue;
        if (after is not null && !long.TryParse(after, NumberStyles.None, CultureInfo.InvariantCulture, out before))
            return Invalid("after must be the next of a page before");
        var found = await actions.ListAsync(caller.IsServerAdmin ? null : [.. caller.Memberships.Keys], device, state, after is null ? null : before, page + 1, context.RequestAborted);
        return Results.Json(new ActionList([.. found.Take(page)], found.Count > page ? found[page - 1].Id : null), ActionJson.Default.ActionList);
    }

    private static async Task<IResult> ReadAsync(HttpContext context, long id, Callers callers, QueuedActions actions) =>
        await SeenAsync(await callers.OfAsync(context), id, actions, context.RequestAborted) is { } action
            ? Results.Json(action, ActionJson.Default.QueuedAction)
            : NoSuchAction(await callers.OfAsync(context));

    private static async Task<IResult> CancelAsync(HttpContext context, long id, Callers callers, QueuedActions actions, ActionQueue queue)
    {
        var caller = await callers.OfAsync(context);
        if (await SeenAsync(caller, id, actions, context.RequestAborted) is not { } action)
            return NoSuchAction(caller);
        if (!SupervisorRule.MayCall(caller, action.DeviceId, action.OrganizationId, new(action.Method)))
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        return await queue.CancelAsync(Asker.Of(caller, context), action, context.RequestAborted)
            ? Results.NoContent()
            : Results.Json("The action has begun or ended already", statusCode: StatusCodes.Status409Conflict);
    }

    private static async Task<QueuedAction?> SeenAsync(Caller caller, long id, QueuedActions actions, CancellationToken cancellation) =>
        caller.Kind is CallerKind.User && await actions.FindAsync(id, cancellation) is { } action && AccessRule.Has(caller, Role.Observer, action.OrganizationId) ? action : null;

    private static IResult NoSuchAction(Caller caller) => caller.Kind is CallerKind.User
        ? Results.Json("Action not found", statusCode: StatusCodes.Status404NotFound)
        : Results.StatusCode(StatusCodes.Status401Unauthorized);

    private static IResult Invalid(string sentence) => Results.Json(sentence, statusCode: StatusCodes.Status400BadRequest);
}
