using Microsoft.AspNetCore.Components.Endpoints;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace Muster.Server.Hosting;

/// <summary>
/// Refuses a body that is announced as larger than the bound, before anything reads it, and bounds one that comes in chunks
/// alike. The forms of pages are read by the framework, signed in or not: they are small. The listener's own bound is wider
/// where <see cref="BufferedBody"/> reads: it drops the rest of a refused body, so that a client which sends first and reads
/// later still gets the answer.
/// </summary>
internal sealed class BodyBound(RequestDelegate next, IOptions<ServerLimits> limits)
{
    private readonly long bound = limits.Value.MaxBodyBytes;

    public Task InvokeAsync(HttpContext context)
    {
        var isForm = context.GetEndpoint()?.Metadata.GetMetadata<ComponentTypeMetadata>() is not null;
        var most = isForm ? BufferedBody.UnknownLimit : bound;
        if (context.Request.ContentLength > most)
            throw new BadHttpRequestException("The body is larger than the bound.", StatusCodes.Status413PayloadTooLarge);
        if (context.Request.ContentLength is null && context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = most;
        return next(context);
    }
}
