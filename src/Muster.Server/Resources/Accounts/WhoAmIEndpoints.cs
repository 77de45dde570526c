using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>Whose credentials these are.</summary>
internal static class WhoAmIEndpoints
{
    public static void MapWhoAmI(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/user/v1/whoami", UserAsync);
        routes.MapGet("/actor/v1/whoami", ActorAsync);
    }

    private static async Task<IResult> UserAsync(HttpContext context, Callers callers, People people)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User || await people.FindAsync(caller.SubjectId, context.RequestAborted) is not { } account)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        return Answers.Json(new JsonObject { ["id"] = account.Id, ["username"] = account.Username, ["email"] = account.Email }.ToJsonString());
    }

    private static async Task<IResult> ActorAsync(HttpContext context, Callers callers, People people, Database database)
    {
        var caller = await callers.OfAsync(context);
        var who = new JsonObject { ["id"] = caller.ActorId, ["actorType"] = TypeWord(caller.Kind), ["actorTypeId"] = caller.SubjectId };
        switch (caller.Kind)
        {
            case CallerKind.User when await people.FindAsync(caller.SubjectId, context.RequestAborted) is { } account:
                (who["username"], who["email"]) = (account.Username, account.Email);
                break;
            case CallerKind.Device when await NameAsync(database, "SELECT uuid FROM device WHERE id = @p0", caller, context.RequestAborted) is { } uuid:
                who["uuid"] = uuid;
                break;
            case CallerKind.Fleet when await NameAsync(database, "SELECT slug FROM fleet WHERE id = @p0", caller, context.RequestAborted) is { } slug:
                who["slug"] = slug;
                break;
            default:
                return Answers.Empty(StatusCodes.Status401Unauthorized);
        }

        return Answers.Json(who.ToJsonString());
    }

    private static string TypeWord(CallerKind kind) => kind switch
    {
        CallerKind.User => "user",
        CallerKind.Fleet => "application",
        _ => "device",
    };

    private static async Task<string?> NameAsync(Database database, string sql, Caller caller, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(sql, caller.SubjectId);
        return (string?)await command.ExecuteScalarAsync(cancellation);
    }
}
