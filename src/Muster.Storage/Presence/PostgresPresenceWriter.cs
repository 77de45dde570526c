using Muster.Core.Status;
using Npgsql;
using NpgsqlTypes;

namespace Muster.Storage.Presence;

/// <summary>One statement per table with arrays, all of them in one round trip, however many devices there are.</summary>
internal sealed class PostgresPresenceWriter : PresenceWriter
{
    // All columns in one statement: PostgreSQL writes a new version of the row anyway, and sees itself which indexes are touched.
    private static readonly string UpdateDevices =
        $"""
        UPDATE device d SET {string.Join(", ", DeviceColumn.All.Select(c => $"{c.Name} = u.{c.Name}"))}, modified_at = u.at
        FROM unnest($1, $2, {string.Join(", ", DeviceColumn.All.Select((_, i) => $"${i + 3}"))}) AS u(id, at, {string.Join(", ", DeviceColumn.All.Select(c => c.Name))})
        WHERE d.id = u.id
        """;

    private const string UpdateActivation = "UPDATE device d SET is_active = 1, activated_at = u.at FROM unnest($1, $2) AS u(id, at) WHERE d.id = u.id";

    private const string UpdateFrozen = "UPDATE device d SET is_frozen = u.frozen FROM unnest($1, $2) AS u(id, frozen) WHERE d.id = u.id";

    private const string UpsertInstalls =
        """
        INSERT INTO image_install (device_id, image_id, release_id, status, download_progress, install_date, created_at, modified_at)
        SELECT device_id, image_id, release_id, status, progress, at, at, at FROM unnest($1, $2, $3, $4, $5, $6) AS u(device_id, image_id, release_id, status, progress, at)
        ON CONFLICT (device_id, image_id) DO UPDATE SET release_id = excluded.release_id, status = excluded.status, download_progress = excluded.download_progress, modified_at = excluded.modified_at
        """;

    private const string InsertTransitions =
        """
        INSERT INTO transition (device_id, fleet_id, fact, from_value, to_value, at, cause)
        SELECT device_id, fleet_id, fact, from_value, to_value, at, cause
        FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY AS u(device_id, fleet_id, fact, from_value, to_value, at, cause, place) ORDER BY place
        RETURNING id
        """;

    private const string UpsertContacts =
        """
        INSERT INTO device_contact (device_id, last_poll_at, last_contact_at, observed_poll, observed_contact, poll_interval_ms)
        SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6) AS u(device_id, last_poll_at, last_contact_at, observed_poll, observed_contact, poll_interval_ms) JOIN device d ON d.id = u.device_id
        ON CONFLICT (device_id) DO UPDATE SET last_poll_at = excluded.last_poll_at, last_contact_at = excluded.last_contact_at,
            observed_poll = excluded.observed_poll, observed_contact = excluded.observed_contact, poll_interval_ms = excluded.poll_interval_ms
        WHERE device_contact.observed_contact IS NULL OR excluded.observed_contact >= device_contact.observed_contact
        """;

    public override async Task WriteAsync(WriteScope write, IReadOnlyList<DeviceChange> changes, List<long> transitionIds)
    {
        // Rows are locked in one order by all writers of many devices, so that they queue and do not deadlock.
        var ordered = changes.OrderBy(c => c.After.Id).ToList();
        await using var batch = new NpgsqlBatch((NpgsqlConnection)write.Connection, (NpgsqlTransaction)write.Transaction);

        var devices = ordered.Where(c => (c.Columns & ~(DeviceColumns.Activation | DeviceColumns.Frozen)) != 0).ToList();
        if (devices.Count > 0)
        {
            var update = Add(batch, UpdateDevices);
            Numbers(update, devices, c => c.After.Id);
            Numbers(update, devices, c => c.At);
            foreach (var column in DeviceColumn.All)
            {
                if (column.Text is { } text)
                    Texts(update, devices, c => text(c.After));
                else
                    Numbers(update, devices, c => column.Number!(c.After));
            }
        }

        var activated = ordered.Where(c => c.Columns.HasFlag(DeviceColumns.Activation)).ToList();
        if (activated.Count > 0)
        {
            var update = Add(batch, UpdateActivation);
            Numbers(update, activated, c => c.After.Id);
            Numbers(update, activated, c => c.After.ActivatedAt);
        }

        var frozen = ordered.Where(c => c.Columns.HasFlag(DeviceColumns.Frozen)).ToList();
        if (frozen.Count > 0)
        {
            var update = Add(batch, UpdateFrozen);
            Numbers(update, frozen, c => c.After.Id);
            Numbers(update, frozen, c => c.After.IsFrozen ? 1 : 0);
        }

        AddInstalls(batch, [.. ordered.SelectMany(c => c.Installs, (c, install) => (c.After.Id, install, c.At))]);
        if (ordered.Where(c => c.Contact is not null).Select(c => new ContactRow(c.After.Id, c.Contact!.Value)).ToList() is { Count: > 0 } contacts)
            AddContacts(batch, contacts);
        AddTransitions(batch, [.. changes.SelectMany(c => c.Transitions, (c, row) => (c.After, row))]);
        if (batch.BatchCommands.Count == 0)
            return;
        // Only the transitions return rows.
        await using var reader = await batch.ExecuteReaderAsync();
        do
        {
            while (await reader.ReadAsync())
                transitionIds.Add(reader.GetInt64(0));
        }
        while (await reader.NextResultAsync());
    }

