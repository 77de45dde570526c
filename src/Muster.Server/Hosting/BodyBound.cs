using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace Muster.Server.Hosting;

/// <summary>
/// Refuses a body that is announced as larger than the bound, before anything reads it. The listener's own bound is wider:
/// it then reads the refused body away, so that a client which sends first and reads later still gets the answer.
/// </summary>
internal sealed class BodyBound(RequestDelegate next, IOptions<ServerLimits> limits)
{
    private readonly long bound = limits.Value.MaxBodyBytes;

    public Task InvokeAsync(HttpContext context)
    {
        if (context.Request.ContentLength is { } length)
        {
            if (length > bound)
                throw new BadHttpRequestException("The body is larger than the bound.", StatusCodes.Status413PayloadTooLarge);
        }
        else if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = bound;
        }

        return next(context);
    }
}
