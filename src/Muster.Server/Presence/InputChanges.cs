using System.Collections.Concurrent;
using Muster.Storage;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Brings memory up to date after people changed something that the rules or the target state read.</summary>
internal sealed class InputChanges(FleetMemory memory, PresenceReader reader, PartitionMail mail, Allowances allowances) : IDisposable
{
    private const int MaxMissed = 1_000;

    private readonly ConcurrentQueue<InputChange> missed = new();
    private readonly SemaphoreSlim fleetOrder = new(1, 1);
    private volatile bool missedTooMany;

    public async Task ApplyAsync(InputChange change)
    {
        foreach (var fleet in change.Fleets.Concat(change.Releases))
            memory.MoveFleetTicket(fleet);
        try
        {
            await FollowAsync(change);
        }
        catch (Exception e) when (e is DatabaseAwayException or PresenceBusyException)
        {
            // The change stands on record; what follows from it is caught up with when the database is back.
            if (missed.Count < MaxMissed)
                missed.Enqueue(change);
            else
                missedTooMany = true;
            throw;
        }
    }

    /// <summary>Applies what could not be followed while the database was away.</summary>
    public async Task CatchUpAsync()
    {
        await allowances.CatchUpAsync();
        if (missedTooMany)
        {
            missedTooMany = false;
            missed.Clear();
            var all = await reader.FleetsAsync();
            await ApplyAsync(new("recovery") { Fleets = [.. all.Select(f => f.Id)], Organizations = [.. all.Select(f => f.OrganizationId).Distinct()] });
        }

        for (var left = missed.Count; left > 0 && missed.TryDequeue(out var change); left--)
            await ApplyAsync(change);
    }

    /// <summary>Whether something waits for <see cref="CatchUpAsync"/>.</summary>
    public bool HasMissed => missedTooMany || !missed.IsEmpty || allowances.Owes;

    /// <summary>Publishes what stands on record of devices whose commits ended in the dark. The rule waits.</summary>
    public Task ReloadAsync(IReadOnlyCollection<long> devices) => Task.WhenAll(devices.Select(id => mail.PostAsync(Partition.Of(id), new ReadFact(id, cause: null))));

    public void Dispose() => fleetOrder.Dispose();

    private async Task FollowAsync(InputChange change)
    {
        var organizations = new HashSet<long>(change.Organizations);
        await ReadFleetsAsync(change, organizations);
        var devices = new HashSet<long>([.. change.Devices, .. change.Added, .. change.Removed.Select(r => r.Id)]);
        if (change.Fleets.Count > 0)
            devices.UnionWith(await reader.DeviceIdsAsync(change.Fleets));

        var facts = devices.Select(id => new ReadFact(id, change.Cause)).ToList();
        await Task.WhenAll(facts.Select(fact => mail.PostAsync(Partition.Of(fact.DeviceId), fact)));
        foreach (var fleet in facts.SelectMany(f => f.Counted).Distinct())
        {
            if (memory.Fleets.TryGetValue(fleet, out var row) && row.IsLimited)
                organizations.Add(row.OrganizationId);
        }

        await Task.WhenAll(organizations.Select(allowances.LookAtAsync));
    }

    /// <summary>One at a time, so that an older reading never overrides a newer one.</summary>
    private async Task ReadFleetsAsync(InputChange change, HashSet<long> organizations)
    {
        if (change.Fleets.Count == 0 && change.Organizations.Count == 0)
            return;
        await fleetOrder.WaitAsync();
        try
        {
            var rows = (await reader.FleetsAsync(fleets: change.Fleets)).Concat(await reader.FleetsAsync(organizations: change.Organizations)).ToList();
            foreach (var gone in change.Fleets.Except(rows.Select(r => r.Id)))
                memory.Fleets.TryRemove(gone, out _);
            foreach (var row in rows)
            {
                memory.Fleets[row.Id] = row;
                if (row.IsLimited)
                    organizations.Add(row.OrganizationId);
            }
        }
        finally
        {
            fleetOrder.Release();
        }
    }
}
