using System.Text.Json;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Actions;

/// <summary><c>POST /application/{id}/restart</c>: restarts the services of a fleet's connected devices.</summary>
internal static class FleetRestartEndpoint
{
    /// <summary>Devices that one call may reach.</summary>
    private const int MaxDevices = 1_000;

    public static void MapFleetRestart(this IEndpointRouteBuilder routes) => routes.MapPost("/application/{id:long}/restart", RestartAsync);

    /// <summary>200 when each device was asked, whatever it answered.</summary>
    private static async Task<IResult> RestartAsync(HttpContext context, long id, Callers callers, Database database, ConnectedDevices connected, AuditedCalls calls)
    {
        var cancellation = context.RequestAborted;
        var caller = await callers.OfAsync(context);
        var call = new SupervisorCall(HttpMethod.Post, "/v1/restart", JsonSerializer.SerializeToElement(new { appId = id }));
        var organization = await OrganizationAsync(database, id, cancellation);
        var devices = organization is null ? [] : await connected.FindAsync(deviceId: null, id, uuid: null, MaxDevices, cancellation);
        if (organization is not { } owner || !AccessRule.Has(caller, Role.Operator, owner))
        {
            if (organization is { } seen && AccessRule.Has(caller, Role.Observer, seen))
                await calls.RefusedAsync(Asker.Of(caller, context), devices.Select(d => (d.Id, d.OrganizationId)), call, cancellation);
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        }

        await calls.CallAllAsync(Asker.Of(caller, context), devices, call, note: null, cancellation);
        return Results.Text("OK");
    }

    private static async Task<long?> OrganizationAsync(Database database, long fleet, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT organization_id FROM fleet WHERE id = @p0", fleet);
        return await command.ExecuteScalarAsync(cancellation) as long?;
    }
}
