using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;

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
        routes.MapGet(Out, async (HttpContext context, string? returnTo) =>
        {
            await context.SignOutAsync(CookieAuthenticationDefaults.AuthenticationScheme);
            return Results.LocalRedirect(returnTo is null ? Page : $"{Page}?{ReturnTo}={Uri.EscapeDataString(Local(returnTo))}");
        });
    }

    /// <summary>Begins the session in this browser.</summary>
    public static Task BeginAsync(HttpContext context, string name, string token) => context.SignInAsync(
        CookieAuthenticationDefaults.AuthenticationScheme,
        new ClaimsPrincipal(new ClaimsIdentity([new(ClaimTypes.Name, name), new(Visitor.Token, token)], CookieAuthenticationDefaults.AuthenticationScheme)),
        new AuthenticationProperties { IsPersistent = true });

    /// <summary>The address when it is one of our own pages, else the first page: nobody is led away by a link to the sign-in.</summary>
    public static string Local(string? address) =>
        address is ['/', ..] && !address.StartsWith("//", StringComparison.Ordinal) && !address.StartsWith("/\\", StringComparison.Ordinal) ? address : "/";
}
