using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Core.Health;
using Muster.Server.Cloudlink.Actions;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Insight;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Diagnostics;

/// <summary>A kept file of diagnostics.</summary>
/// <param name="Took">Milliseconds.</param>
/// <param name="Who">Who had it collected, by the name of the time.</param>
/// <param name="Size">Bytes of the file.</param>
public sealed record DiagnosticsFile(long Id, string Uuid, DateTimeOffset At, long Took, string Who, long Size);

/// <summary>
/// Collects into one file what helps to find a device's trouble: the raw answers of its supervisor, the end of its journal,
/// and Muster's own evidence. For those who may act on the device: a journal can tell secrets. Kept, bounded by age, number and size.
/// </summary>
public sealed class DeviceDiagnostics
{
    /// <summary>Files that are kept of one device.</summary>
    public const int MostPerDevice = 10;

    /// <summary>Characters of one answer; more is cut off, and said so.</summary>
    private const int LongestAnswer = 512 * 1024;

    private const int JournalLines = 1_000;
    private const int MostTransitions = 500;
    private const long Day = 86_400_000;

    private static readonly IReadOnlyList<string> Questions = [.. SupervisorHealth.Questions, "/v2/applications/state", "/v2/device/name", "/v2/device/tags"];

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly Examinations examinations;
    private readonly FleetPresence presence;
    private readonly DeviceHealth health;
    private readonly UpdateTroubles troubles;
    private readonly TransitionHistory history;
    private readonly AuditLog audit;
    private readonly Database database;
    private readonly CloudlinkOptions options;
    private readonly TimeProvider time;

    internal DeviceDiagnostics(
        Examinations examinations, FleetPresence presence, DeviceHealth health, UpdateTroubles troubles, TransitionHistory history, AuditLog audit, Database database, IOptions<CloudlinkOptions> options, TimeProvider time) =>
        (this.examinations, this.presence, this.health, this.troubles, this.history, this.audit, this.database, this.options, this.time) = (examinations, presence, health, troubles, history, audit, database, options.Value, time);

    /// <summary>Collects a file and keeps it; null when there is no such device, or it is not the caller's to see.</summary>
    /// <param name="from">The caller's address, for the audit log.</param>
    /// <exception cref="ExaminationRefusedException">The caller's role does not suffice, or it is being examined already, or too many are.</exception>
    /// <exception cref="DatabaseAwayException">Nothing was kept.</exception>
    public async Task<DiagnosticsFile?> CollectAsync(Caller caller, string uuid, string? from, CancellationToken cancellation = default)
    {
        if (await examinations.SeenAsync(caller, uuid, cancellation) is not { } link)
            return null;
        var entry = new AuditEntry(caller, "diagnostics.collect", link.Id, link.OrganizationId, from, null);
        if (!MayRead(caller, link))
        {
            await audit.NoteAsync([entry], AuditOutcome.Refused, cancellation);
            throw new ExaminationRefusedException(StatusCodes.Status401Unauthorized, "Your role does not allow this.");
        }

        using var place = examinations.Take(link.Id);
        var id = await audit.BeginAsync(entry, cancellation);
        var outcome = AuditOutcome.Unknown;
        try
        {
            var (at, began) = (time.GetUtcNow(), time.GetTimestamp());
            var content = JsonSerializer.SerializeToUtf8Bytes(await DocumentAsync(caller, link, at, cancellation), Json);
            var file = await KeepAsync(caller, link, at, (long)time.GetElapsedTime(began).TotalMilliseconds, content, cancellation);
            outcome = AuditOutcome.Done;
            return file;
        }
        finally
        {
            await audit.EndAsync(id, outcome);
        }
    }

