using Muster.Server.Presence;

namespace Muster.Server.Devices.Targets;

/// <summary>
/// The hottest way of the server, first in the pipeline: a device polls, its key is right and nothing has changed. Answered
/// from memory, without routing, database or a scope of services. Whatever else a request is, it goes on to the endpoints.
/// </summary>
internal sealed class UnchangedPolls(RequestDelegate next, FleetPresence presence)
{
    private const string Bearer = "Bearer ";

    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        var headers = request.Headers;
        if (!TryParse(request.Path.Value, out var uuid, out var api)
            || !HttpMethods.IsGet(request.Method)
            || headers.IfNoneMatch is not [{ } known]
            || headers.Authorization is not [{ } authorization] || !authorization.StartsWith(Bearer, StringComparison.Ordinal)
            || headers.CacheControl.Count > 0
            || presence.Authenticate(uuid, authorization.AsSpan(Bearer.Length), out var slot) != DeviceAuth.Ok
            || !string.Equals(presence.TargetVersion(slot, api), known, StringComparison.Ordinal))
        {
            return next(context);
        }

        presence.SeenFrom(slot, context.Connection.RemoteIpAddress);
        var polled = presence.PolledAsync(slot);
        // Memory may know of an input by now that this version does not: then the device must hear of it.
        if (!string.Equals(presence.TargetVersion(slot, api), known, StringComparison.Ordinal))
            return AnewAsync(context, polled.AsTask());
        context.Response.StatusCode = StatusCodes.Status304NotModified;
        context.Response.Headers.ETag = known;
        return polled.IsCompletedSuccessfully ? Task.CompletedTask : polled.AsTask();
    }

    private async Task AnewAsync(HttpContext context, Task polled)
    {
        await polled;
        await next(context);
    }

    /// <summary><c>/device/v3/{uuid}/state</c> or <c>/device/v2/{uuid}/state</c>.</summary>
    internal static bool TryParse(ReadOnlySpan<char> path, out ReadOnlySpan<char> uuid, out int api)
    {
        const string v3 = "/device/v3/", v2 = "/device/v2/", state = "/state";
        uuid = default;
        api = 0;
        if (path.Length <= v3.Length + state.Length || !path.EndsWith(state, StringComparison.Ordinal))
            return false;
        api = path.StartsWith(v3, StringComparison.Ordinal) ? 3 : path.StartsWith(v2, StringComparison.Ordinal) ? 2 : 0;
        uuid = path[v3.Length..^state.Length];
        return api != 0 && !uuid.Contains('/');
    }
}
