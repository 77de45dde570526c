using System.Data.Common;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Server.Resources;

/// <summary>Turns a refusal that an endpoint for people throws into its answer. What else goes wrong is the house's to answer.</summary>
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
        catch (UnstorableTextException e)
        {
            return Answers.Sentence(StatusCodes.Status400BadRequest, e.Message);
        }
        catch (DbException e) when (e.SqlState is ['2', '2', ..])
        {
            return Answers.Sentence(StatusCodes.Status400BadRequest, "A value is out of range.");
        }
    }
}