    public override async Task WriteAsync(WriteScope write, IReadOnlyList<ContactRow> contacts)
    {
        if (contacts.Count == 0)
            return;
        await using var batch = new NpgsqlBatch((NpgsqlConnection)write.Connection, (NpgsqlTransaction)write.Transaction);
        AddContacts(batch, contacts);
        await batch.ExecuteNonQueryAsync();
    }

    private static void AddContacts(NpgsqlBatch batch, IReadOnlyList<ContactRow> contacts)
    {
        var upsert = Add(batch, UpsertContacts);
        Numbers(upsert, contacts, c => c.DeviceId);
        Numbers(upsert, contacts, c => c.Times.LastPollAt);
        Numbers(upsert, contacts, c => c.Times.LastContactAt);
        Numbers(upsert, contacts, c => c.Times.ObservedPoll);
        Numbers(upsert, contacts, c => c.Times.ObservedContact);
        Numbers(upsert, contacts, c => c.Times.PollInterval);
    }

    private static void AddInstalls(NpgsqlBatch batch, List<(long DeviceId, ServiceInstall Install, long At)> installs)
    {
        if (installs.Count == 0)
            return;
        var upsert = Add(batch, UpsertInstalls);
        Numbers(upsert, installs, i => i.DeviceId);
        Numbers(upsert, installs, i => i.Install.ImageId);
        Numbers(upsert, installs, i => i.Install.ReleaseId);
        Texts(upsert, installs, i => i.Install.Status);
        Numbers(upsert, installs, i => i.Install.Progress);
        Numbers(upsert, installs, i => i.At);
    }

    private static void AddTransitions(NpgsqlBatch batch, List<(DeviceState Device, TransitionRow Row)> transitions)
    {
        if (transitions.Count == 0)
            return;
        var insert = Add(batch, InsertTransitions);
        Numbers(insert, transitions, t => t.Device.Id);
        Numbers(insert, transitions, t => t.Device.FleetId);
        Texts(insert, transitions, t => t.Row.Fact);
        Texts(insert, transitions, t => t.Row.From);
        Texts(insert, transitions, t => t.Row.To);
        Numbers(insert, transitions, t => t.Row.At);
        Texts(insert, transitions, t => t.Row.Cause);
    }

    private static NpgsqlBatchCommand Add(NpgsqlBatch batch, string sql)
    {
        var command = new NpgsqlBatchCommand(sql);
        batch.BatchCommands.Add(command);
        return command;
    }

    private static void Numbers<T>(NpgsqlBatchCommand command, IReadOnlyList<T> rows, Func<T, long?> number)
    {
        var values = new long?[rows.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = number(rows[i]);
        command.Parameters.Add(new NpgsqlParameter { Value = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
    }

    private static void Texts<T>(NpgsqlBatchCommand command, IReadOnlyList<T> rows, Func<T, string?> text)
    {
        var values = new string?[rows.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = text(rows[i]);
        command.Parameters.Add(new NpgsqlParameter { Value = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
    }
}
