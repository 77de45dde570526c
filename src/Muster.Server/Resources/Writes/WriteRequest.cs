using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Server.Resources.Reads;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>A write as asked for: which rows of which resource, by whom, with what.</summary>
internal sealed record WriteRequest(ResourceModel Model, Resource Resource, ResourceQuery Query, Caller Caller, RequestBody Body)
{
    /// <summary>Reads the URL and the body. Who may do nothing of the kind is refused before the body is read.</summary>
    /// <exception cref="RefusedException">401, 400 or 413.</exception>
    public static async Task<WriteRequest> ReadAsync(HttpContext context, ResourceModel model, Caller caller, Act act)
    {
        var asked = ResourceRequest.Of(context, model);
        var query = asked.Query;
        if (query.Resource.StartsWith('$'))
            throw RefusedException.Invalid($"Malformed url: '{asked.Target}'");
        var resource = model.Resource(query.Resource) ?? throw RefusedException.Unknown(caller, query.Resource);
        if (!AccessRule.AllowsSomewhere(caller, resource.Name, act, []))
            throw RefusedException.NotPermitted();
        var body = act == Act.Delete ? RequestBody.Empty : await RequestBody.ReadAsync(context.Request, context.RequestAborted, withFiles: resource.Name == "release_asset");
        return new WriteRequest(model, resource, query, caller, body);
    }
}
