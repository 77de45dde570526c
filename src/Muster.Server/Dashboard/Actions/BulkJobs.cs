using System.Globalization;
using System.Text.Json;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Actions;
using Muster.Server.Resources;
using Muster.Server.Resources.Connections;
using Muster.Storage;

namespace Muster.Server.Dashboard.Actions;

/// <summary>
/// The bulk jobs of all people. A job goes on when its page is closed, asks for each part of its devices anew who the person
/// is and what that person may do, and is kept for a while after its end. Bounded: jobs per person, devices per job, and
/// results over all jobs.
/// </summary>
public sealed partial class BulkJobs : IDisposable
{
    /// <summary>Devices of one job.</summary>
    public const int MostDevices = 100_000;

    /// <summary>Jobs of one person, finished ones included; the oldest finished one makes room.</summary>
    public const int MostJobs = 10;

    /// <summary>Jobs of one person that run at once.</summary>
    public const int MostRunning = 3;

    /// <summary>Devices over the jobs of all people: some 60 MB of results.</summary>
    public const int MostResults = 300_000;

    /// <summary>How long a job is kept after its end.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromMinutes(15);

    private const int ChunkSize = 100;

    /// <summary>Devices that one job calls at once.</summary>
    private const int MostCalls = 16;

    /// <summary>Writes of one job that are under way at once.</summary>
    private const int MostWrites = 4;

    private const string Away = "The database was away: look whether it was written, and try again.";

    private readonly Lock gate = new();
    private readonly List<BulkJob> jobs = [];
    private readonly Database database;
    private readonly ResourceAccess resources;
    private readonly DeviceActions actions;
    private readonly OpenConnections connections;
    private readonly TimeProvider time;
    private readonly ILogger<BulkJobs> log;
    private readonly CancellationTokenSource ends = new();
    private readonly CancellationToken ending;

    internal BulkJobs(Database database, ResourceAccess resources, DeviceActions actions, OpenConnections connections, TimeProvider time, ILogger<BulkJobs> log) =>
        (this.database, this.resources, this.actions, this.connections, this.time, this.log, ending) = (database, resources, actions, connections, time, log, ends.Token);

    /// <summary>Raised with the account's id when a job of it begins, ends or is forgotten.</summary>
    public event Action<long>? Changed;

    /// <summary>The person's jobs, the newest first.</summary>
    public IReadOnlyList<BulkJob> Of(Caller caller)
    {
        lock (gate)
            return [.. Enumerable.Reverse(jobs).Where(job => job.Account == caller.SubjectId)];
    }

    /// <summary>A job of the person; null when there is none of this id.</summary>
    public BulkJob? Find(Caller caller, Guid id) => Of(caller).FirstOrDefault(job => job.Id == id);

    /// <summary>Begins a job.</summary>
    /// <param name="caller">Whose job it is.</param>
    /// <param name="again">Tells who the person is now, or nobody when the session is over.</param>
    /// <param name="from">The person's address, for the audit log.</param>
    /// <exception cref="ResourceRefusedException">Too many jobs, or too many devices.</exception>
    public BulkJob Begin(Caller caller, Func<CancellationToken, ValueTask<Caller>> again, BulkTask task, BulkSelection selection, string? from = null)
    {
        if (selection.Count > MostDevices)
            throw new ResourceRefusedException($"More than {MostDevices} devices at once are too many; narrow the filter.");
        var job = new BulkJob(caller.SubjectId, task, selection.Count, from, time);
        lock (gate)
        {
            var own = jobs.FindAll(j => j.Account == caller.SubjectId);
            if (own.Count(j => j.IsRunning) >= MostRunning)
                throw new ResourceRefusedException($"{MostRunning} of your jobs are running; wait until one has ended, or stop it.");
            if (own.Count >= MostJobs)
                jobs.Remove(own.First(j => !j.IsRunning));
            while (jobs.Sum(j => j.Total) + job.Total > MostResults)
            {
                if (jobs.Find(j => !j.IsRunning) is not { } oldest)
                    throw new ResourceRefusedException("Too many bulk jobs are running on this server; try again when they have ended.");
                jobs.Remove(oldest);
            }

            jobs.Add(job);
        }

        Changed?.Invoke(job.Account);
        _ = RunAsync(job, caller, again, selection);
        return job;
    }

