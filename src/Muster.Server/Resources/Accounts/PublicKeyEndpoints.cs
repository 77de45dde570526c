using Muster.Core.Access;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>A person's SSH public keys, for a device that the person may act on: its SSH server asks who may come in.</summary>
internal static class PublicKeyEndpoints
{
    public static void MapPublicKeys(this IEndpointRouteBuilder routes) => routes.MapGet("/auth/v1/public-keys/{username}", KeysAsync);

    private static async Task<IResult> KeysAsync(HttpContext context, string username, Callers callers, Database database)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind == CallerKind.Anonymous)
            return Answers.Json("""{"error":"API key required"}""", StatusCodes.Status401Unauthorized);
        await using var connection = await database.OpenReadAsync(context.RequestAborted);
        await using var command = connection.Statement(
            """
            SELECT k.public_key FROM public_key k JOIN account a ON a.id = k.account_id
            WHERE a.username = @p0 AND (a.is_server_admin <> 0 OR EXISTS (
                SELECT 1 FROM organization_membership m JOIN fleet f ON f.organization_id = m.organization_id JOIN device d ON d.fleet_id = f.id
                WHERE m.account_id = a.id AND m.role <> @p1 AND d.id = @p2)) ORDER BY k.id
            """, username, Role.Observer.Word(), caller.Kind == CallerKind.Device ? caller.SubjectId : 0L);
        await using var reader = await command.ExecuteReaderAsync(context.RequestAborted);
        List<string> keys = [];
        while (caller.Kind == CallerKind.Device && await reader.ReadAsync(context.RequestAborted))
            keys.Add(reader.GetString(0));
        return Results.Text(string.Join('\n', keys), "text/html");
    }
}
