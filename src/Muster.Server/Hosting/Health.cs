using Muster.Storage;

namespace Muster.Server.Hosting;

/// <summary><c>/healthz</c>: the process answers. <c>/readyz</c>: devices may be sent here.</summary>
internal static class Health
{
    // A database that does not answer within this is away.
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(3);

    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/healthz", () => Results.Text("OK"));
        app.MapGet("/readyz", async (Database database, TimeProvider time, CancellationToken aborted) =>
        {
            using var limit = new CancellationTokenSource(ProbeLimit, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, aborted);
            try
            {
                await database.ProbeAsync(either.Token);
                return Results.Text("OK");
            }
            catch (Exception e) when (e is DatabaseAwayException or OperationCanceledException)
            {
                return Results.Text("The database does not answer.", statusCode: StatusCodes.Status503ServiceUnavailable);
            }
        });
    }
}
