using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Server.Insight;

namespace Muster.Server.Resources.Accounts;

/// <summary>
/// The invited person's side: <c>POST /org/v1/invitation/TOKEN</c> and <c>/user/v1/invitation/TOKEN</c>, as SDKs accept, and
/// <c>/muster/v1/invites</c> for who has no token. Unknown, foreign and expired invites are answered alike.
/// </summary>
internal static class InviteEndpoints
{
    public static void MapInvites(this IEndpointRouteBuilder routes)
    {
        foreach (var path in (string[])["/org/v1/invitation/{token}", "/user/v1/invitation/{token}"])
            routes.MapPost(path, (HttpContext context, string token, Callers callers, Invites invites) => AnswerAsync(context, callers, (caller, from) => invites.AcceptAsync(caller, token, from)));
        routes.MapGet("/muster/v1/invites", ListAsync);
        routes.MapPost("/muster/v1/invites/{id:long}/accept", (HttpContext context, long id, Callers callers, Invites invites) => AnswerAsync(context, callers, (caller, from) => invites.AcceptAsync(caller, id, from)));
        routes.MapDelete("/muster/v1/invites/{id:long}", (HttpContext context, long id, Callers callers, Invites invites) => AnswerAsync(context, callers, (caller, from) => invites.DeclineAsync(caller, id, from)));
    }

    private static async Task<IResult> AnswerAsync(HttpContext context, Callers callers, Func<Caller, string?, Task<bool>> act)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        return await act(caller, AuditEntry.Address(context.Connection.RemoteIpAddress))
            ? Answers.Empty()
            : Answers.Sentence(StatusCodes.Status404NotFound, "You have no such invite, or it has ended.");
    }

    private static async Task<IResult> ListAsync(HttpContext context, Callers callers, Invites invites)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        var found = await invites.OfAsync(caller, cancellation: context.RequestAborted);
        return Answers.Json(new JsonObject
        {
            ["invites"] = new JsonArray([.. found.Select(i => (JsonNode)new JsonObject
            {
                ["id"] = i.Id, ["organization"] = i.Organization, ["handle"] = i.Handle, ["fleet"] = i.Fleet, ["role"] = i.Role,
                ["message"] = i.Message, ["invited_by"] = i.InvitedBy, ["expires_at"] = i.ExpiresAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture),
            })]),
        }.ToJsonString());
    }
}
