using System.Globalization;
using Muster.Core.Access;

namespace Muster.Server.Resources.Accounts;

/// <summary>Log-in and token refresh.</summary>
internal static class LoginEndpoints
{
    public static void MapLogin(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/login_", LoginAsync);
        routes.MapGet("/user/v1/refresh-token", RefreshAsync);
        routes.MapPost("/user/v1/logout", LogOutAsync);
    }

    private static async Task<IResult> LoginAsync(HttpContext context, SignIn signIn)
    {
        var body = await RequestBody.ReadAsync(context.Request, context.RequestAborted);
        if (body.Text("username") is not { } username || body.Text("password") is not { } password)
            return Answers.Empty(StatusCodes.Status400BadRequest);
        var answer = await signIn.TryAsync(username, password, context.Connection.RemoteIpAddress, context.Request.Headers.UserAgent, context.RequestAborted);
        if (answer.Wait is { } wait)
        {
            context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            return Answers.Sentence(StatusCodes.Status429TooManyRequests, "Too many failed log-ins. Try again later.");
        }

        return answer.Token is { } token ? Results.Text(token) : Answers.Empty(StatusCodes.Status401Unauthorized);
    }

    /// <summary>A fresh token for the session of the given one; API keys have no session.</summary>
    private static async Task<IResult> RefreshAsync(HttpContext context, Callers callers, Sessions sessions) =>
        await callers.OfAsync(context) is { Credential: { Kind: CredentialKind.Session } session } && await sessions.RefreshAsync(session.Id) is { } token
            ? Results.Text(token)
            : Answers.Empty(StatusCodes.Status401Unauthorized);

    /// <summary>Ends the session of the token: no token of it, and no cookie, is good from here on.</summary>
    private static async Task<IResult> LogOutAsync(HttpContext context, Callers callers, Sessions sessions)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Credential.Kind != CredentialKind.Session)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        // What is open with the session ends with it, but for this request: its answer has to go out.
        Callers.ConnectionOf(context).Dispose();
        await sessions.EndAsync(caller.SubjectId, caller.Credential.Id);
        return Answers.Empty(StatusCodes.Status200OK);
    }
}
