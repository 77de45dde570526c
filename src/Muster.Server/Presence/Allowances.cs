using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// Which devices an organization's allowance or plan freezes (DESIGN.md, "The status rule", 2). Looked at when
/// something that counts changed; organizations without a limit cost nothing.
/// </summary>
internal sealed class Allowances(FleetMemory memory, PresenceReader reader, PartitionMail mail)
{
    private readonly Dictionary<long, Run> runs = [];
    private readonly Lock gate = new();

    /// <summary>Looks at the fleet's organization again, if it has a limit.</summary>
    public Task LookAtFleetAsync(long fleet) =>
        memory.Fleets.TryGetValue(fleet, out var row) && (row.DeviceAllowance is not null || row.IsUnpaid) ? LookAtAsync(row.OrganizationId) : Task.CompletedTask;

    /// <summary>Freezes and thaws the organization's devices. Calls that come while one is under way share the next.</summary>
    public Task LookAtAsync(long organization)
    {
        lock (gate)
        {
            if (!runs.TryGetValue(organization, out var run))
                runs.Add(organization, run = new());
            return run.Queued ??= RunAsync(run, run.Current, organization);
        }
    }

    private async Task RunAsync(Run run, Task before, long organization)
    {
        await Task.Yield();
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (gate)
        {
            run.Current = run.Queued!;
            run.Queued = null;
        }

        var wrong = await reader.WronglyFrozenAsync(organization);
        await Task.WhenAll(wrong.Select(w => mail.PostAsync(Partition.Of(w.DeviceId), new FrozenFact(w.DeviceId, w.Frozen))));
    }

    private sealed class Run
    {
        public Task Current = Task.CompletedTask;
        public Task? Queued;
    }
}
