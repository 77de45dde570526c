using Microsoft.AspNetCore.Http.Features;

namespace Muster.Server.Hosting;

/// <summary>Answers that go on for as long as the caller listens.</summary>
internal static class Streams
{
    /// <summary>Sets the headers of a stream: it is not kept, and proxies in front (nginx and its kin) pass it on as it comes.</summary>
    public static void BeginStream(this HttpResponse response, string contentType)
    {
        response.ContentType = contentType;
        response.Headers.CacheControl = "no-store";
        response.Headers["X-Accel-Buffering"] = "no";
        response.HttpContext.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
    }
}
