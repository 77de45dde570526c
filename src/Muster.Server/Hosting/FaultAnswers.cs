using System.Data.Common;
using System.Globalization;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Hosting;

/// <summary>
/// Turns what an endpoint could not handle into an answer: 503 when Muster cannot take work now, 4xx for a request that
/// breaks a bound of HTTP, else 500. Nothing of the exception goes out.
/// </summary>
internal sealed partial class FaultAnswers(RequestDelegate next, ILogger<FaultAnswers> log)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The caller is gone; there is nobody to answer.
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            await AnswerAsync(context, e);
        }
    }

    private async Task AnswerAsync(HttpContext context, Exception e)
    {
        var (status, sentence) = e switch
        {
            DatabaseAwayException or TimeoutException or DbException { IsTransient: true } => (StatusCodes.Status503ServiceUnavailable, "The database is away; nothing was changed. Try again later."),
            PresenceBusyException => (StatusCodes.Status503ServiceUnavailable, "Too much is waiting; nothing was changed. Try again later."),
            BodyBudgetException => (StatusCodes.Status503ServiceUnavailable, "Too many large requests are being read; nothing was changed. Try again later."),
            DeviceGoneException => (StatusCodes.Status401Unauthorized, "The device was deleted."),
            BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => (StatusCodes.Status413PayloadTooLarge, "The request is too large."),
            BadHttpRequestException { StatusCode: StatusCodes.Status408RequestTimeout } => (StatusCodes.Status408RequestTimeout, "The body of the request came too slowly."),
            BadHttpRequestException { StatusCode: StatusCodes.Status401Unauthorized } => (StatusCodes.Status401Unauthorized, "So large a request needs credentials."),
            UnstorableTextException => (StatusCodes.Status400BadRequest, e.Message),
            // A chunk's size that overflows, in a body that the framework reads.
            IOException { InnerException: OverflowException } => (StatusCodes.Status400BadRequest, "The request is malformed."),
            BadHttpRequestException bad => (bad.StatusCode, "The request is malformed."),
            _ => (StatusCodes.Status500InternalServerError, "Something went wrong in the server."),
        };
        if (status == StatusCodes.Status500InternalServerError)
            LogUnhandled(e, context.Request.Method, context.Request.Path);
        else if (status == StatusCodes.Status503ServiceUnavailable)
            LogAway(e.Message, context.Request.Method, context.Request.Path);

        context.Response.Clear();
        context.Response.StatusCode = status;
        // A supervisor reads Retry-After as milliseconds and would come back at once (docs/device-protocol.md).
        if (status == StatusCodes.Status503ServiceUnavailable && !IsFromDevice(context.Request))
            context.Response.Headers.RetryAfter = Random.Shared.Next(2, 11).ToString(CultureInfo.InvariantCulture);
        await context.Response.WriteAsJsonAsync(sentence, context.RequestAborted);
    }

    private static bool IsFromDevice(HttpRequest request) =>
        request.Path.StartsWithSegments("/device", StringComparison.Ordinal)
        || request.Path.StartsWithSegments("/os", StringComparison.Ordinal)
        || request.Path.StartsWithSegments("/auth", StringComparison.Ordinal)
        || request.Headers.UserAgent.ToString().StartsWith("Supervisor/", StringComparison.Ordinal);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path} failed")]
    private partial void LogUnhandled(Exception e, string method, PathString path);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Method} {Path} refused: {Why}")]
    private partial void LogAway(string why, string method, PathString path);
}
