using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Muster.Core.Access;
using Muster.Server.Resources;
using Muster.Server.Resources.Accounts;
using Muster.Storage;

namespace Muster.Server.Dashboard.SignIn;

/// <summary>
/// Signing in and out of the pages, with the accounts of the API. The session is one of the API's, kept in a cookie that
/// scripts cannot read; the API itself takes no cookies, so no other site can act with it.
/// </summary>
internal static class SignInEndpoints
{
    public const string Page = "/login";
    public const string Out = "/logout";
    public const string ReturnTo = "returnTo";

    public static void MapSignIn(this IEndpointRouteBuilder routes)
    {
        // To end one's own session by a link is harmless, and works when the page's token has gone stale.
        routes.MapGet(Out, async (HttpContext context, string? returnTo, Callers callers, Sessions sessions) =>
        {
            await EndAsync(context, callers, sessions);
            await context.SignOutAsync(CookieAuthenticationDefaults.AuthenticationScheme);
            return Results.LocalRedirect(returnTo is null ? Page : $"{Page}?{ReturnTo}={Uri.EscapeDataString(Local(returnTo))}");
        });
    }

    /// <summary>Begins the session in this browser. The one that it had ends: nobody could end it later.</summary>
    public static async Task BeginAsync(HttpContext context, string name, string token)
    {
        await EndAsync(context, context.RequestServices.GetRequiredService<Callers>(), context.RequestServices.GetRequiredService<Sessions>());
        await context.SignInAsync(
            CookieAuthenticationDefaults.AuthenticationScheme,
            new ClaimsPrincipal(new ClaimsIdentity([new(ClaimTypes.Name, name), new(Visitor.Token, token)], CookieAuthenticationDefaults.AuthenticationScheme)),
            new AuthenticationProperties { IsPersistent = true });
    }

    /// <summary>A cookie is as good as its session: one that was kept or copied is worth nothing when that has ended.</summary>
    public static async Task ValidateAsync(CookieValidatePrincipalContext context)
    {
        try
        {
            var callers = context.HttpContext.RequestServices.GetRequiredService<Callers>();
            if (context.Principal is null || await Visitor.CallerOfAsync(context.Principal, callers, context.HttpContext.RequestAborted) is not { Kind: CallerKind.User })
                context.RejectPrincipal();
        }
        catch (DatabaseAwayException)
        {
            // What the page reads or does asks again, and says so.
        }
    }

    private static async Task EndAsync(HttpContext context, Callers callers, Sessions sessions)
    {
        if (await Visitor.CallerOfAsync(context.User, callers, context.RequestAborted) is { Credential: { Kind: CredentialKind.Session } session } caller)
            await sessions.EndAsync(caller.SubjectId, session.Id);
    }

    /// <summary>The address when it is one of our own pages, else the first page: nobody is led away by a link to the sign-in.</summary>
    public static string Local(string? address) =>
        address is ['/', ..] && !address.StartsWith("//", StringComparison.Ordinal) && !address.StartsWith("/\\", StringComparison.Ordinal) ? address : "/";
}
