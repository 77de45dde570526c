using System.Security.Cryptography;
using System.Text;

namespace Muster.Server.Hosting;

/// <summary>
/// Who may read <c>/metrics</c>, and the reason that <c>/readyz</c> gives: with <c>Monitoring:Url</c> only requests to that address,
/// with <c>Monitoring:Token</c> only those that show the token; with neither, everybody. <c>/healthz</c>, and whether the server
/// is ready, are for everybody always.
/// </summary>
internal sealed class Monitoring
{
    private const int ShortestToken = 16;

    private readonly byte[]? token;
    private readonly int? port;

    /// <exception cref="SettingException">The address or the token cannot be used.</exception>
    public Monitoring(IConfiguration configuration)
    {
        if (configuration["Monitoring:Token"] is { Length: > 0 } secret)
            token = secret.Length >= ShortestToken ? SHA256.HashData(Encoding.UTF8.GetBytes(secret)) : throw new SettingException($"Monitoring:Token has at least {ShortestToken} characters.");
        if (Url(configuration) is { } url)
            port = Parse(url).Port;
    }

    /// <summary>The addresses to listen on: those of <c>--urls</c>, and the address of its own.</summary>
    /// <exception cref="SettingException">The address cannot be used.</exception>
    public static string UrlsWith(IConfiguration configuration)
    {
        var urls = configuration["urls"] is { Length: > 0 } given ? given : ServerHost.DefaultUrl;
        if (Url(configuration) is not { } url)
            return urls;
        var own = Parse(url);
        // Requests are told apart by the port they came to.
        if (own.Scheme != "http" || own.Port == 0 || url.Contains(';', StringComparison.Ordinal) || url.Contains("unix:", StringComparison.Ordinal))
            throw new SettingException($"Monitoring:Url: '{url}' must be one http:// address with a port.");
        if (urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Any(other => Parse(other).Port == own.Port))
            throw new SettingException($"Monitoring:Url needs a port of its own: {own.Port} is in --urls too.");
        return $"{urls};{url}";
    }

    /// <summary>Whether the request came to an address at which there is anything to monitor.</summary>
    public bool IsHere(HttpContext context) => port is null || context.Connection.LocalPort == port;

    /// <summary>Whether the request may see everything.</summary>
    public bool Allows(HttpContext context) =>
        IsHere(context) && (token is null || (Shown(context.Request) is { } shown && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(shown)), token)));

    /// <summary>Refuses <c>/metrics</c> to who may not read it; on the address of its own, there is nothing else than monitoring.</summary>
    public Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        var isMetrics = context.Request.Path.StartsWithSegments("/metrics", StringComparison.OrdinalIgnoreCase);
        if (isMetrics && !Allows(context))
        {
            if (IsHere(context))
                context.Response.Headers.WWWAuthenticate = "Bearer";
            context.Response.StatusCode = IsHere(context) ? StatusCodes.Status401Unauthorized : StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        if (port is not null && IsHere(context) && !isMetrics && context.Request.Path.Value is not ("/healthz" or "/readyz"))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        return next(context);
    }

    private static string? Shown(HttpRequest request) =>
        request.Headers.Authorization is [{ } header] && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? header["Bearer ".Length..].Trim() : null;

    private static string? Url(IConfiguration configuration) => configuration["Monitoring:Url"] is { Length: > 0 } url ? url.Trim() : null;

    private static BindingAddress Parse(string url)
    {
        try
        {
            return BindingAddress.Parse(url);
        }
        catch (FormatException e)
        {
            throw new SettingException($"'{url}' is not an address to listen on; one looks like http://127.0.0.1:9090.", e);
        }
    }
}
