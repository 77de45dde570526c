using System.Collections.Concurrent;
using Muster.Storage;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// Brings memory up to date after people changed something that the rules read. Reads and tellings are in one order,
/// so that an older reading never overrides a newer one.
/// </summary>
internal sealed class InputChanges(FleetMemory memory, PresenceReader reader, PartitionMail mail, Allowances allowances) : IDisposable
{
    private const int DevicesPerRead = 2_000;
    private const int MaxMissed = 1_000;

    private readonly ConcurrentQueue<InputChange> missed = new();
    private readonly SemaphoreSlim order = new(1, 1);
    private volatile bool missedTooMany;

    public async Task ApplyAsync(InputChange change, CancellationToken cancellation)
    {
        foreach (var fleet in change.Fleets)
            memory.MoveFleetTicket(fleet);
        var organizations = new HashSet<long>(change.Organizations);
        var devices = new HashSet<long>([.. change.Devices, .. change.Added, .. change.Removed.Select(r => r.Id)]);
        try
        {
            await ReadFleetsAsync(change, organizations, cancellation);
            if (change.Fleets.Count > 0)
                devices.UnionWith(await reader.DeviceIdsAsync(change.Fleets, cancellation));
            foreach (var chunk in devices.Chunk(DevicesPerRead))
                await ReadDevicesAsync(chunk, change.Cause, organizations, cancellation);
            await Task.WhenAll(organizations.Select(allowances.LookAtAsync));
        }
        catch (DatabaseAwayException)
        {
            // The change stands on record; what follows from it is caught up with when the database is back.
            if (missed.Count < MaxMissed)
                missed.Enqueue(change);
            else
                missedTooMany = true;
            throw;
        }
    }

    /// <summary>Applies what could not be read while the database was away.</summary>
    public async Task CatchUpAsync()
    {
        if (missedTooMany)
        {
            missedTooMany = false;
            missed.Clear();
            await ApplyAsync(new("recovery") { Fleets = [.. (await reader.FleetsAsync()).Select(f => f.Id)] }, CancellationToken.None);
        }

        while (missed.TryDequeue(out var change))
            await ApplyAsync(change, CancellationToken.None);
    }

    /// <summary>Reads devices again whose commits ended in the dark, and publishes what stands on record.</summary>
    public async Task ReloadAsync(IReadOnlyCollection<long> devices)
    {
        foreach (var chunk in devices.Chunk(DevicesPerRead))
        {
            await order.WaitAsync();
            List<Task> told = [];
            try
            {
                foreach (var row in await reader.DevicesAsync(chunk))
                    told.Add(mail.PostAsync(Partition.Of(row.State.Id), new ReloadFact(row, await FleetAsync(row.State.FleetId))));
            }
            finally
            {
                order.Release();
            }

            await Task.WhenAll(told);
        }
    }

    public void Dispose() => order.Dispose();

    private async Task ReadFleetsAsync(InputChange change, HashSet<long> organizations, CancellationToken cancellation)
    {
        if (change.Fleets.Count == 0 && change.Organizations.Count == 0)
            return;
        await order.WaitAsync(cancellation);
        try
        {
            foreach (var fleet in change.Fleets)
                memory.Fleets.TryRemove(fleet, out _);
            foreach (var row in await reader.FleetsAsync(fleets: change.Fleets, cancellation: cancellation))
            {
                memory.Fleets[row.Id] = row;
                if (row.DeviceAllowance is not null || row.IsUnpaid)
                    organizations.Add(row.OrganizationId);
            }

            foreach (var row in await reader.FleetsAsync(organizations: change.Organizations, cancellation: cancellation))
                memory.Fleets[row.Id] = row;
        }
        finally
        {
            order.Release();
        }
    }

    private async Task ReadDevicesAsync(long[] ids, string cause, HashSet<long> organizations, CancellationToken cancellation)
    {
        List<(InputsFact Fact, long[] Fleets)> told = [];
        await order.WaitAsync(cancellation);
        try
        {
            var read = (await reader.DevicesAsync(ids, cancellation)).ToDictionary(r => r.State.Id);
            foreach (var id in ids)
            {
                var row = read.GetValueOrDefault(id);
                var fleet = row is null ? null : await FleetAsync(row.State.FleetId);
                var fact = new InputsFact(id, row, fleet, cause);
                told.Add((fact, [.. FormerFleet(id), .. row is null ? [] : (long[])[row.State.FleetId]]));
                _ = mail.PostAsync(Partition.Of(id), fact);
            }
        }
        finally
        {
            order.Release();
        }

        await Task.WhenAll(told.Select(t => t.Fact.Done));
        foreach (var fleet in told.Where(t => t.Fact.Counts).SelectMany(t => t.Fleets).Distinct())
        {
            if (memory.Fleets.TryGetValue(fleet, out var row) && (row.DeviceAllowance is not null || row.IsUnpaid))
                organizations.Add(row.OrganizationId);
        }
    }

    private IEnumerable<long> FormerFleet(long id)
    {
        var partition = memory.Partitions[Partition.Of(id)];
        if (partition.Find(id) is var row and >= 0 && partition.Chunk(row).State[row % DeviceChunk.Rows] is { } device)
            yield return device.FleetId;
    }

    private async ValueTask<FleetRow?> FleetAsync(long id)
    {
        if (memory.Fleets.TryGetValue(id, out var fleet))
            return fleet;
        foreach (var row in await reader.FleetsAsync(fleets: [id]))
            memory.Fleets[row.Id] = row;
        return memory.Fleets.GetValueOrDefault(id);
    }
}
