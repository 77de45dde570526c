using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// Which devices an organization's allowance or plan freezes (docs/device-statuses.md, "Order"). Looked at when
/// something that counts changed; organizations without a limit cost nothing.
/// </summary>
internal sealed class Allowances(FleetMemory memory, PresenceReader reader, PartitionMail mail)
{
    private readonly Dictionary<long, Run> runs = [];
    private readonly HashSet<long> owed = [];
    private readonly Lock gate = new();

    /// <summary>Looks at the fleet's organization again, if it has a limit.</summary>
    public Task LookAtFleetAsync(long fleet) =>
        memory.Fleets.TryGetValue(fleet, out var row) && row.IsLimited ? LookAtAsync(row.OrganizationId) : Task.CompletedTask;

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

    /// <summary>Looks at all organizations with a limit: something may have changed, or been left half done, before we started.</summary>
    public Task LookAtAllAsync() => Task.WhenAll(memory.Fleets.Values.Where(f => f.IsLimited).Select(f => f.OrganizationId).Distinct().Select(LookAtAsync));

    public bool Owes
    {
        get
        {
            lock (gate)
                return owed.Count > 0;
        }
    }

    /// <summary>Looks at the organizations for which it failed.</summary>
    public Task CatchUpAsync()
    {
        long[] again;
        lock (gate)
        {
            again = [.. owed];
            owed.Clear();
        }

        return Task.WhenAll(again.Select(LookAtAsync));
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

        try
        {
            var wrong = await reader.WronglyFrozenAsync(organization);
            await Task.WhenAll(wrong.Select(w => mail.PostAsync(Partition.Of(w.DeviceId), new FrozenFact(w.DeviceId, w.Frozen))));
        }
        catch
        {
            lock (gate)
                owed.Add(organization);
            throw;
        }
    }

    private sealed class Run
    {
        public Task Current = Task.CompletedTask;
        public Task? Queued;
    }
}
