using Microsoft.AspNetCore.Http.Features;
using Muster.Core.Query;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Reads;

/// <summary>A request of the resource API, parsed from its target as sent.</summary>
/// <param name="Target">Path and query, undecoded; quoted in the answer to a malformed one.</param>
internal sealed record ResourceRequest(ResourceModel Model, ResourceQuery Query, string Target)
{
    /// <exception cref="RefusedException">400: the query is not of the dialect.</exception>
    public static ResourceRequest Of(HttpContext context, ResourceModel model)
    {
        // Routing decodes the path, and would lose where a quoted "/" ends: /application(slug='org%2Ffleet').
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        if (target is not ['/', ..])
            target = context.Request.Path.ToUriComponent() + context.Request.QueryString.ToUriComponent();
        var question = target.IndexOf('?', StringComparison.Ordinal);
        var path = question < 0 ? target : target[..question];
        // The version alone, with or without a slash, names the resource "", which there is not.
        if (path.Length <= model.Version.Length + 2)
            return new ResourceRequest(model, new ResourceQuery(""), target);
        try
        {
            var query = QueryParser.Parse(path[(model.Version.Length + 2)..], question < 0 ? "" : target[(question + 1)..]);
            return new ResourceRequest(model, query, target);
        }
        catch (QuerySyntaxException)
        {
            throw RefusedException.Invalid($"Malformed url: '{target}'");
        }
    }
}
