using Microsoft.Data.Sqlite;

namespace Muster.Storage.Presence;

/// <summary>Row by row with statements prepared once: on an embedded database a statement costs no round trip.</summary>
internal sealed class SqlitePresenceWriter : PresenceWriter
{
    private SqliteConnection? preparedFor;
    private Prepared? prepared;

    public override Task WriteAsync(WriteScope write, IReadOnlyList<DeviceChange> changes, List<long> transitionIds)
    {
        var statements = Statements(write);
        foreach (var change in changes)
            statements.Write(change, transitionIds);
        return Task.CompletedTask;
    }

    public override Task WriteAsync(WriteScope write, IReadOnlyList<ContactRow> contacts)
    {
        var statements = Statements(write);
        foreach (var contact in contacts)
            statements.Write(contact);
        return Task.CompletedTask;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            prepared?.Dispose();
        base.Dispose(disposing);
    }

    private Prepared Statements(WriteScope write)
    {
        if (prepared is not null && ReferenceEquals(preparedFor, write.Connection))
            return prepared;
        prepared?.Dispose();
        preparedFor = (SqliteConnection)write.Connection;
        return prepared = new Prepared(preparedFor);
    }

    private sealed class Prepared(SqliteConnection connection) : IDisposable
    {
        private static readonly (DeviceColumns Group, DeviceColumn[] Columns)[] Groups = [.. DeviceColumn.All.GroupBy(c => c.Group).Select(g => (g.Key, g.ToArray()))];

        // SQLite writes every index whose column a statement names, changed or not.
        private readonly SqliteStatement[] groups = [.. Groups.Select(g => new SqliteStatement(connection, Update(g.Columns)))];
        private readonly SqliteStatement activation = new(connection, "UPDATE device SET is_active = 1, activated_at = ? WHERE id = ?");
        private readonly SqliteStatement frozen = new(connection, "UPDATE device SET is_frozen = ? WHERE id = ?");

        private readonly SqliteStatement install = new(connection,
            """
            INSERT INTO image_install (device_id, image_id, release_id, status, download_progress, install_date, created_at, modified_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?6)
            ON CONFLICT (device_id, image_id) DO UPDATE SET release_id = excluded.release_id, status = excluded.status, download_progress = excluded.download_progress, modified_at = excluded.modified_at
            """);

        private readonly SqliteStatement transition = new(connection,
            "INSERT INTO transition (device_id, fleet_id, fact, from_value, to_value, at, cause) VALUES (?, ?, ?, ?, ?, ?, ?)");

        private readonly SqliteStatement contact = new(connection,
            """
            INSERT INTO device_contact (device_id, last_poll_at, last_contact_at, observed_poll, observed_contact, poll_interval_ms)
            SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM device WHERE id = ?1)
            ON CONFLICT (device_id) DO UPDATE SET last_poll_at = excluded.last_poll_at, last_contact_at = excluded.last_contact_at,
                observed_poll = excluded.observed_poll, observed_contact = excluded.observed_contact, poll_interval_ms = excluded.poll_interval_ms
            WHERE device_contact.observed_contact IS NULL OR excluded.observed_contact >= device_contact.observed_contact
            """);

        public void Write(DeviceChange change, List<long> transitionIds)
        {
            var after = change.After;
            for (var i = 0; i < groups.Length; i++)
            {
                if (change.Columns.HasFlag(Groups[i].Group))
                    Execute(groups[i], Groups[i].Columns, after, change.At);
            }

            if (change.Columns.HasFlag(DeviceColumns.Activation))
            {
                activation.Bind(1, after.ActivatedAt);
                activation.Bind(2, after.Id);
                activation.Execute();
            }

            if (change.Columns.HasFlag(DeviceColumns.Frozen))
            {
                frozen.Bind(1, after.IsFrozen ? 1 : 0);
                frozen.Bind(2, after.Id);
                frozen.Execute();
            }

            foreach (var installed in change.Installs)
            {
                install.Bind(1, after.Id);
                install.Bind(2, installed.ImageId);
                install.Bind(3, installed.ReleaseId);
                install.Bind(4, installed.Status);
                install.Bind(5, installed.Progress);
                install.Bind(6, change.At);
                install.Execute();
            }

            if (change.Contact is { } times)
                Write(new ContactRow(after.Id, times));

            foreach (var row in change.Transitions)
            {
                transition.Bind(1, after.Id);
                transition.Bind(2, after.FleetId);
                transition.Bind(3, row.Fact);
                transition.Bind(4, row.From);
                transition.Bind(5, row.To);
                transition.Bind(6, row.At);
                transition.Bind(7, row.Cause);
                transition.Execute();
                transitionIds.Add(transition.LastInsertedId);
            }
        }

        public void Write(ContactRow row)
        {
            contact.Bind(1, row.DeviceId);
            contact.Bind(2, row.Times.LastPollAt);
            contact.Bind(3, row.Times.LastContactAt);
            contact.Bind(4, row.Times.ObservedPoll);
            contact.Bind(5, row.Times.ObservedContact);
            contact.Bind(6, row.Times.PollInterval);
            contact.Execute();
        }

        public void Dispose()
        {
            foreach (var statement in (ReadOnlySpan<SqliteStatement>)[.. groups, activation, frozen, install, transition, contact])
                statement.Dispose();
        }

        private static string Update(DeviceColumn[] columns) =>
            $"UPDATE device SET {string.Join(", ", columns.Select(c => c.Name + " = ?"))}, modified_at = ? WHERE id = ?";

        private static void Execute(SqliteStatement statement, DeviceColumn[] columns, DeviceState state, long at)
        {
            for (var i = 0; i < columns.Length; i++)
            {
                if (columns[i].Text is { } text)
                    statement.Bind(i + 1, text(state));
                else
                    statement.Bind(i + 1, columns[i].Number!(state));
            }

            statement.Bind(columns.Length + 1, at);
            statement.Bind(columns.Length + 2, state.Id);
            statement.Execute();
        }
    }
}
