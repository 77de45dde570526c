using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Hosting;

/// <summary><c>/healthz</c>: the process answers. <c>/readyz</c>: all devices are loaded and the database takes writes.</summary>
internal static class Health
{
    // A database that does not answer within this is away.
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(3);

    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/healthz", () => Results.Text("OK"));
        app.MapGet("/readyz", async (HttpContext context, Monitoring monitoring, FleetPresence presence, Database database, TimeProvider time, CancellationToken aborted) =>
            await WhyNotReadyAsync(presence, database, time, aborted) is { } reason
                ? Results.Text(monitoring.Allows(context) ? reason : "Not ready", statusCode: StatusCodes.Status503ServiceUnavailable)
                : Results.Text("OK"));
    }

    private static async Task<string?> WhyNotReadyAsync(FleetPresence presence, Database database, TimeProvider time, CancellationToken aborted)
    {
        if (!presence.IsReady)
            return "The devices are being loaded.";
        using var limit = new CancellationTokenSource(ProbeLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, aborted);
        try
        {
            await database.ProbeAsync(either.Token);
            return presence.IsListening ? null : "The database takes no writes.";
        }
        catch (Exception e) when (e is DatabaseAwayException or OperationCanceledException)
        {
            return "The database does not answer.";
        }
    }
}
