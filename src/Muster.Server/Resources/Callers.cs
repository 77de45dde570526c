using Muster.Core.Access;

namespace Muster.Server.Resources;

/// <summary>
/// Who is calling: turns a bearer token, an API key (header or <c>?apikey=</c>) or Basic credentials into a <see cref="Caller"/>.
/// Keys are looked up by SHA-256 in a bounded cache in front of the database.
/// </summary>
public sealed class Callers
{
    /// <summary>The caller of this request; <see cref="Caller.Anonymous"/> when there are no credentials or wrong ones. Resolved once per request.</summary>
    public ValueTask<Caller> OfAsync(HttpContext context) => throw new NotImplementedException();

    /// <summary>The secret of the request as sent (Bearer, ApiKey, or <c>?apikey=</c>), or null.</summary>
    public static string? Secret(HttpRequest request) => throw new NotImplementedException();
}
