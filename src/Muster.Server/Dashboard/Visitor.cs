using System.Security.Claims;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Muster.Core.Access;
using Muster.Server.Dashboard.SignIn;
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

    /// <summary>The signed-in person. One whose session is over is sent to the sign-in page.</summary>
    /// <exception cref="OperationCanceledException">The session is over.</exception>
    public async ValueTask<Caller> CallerAsync(CancellationToken cancellation = default)
    {
        var user = (await authentication.GetAuthenticationStateAsync()).User;
        if (user.FindFirstValue(Token) is { } token && await callers.OfTokenAsync(token, cancellation) is { Kind: CallerKind.User } caller)
            return caller;
        navigation.NavigateTo($"{SignInEndpoints.Out}?{SignInEndpoints.ReturnTo}={Uri.EscapeDataString(new Uri(navigation.Uri).PathAndQuery)}", forceLoad: true);
        throw new OperationCanceledException("The session is over.");
    }

    /// <summary>The signed-in person's name, as shown; null when nobody is signed in.</summary>
    public async ValueTask<string?> NameAsync() => (await authentication.GetAuthenticationStateAsync()).User.Identity?.Name;
}
