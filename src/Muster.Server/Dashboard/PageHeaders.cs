namespace Muster.Server.Dashboard;

/// <summary>What a browser may do with our pages: load from here only, and be framed by nobody.</summary>
internal sealed class PageHeaders(RequestDelegate next)
{
    private const string Policy =
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

    /// <summary>Lets the page's form go to one more address. Called before the answer begins.</summary>
    public static void AllowFormTo(HttpResponse response, Uri address) =>
        response.Headers.ContentSecurityPolicy = Policy.Replace("form-action 'self'", $"form-action 'self' {address.GetLeftPart(UriPartial.Authority)}", StringComparison.Ordinal);

    public Task InvokeAsync(HttpContext context)
    {
        // Answers of the API are no pages; nothing is added to them.
        if (context.GetEndpoint()?.Metadata.GetMetadata<Microsoft.AspNetCore.Components.Endpoints.ComponentTypeMetadata>() is not null)
        {
            var headers = context.Response.Headers;
            headers.ContentSecurityPolicy = Policy;
            headers.XContentTypeOptions = "nosniff";
            headers["Referrer-Policy"] = "same-origin";
        }

        return next(context);
    }
}
