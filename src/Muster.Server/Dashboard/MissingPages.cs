using Microsoft.AspNetCore.Components.Endpoints;
using Microsoft.Net.Http.Headers;

namespace Muster.Server.Dashboard;

/// <summary>A person who comes to an address that does not exist gets a page that says so; programs keep the bare 404.</summary>
internal static class MissingPages
{
    /// <summary>First segments of what programs call; what is missing there is no page.</summary>
    private static readonly string[] OfPrograms =
        ["api-key", "auth", "dashboard", "device", "healthz", "lib", "login_", "metrics", "muster", "os", "readyz", "resin", "services", "supervisor", "user", "v5", "v6", "v7", "_blazor", "_framework"];

    /// <summary>After routing, which has found nothing for such an address.</summary>
    public static WebApplication UseMissingPages(this WebApplication app)
    {
        var page = new Lazy<Endpoint>(() => ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints)
            .First(endpoint => endpoint.Metadata.GetMetadata<ComponentTypeMetadata>()?.Type == typeof(NotFoundPage)));
        app.Use((context, next) =>
        {
            if (IsForPage(context))
                context.SetEndpoint(page.Value);
            return next(context);
        });
        return app;
    }

    private static bool IsForPage(HttpContext context)
    {
        var request = context.Request;
        if (context.GetEndpoint() is not null || !(HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method)) || request.Headers.ContainsKey(HeaderNames.Authorization))
            return false;
        var first = request.Path.Value!.Split('/', 3)[1];
        return !OfPrograms.Contains(first, StringComparer.OrdinalIgnoreCase) && !Path.HasExtension(request.Path.Value) && TakesHtml(request.Headers.Accept.ToString());
    }

    private static bool TakesHtml(string accept) => accept is "" or "*/*" || accept.Contains("text/html", StringComparison.OrdinalIgnoreCase);
}
