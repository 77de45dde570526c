using System.Security.Claims;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Muster.Core.Access;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard;

/// <summary>
/// Who looks at the page. Asked anew for everything a page reads or does: a role that was taken away, or a session that was
/// ended, ends here too (within the lifetime of the callers' cache).
/// </summary>
internal sealed class Visitor(AuthenticationStateProvider authentication, Callers callers, NavigationManager navigation)
{
    /// <summary>The claim of the cookie that holds the session's token, as the API issues it.</summary>
    public const string Token = "muster:token";

    /// <summary>Address that the page was asked from, for the audit log; null until the page has told it.</summary>
    public string? From { get; set; }

    /// <summary>The signed-in person. One whose session is over is sent to the sign-in page.</summary>
    /// <exception cref="OperationCanceledException">The session is over.</exception>
    public async ValueTask<Caller> CallerAsync(CancellationToken cancellation = default)
    {
        if (await CallerOfAsync((await authentication.GetAuthenticationStateAsync()).User, callers, cancellation) is { Kind: CallerKind.User } caller)
            return caller;
        // The cookie is judged when the page is loaded: by now it may be that of another person, who signed in since.
        navigation.NavigateTo(navigation.Uri, forceLoad: true);
        throw new OperationCanceledException("The session is over.");
    }

    /// <summary>The caller whose session the cookie holds; <see cref="Caller.Anonymous"/> when it is none, or over.</summary>
    public static ValueTask<Caller> CallerOfAsync(ClaimsPrincipal user, Callers callers, CancellationToken cancellation) =>
        user.FindFirstValue(Token) is { } token ? callers.OfTokenAsync(token, cancellation) : ValueTask.FromResult(Caller.Anonymous);

    /// <summary>The caller whose session the request's cookie holds. The request ends when the session does, or a role of the person is lowered.</summary>
    public static ValueTask<Caller> CallerOfAsync(HttpContext context, Callers callers) => callers.OfAsync(context, context.User.FindFirstValue(Token));

    /// <summary>Asks for the person again and again, for work that goes on when the page is closed.</summary>
    public async ValueTask<Func<CancellationToken, ValueTask<Caller>>> BeyondThePageAsync()
    {
        var user = (await authentication.GetAuthenticationStateAsync()).User;
        return cancellation => CallerOfAsync(user, callers, cancellation);
    }

    /// <summary>The signed-in person's name, as shown; null when nobody is signed in.</summary>
    public async ValueTask<string?> NameAsync() => (await authentication.GetAuthenticationStateAsync()).User.Identity?.Name;
}