    /// <summary>Ends all jobs: the server stops.</summary>
    public void Dispose()
    {
        ends.Cancel();
        ends.Dispose();
    }

    private async Task RunAsync(BulkJob job, Caller caller, Func<CancellationToken, ValueTask<Caller>> again, BulkSelection selection)
    {
        using var open = connections.Enter("bulk job", caller.Credential, async cancellation => await again(cancellation) is { Kind: CallerKind.User } now && now.SubjectId == caller.SubjectId, job.Stop);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(job.Stopping, ending, open.Ended);
        string? trouble = null;
        try
        {
            // Off the page's own thread before anything else.
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            var ids = selection.Ids is { } given ? [.. given.Distinct()] : await MatchingAsync(await again(either.Token), selection.Filter ?? "", either.Token);
            job.Concerns(ids.Count);
            foreach (var chunk in ids.Chunk(ChunkSize))
            {
                if (either.IsCancellationRequested)
                    break;
                await ChunkAsync(job, again, chunk, either.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped, or the session is over.
        }
        catch (ResourceRefusedException e)
        {
            trouble = e.Message;
        }
        catch (Exception e) when (IsAway(e))
        {
            trouble = "The database was away: the devices could not be listed.";
        }
#pragma warning disable CA1031 // a job that fails is told so, and is no reason to fall for the process
        catch (Exception e)
#pragma warning restore CA1031
        {
            trouble = "An error ended the job; the server's log tells what happened.";
            LogFailed(e, job.Task.Act);
        }

        if (open.IsEnded)
            trouble = "Your session has ended: the rest was not done.";
        open.Dispose();
        job.End(trouble);
        Changed?.Invoke(job.Account);
        await Task.Delay(KeptFor, time, ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (gate)
            jobs.Remove(job);
        job.Dispose();
        Changed?.Invoke(job.Account);
    }

    private async Task<List<long>> MatchingAsync(Caller caller, string filter, CancellationToken cancellation)
    {
        List<long> ids = [];
        var path = $"device?$select=id&$orderby=id asc&$top={MostDevices + 1}{(filter.Length > 0 ? "&$filter=" + filter : "")}";
        await foreach (var row in resources.StreamAsync(caller, path, cancellation))
            ids.Add(JsonElement.Parse(row.Span).GetProperty("id").GetInt64());
        return ids.Count <= MostDevices ? ids : throw new ResourceRefusedException($"More than {MostDevices} devices match by now; narrow the filter.");
    }

    /// <summary>Some of the devices: each has its result when this returns, unless the job was stopped.</summary>
    private async Task ChunkAsync(BulkJob job, Func<CancellationToken, ValueTask<Caller>> again, long[] ids, CancellationToken cancellation)
    {
        Caller caller;
        List<Target> targets = [];
        try
        {
            caller = await again(cancellation);
            var seen = new Dictionary<long, Target>();
            if (caller.Kind is CallerKind.User)
            {
                foreach (var row in await resources.ReadAsync(caller, $"device?$select=id,uuid,device_name&$expand=belongs_to__application($select=id;$expand=organization($select=id))&$filter=id in ({Listed(ids)})", cancellation))
                {
                    var target = Target.Of(row);
                    seen[target.Id] = target;
                }
            }

            foreach (var id in ids)
            {
                if (!seen.TryGetValue(id, out var target))
                    job.Note(new(id, "", $"Device {id}", caller.Kind is CallerKind.User ? "There is no such device." : "Your session is over."));
                else if (!job.Task.IsAllowed(caller, target.Organization))
                    job.Note(target.Result("Your role does not allow this."));
                else
                    targets.Add(target);
            }
        }
        catch (Exception e) when (IsAway(e))
        {
            foreach (var id in ids)
                job.Note(new(id, "", $"Device {id}", "The database was away: nothing was done."));
            return;
        }

        if (job.Task.Action is { } action)
            await EachAsync(job, targets, MostCalls, target => CallAsync(caller, target, action, job, cancellation), cancellation);
        else if (job.Task.Act is BulkAct.AddTag)
            await EachAsync(job, targets, MostWrites, target => WriteAsync(() => resources.PutAsync(caller, $"device_tag(device={target.Id},tag_key={ResourceAccess.Text(job.Task.TagKey)})", new() { ["value"] = job.Task.TagValue })), cancellation);
        else
            await TogetherAsync(job, caller, targets, cancellation);
    }

    /// <summary>One write for all of them, which is far quicker; when that is refused, one for each, so that each has its own answer.</summary>
    private async Task TogetherAsync(BulkJob job, Caller caller, List<Target> targets, CancellationToken cancellation)
    {
        if (targets.Count == 0)
            return;
        var answer = await WriteAsync(() => ApplyAsync(job.Task, caller, targets));
        if (answer is null or Away || targets.Count == 1)
        {
            foreach (var target in targets)
                job.Note(target.Result(answer));
            return;
        }

        await EachAsync(job, targets, MostWrites, target => WriteAsync(() => ApplyAsync(job.Task, caller, [target])), cancellation);
    }

    private Task ApplyAsync(BulkTask task, Caller caller, IReadOnlyList<Target> targets)
    {
        var ids = Listed([.. targets.Select(t => t.Id)]);
        return task.Fields is { } fields
            ? resources.ChangeAsync(caller, $"device?$filter=id in ({ids})", fields)
            : resources.RemoveAsync(caller, $"device_tag?$filter=device in ({ids}) and tag_key eq {ResourceAccess.Text(task.TagKey)}");
    }

    private static Task EachAsync(BulkJob job, List<Target> targets, int atOnce, Func<Target, Task<string?>> work, CancellationToken cancellation) =>
        EachAsync(job, targets, atOnce, async target => target.Result(await work(target)), cancellation);

    private static async Task EachAsync(BulkJob job, List<Target> targets, int atOnce, Func<Target, Task<BulkResult>> work, CancellationToken cancellation) =>
        await Parallel.ForEachAsync(targets, new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = cancellation }, async (target, _) =>
        {
            // The loop hears of a stop after the calls under way do, and would begin further ones in between.
            if (!cancellation.IsCancellationRequested)
                job.Note(await work(target));
        });

    private async Task<BulkResult> CallAsync(Caller caller, Target target, DeviceAction action, BulkJob job, CancellationToken cancellation)
    {
        try
        {
            var (uuid, force, from) = (target.Uuid, job.Task.Force, job.From);
            var answer = job.Task.WhenBack
                ? await actions.QueueAsync(caller, uuid, action, force: force, from: from, cancellation: cancellation)
                : await actions.RunAsync(caller, uuid, action, force: force, from: from, cancellation: cancellation);
            return target.Result(answer.Outcome is DeviceActionOutcome.Done or DeviceActionOutcome.Queued ? null : answer.Sentence) with
            {
                IsAway = answer.Outcome is DeviceActionOutcome.NotConnected or DeviceActionOutcome.Unreachable,
            };
        }
        catch (Exception e) when (IsAway(e))
        {
            return target.Result("The database was away: the device was not asked.");
        }
        catch (OperationCanceledException)
        {
            return target.Result("Stopped while the device was being asked; it may have done it.");
        }
    }

    /// <summary>Null when it was written; else why not.</summary>
    private async Task<string?> WriteAsync(Func<Task> write)
    {
        try
        {
            await write();
            return null;
        }
        catch (ResourceRefusedException e)
        {
            return e.Message;
        }
        catch (Exception e) when (IsAway(e))
        {
            return Away;
        }
    }

    /// <summary>A connection that broke is told by the driver, one that could not be opened by <see cref="DatabaseAwayException"/>.</summary>
    private bool IsAway(Exception e) => e is DatabaseAwayException || database.IsAway(e);

    private static string Listed(long[] ids) => string.Join(',', ids.Select(id => id.ToString(CultureInfo.InvariantCulture)));

    [LoggerMessage(Level = LogLevel.Error, Message = "A bulk job ({Act}) failed.")]
    private partial void LogFailed(Exception e, BulkAct act);

    private sealed record Target(long Id, string Uuid, string Name, long Organization)
    {
        public static Target Of(JsonElement row) => new(
            row.GetProperty("id").GetInt64(), row.GetProperty("uuid").GetString()!, row.GetProperty("device_name").GetString()!,
            row.GetProperty("belongs_to__application")[0].GetProperty("organization")[0].GetProperty("id").GetInt64());

        public BulkResult Result(string? sentence) => new(Id, Uuid, Name, sentence);
    }
}
