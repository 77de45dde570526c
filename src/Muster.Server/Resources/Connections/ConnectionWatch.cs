using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Resources.Connections;

/// <summary>
/// Ends what is open when its right ends, and is the only one to do so: after each change of a key, session, membership,
/// device or fleet, and every other second, because a key may expire, and another process may have changed something.
/// </summary>
internal sealed partial class ConnectionWatch(OpenConnections connections, Callers callers, FleetPresence presence, DeviceEdits edits, TimeProvider time, ILogger<ConnectionWatch> log) : BackgroundService
{
    public static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1.5);

    /// <summary>How long one that ends in order may take.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    /// <summary>A storm of changes is one look.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    /// <summary>How long one question may take.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private const int AtOnce = 8;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        callers.Forgotten += connections.Look;
        presence.InputsChanged += Look;
        edits.Edited += Look;
        try
        {
            while (true)
            {
                using (var late = new CancellationTokenSource(LookEvery, time))
                using (var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stoppingToken))
                    await connections.News.ReadAsync(either.Token).AsTask().ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                stoppingToken.ThrowIfCancellationRequested();
                await Parallel.ForEachAsync(connections.List(), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stoppingToken }, LookAtAsync);
                await Task.Delay(Pause, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        finally
        {
            callers.Forgotten -= connections.Look;
            presence.InputsChanged -= Look;
            edits.Edited -= Look;
        }
    }

    private void Look(InputChange change) => connections.Look();

    private void Look(IReadOnlyCollection<long> devices) => connections.Look();

    private async ValueTask LookAtAsync(OpenConnection connection, CancellationToken cancellation)
    {
        var now = time.GetTimestamp();
        if (connection.IsEnded)
        {
            if (time.GetElapsedTime(connection.EndedAt, now) >= Grace)
                connection.Cut();
            return;
        }

        try
        {
            var answer = connection.HoldsAsync(cancellation);
            if (!(answer.IsCompletedSuccessfully ? answer.Result : await answer.AsTask().WaitAsync(Patience, time, cancellation)))
            {
                LogEnded(connection.What, connection.Credential.Kind, connection.Credential.Id);
                connection.End(now);
            }
        }
        catch (Exception e) when (e is DatabaseAwayException or PresenceBusyException or TimeoutException)
        {
            // Nobody's rights have changed as far as anybody knows.
        }
#pragma warning disable CA1031 // one that cannot be judged must not keep the others from it
        catch (Exception e) when (!cancellation.IsCancellationRequested)
#pragma warning restore CA1031
        {
            LogUnknown(e, connection.What);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Ended an open connection ({What}, {Kind} {Id}): its right has ended.")]
    private partial void LogEnded(string what, Muster.Core.Access.CredentialKind kind, long id);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The right of an open connection ({What}) could not be checked; it stays open.")]
    private partial void LogUnknown(Exception e, string what);
}