    /// <summary>The kept files of a device, the newest first; null when there is no such device, or they are not the caller's to read.</summary>
    /// <exception cref="DatabaseAwayException">The database is away.</exception>
    public async Task<IReadOnlyList<DiagnosticsFile>?> ListAsync(Caller caller, string uuid, CancellationToken cancellation = default)
    {
        if (await examinations.SeenAsync(caller, uuid, cancellation) is not { } link || !MayRead(caller, link))
            return null;
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement($"SELECT id, at, took, who, size FROM diagnostics WHERE device_id = @p0 ORDER BY id DESC LIMIT {MostPerDevice}", link.Id);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<DiagnosticsFile> files = [];
        while (await reader.ReadAsync(cancellation))
            files.Add(new(reader.GetInt64(0), link.Uuid, DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(1)), reader.GetInt64(2), reader.GetString(3), reader.GetInt64(4)));
        return files;
    }

    /// <summary>A file's JSON; null when there is none, or it is not the caller's to read.</summary>
    /// <exception cref="DatabaseAwayException">The database is away.</exception>
    public async Task<byte[]?> ReadAsync(Caller caller, string uuid, long id, CancellationToken cancellation = default)
    {
        if (await examinations.SeenAsync(caller, uuid, cancellation) is not { } link || !MayRead(caller, link))
            return null;
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT content FROM diagnostics WHERE device_id = @p0 AND id = @p1", link.Id, id);
        if (await command.ExecuteScalarAsync(cancellation) is not byte[] packed)
            return null;
        using var content = new MemoryStream();
        await using (var unpacked = new GZipStream(new MemoryStream(packed), CompressionMode.Decompress))
            await unpacked.CopyToAsync(content, cancellation);
        return content.ToArray();
    }

    private static bool MayRead(Caller caller, DeviceLink link) => SupervisorRule.MayCall(caller, link.Id, link.OrganizationId, HttpMethod.Post);

    private async Task<object> DocumentAsync(Caller caller, DeviceLink link, DateTimeOffset at, CancellationToken cancellation)
    {
        var now = at.ToUnixTimeMilliseconds();
        var journal = examinations.AskAsync(link, new SupervisorCall(HttpMethod.Post, "/v2/journal-logs", JsonSerializer.SerializeToElement(new { follow = false, all = true, count = JournalLines, format = "short-iso" })), cancellation);
        var answers = await examinations.AskAsync(link, Questions, cancellation);
        var transitions = await history.OfDeviceAsync(link.Id, now - Day, now + 1, default, MostTransitions, cancellation);
        var evidence = presence.TryFind(link.Uuid, out var slot) ? presence.Evidence(slot) : null;
        return new
        {
            collected_at = at,
            device = link.Uuid,
            status = evidence is null ? null : DeviceStatus.Of(evidence, await troubles.OfAsync(evidence, cancellation), now),
            health = (await health.ReadAsync(caller, link.Uuid, cancellation))?.Checks,
            checks = SupervisorHealth.Of(answers).Select(c => new DeviceHealthCheck(c.Name, c.Level.Word(), c.Sentence, c.Advice)),
            transitions = transitions.Select(t => new { at = DateTimeOffset.FromUnixTimeMilliseconds(t.At), t.Fact, t.From, t.To, t.Cause }),
            supervisor = answers.ToDictionary(a => a.Key, a => Told(a.Value)),
            journal = Told(await journal),
        };
    }

    private static object Told(SupervisorWord word) => new
    {
        word.Status,
        took_ms = word.Took,
        body = Parsed(word.Text.Length <= LongestAnswer ? word.Text : word.Text[..LongestAnswer] + "\n(cut off here)"),
    };

    /// <summary>JSON as JSON, else lines.</summary>
    private static object Parsed(string text)
    {
        try
        {
            return JsonElement.Parse(text);
        }
        catch (JsonException)
        {
            return text.Split('\n');
        }
    }

    private async Task<DiagnosticsFile> KeepAsync(Caller caller, DeviceLink link, DateTimeOffset at, long took, byte[] content, CancellationToken cancellation)
    {
        using var packed = new MemoryStream();
        await using (var packing = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
            await packing.WriteAsync(content, cancellation);
        return await database.WriteAsync(
            async write =>
            {
                await using var command = write.Command(
                    $"""
                    INSERT INTO diagnostics (device_id, at, took, who_kind, who_id, who, size, content)
                    VALUES (@p0, @p1, @p2, @p3, @p4, {Examinations.NameOf("@p3", "@p4")}, @p5, @p6) RETURNING id, who
                    """,
                    link.Id, at.ToUnixTimeMilliseconds(), took, AuditLog.Kind(caller.Kind), caller.SubjectId, (long)content.Length, packed.ToArray());
                await using var reader = await command.ExecuteReaderAsync(cancellation);
                await reader.ReadAsync(cancellation);
                var file = new DiagnosticsFile(reader.GetInt64(0), link.Uuid, at, took, reader.GetString(1), content.Length);
                await reader.DisposeAsync();
                await Examinations.PruneAsync(write, "diagnostics", link.Id, MostPerDevice, at.Add(-options.ExaminationRetention), cancellation);
                return file;
            },
            cancellation);
    }
}
