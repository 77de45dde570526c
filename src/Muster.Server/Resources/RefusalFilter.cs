using System.Data.Common;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Server.Resources;

/// <summary>Turns what an endpoint for people throws into its answer: refusals, a database that is away, a full queue, a body too large.</summary>
internal sealed class RefusalFilter : IEndpointFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        try
        {
            return await next(context);
        }
        catch (RefusedException e)
        {
            return Answers.Of(e);
        }
        catch (QueryRefusedException e)
        {
            return e.Refusal == QueryRefusal.NotPermitted ? Answers.Empty(StatusCodes.Status401Unauthorized) : Answers.Sentence(StatusCodes.Status400BadRequest, e.Message);
        }
        catch (DbException e) when (e.SqlState is ['2', '2', ..])
        {
            return Answers.Sentence(StatusCodes.Status400BadRequest, "A value is out of range.");
        }
        catch (BadHttpRequestException e)
        {
            return Answers.Empty(e.StatusCode);
        }
        catch (PresenceBusyException)
        {
            return Answers.Later(context.HttpContext, StatusCodes.Status503ServiceUnavailable, 2, "Too many changes are waiting. Try again soon.");
        }
        catch (Exception e) when (e is DatabaseAwayException or TimeoutException or DbException { IsTransient: true })
        {
            return Answers.Later(context.HttpContext, StatusCodes.Status503ServiceUnavailable, 5, "The database cannot be reached. Try again soon.");
        }
    }
}
