using Muster.Core.Access;
using Muster.Server.Resources;
using Muster.Server.Resources.Connections;
using Muster.Storage;

namespace Muster.Server.Dashboard;

/// <summary>
/// The connections of live pages: by people who are signed in only, and as long as they are. A page that is told of the end
/// loads itself anew (<see cref="Layout.MainLayout"/>); one that does not is cut off, and its circuit takes nobody back.
/// </summary>
internal sealed class CircuitDoor(RequestDelegate next, Callers callers, OpenConnections connections)
{
    /// <summary>Read by the browser before there is a circuit, also on the sign-in page; says nothing of anybody.</summary>
    private static readonly PathString Initializers = "/_blazor/initializers";

    public Task InvokeAsync(HttpContext context) =>
        context.Request.Path.StartsWithSegments("/_blazor") && !context.Request.Path.StartsWithSegments(Initializers) ? JudgeAsync(context) : next(context);

    private async Task JudgeAsync(HttpContext context)
    {
        if (context.User.Identity?.IsAuthenticated != true || await ConnectionAsync(context) is not { } connection)
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        // The page ends in order when it can: it has the time that is granted for that.
        _ = connection.Ended;
        await next(context);
    }

    /// <summary>Null when the session is over.</summary>
    private async Task<OpenConnection?> ConnectionAsync(HttpContext context)
    {
        try
        {
            return await Visitor.CallerOfAsync(context, callers) is { Kind: CallerKind.User } ? Callers.ConnectionOf(context) : null;
        }
        catch (DatabaseAwayException)
        {
            // A page that comes back now says that the database is away. It is judged when that can be done.
            var connection = connections.Enter(
                context.Request.Path, default, async cancellation => await Visitor.CallerOfAsync(context.User, callers, cancellation) is { Kind: CallerKind.User }, context.Abort);
            context.Response.RegisterForDispose(connection);
            return connection;
        }
    }
}
