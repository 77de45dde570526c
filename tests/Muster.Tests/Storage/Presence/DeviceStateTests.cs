using System.Collections;
using System.Reflection;
using Muster.Core.Presence;
using Muster.Core.Status;
using Muster.Storage.Presence;

namespace Muster.Tests.Storage.Presence;

public sealed class DeviceStateTests
{
    /// <summary>Worked out from fleet and configuration when a device is loaded.</summary>
    private static readonly string[] Derived = [nameof(DeviceState.TargetReleaseId), nameof(DeviceState.CloudlinkExpected), nameof(DeviceState.PollInterval)];

    /// <summary>Every property has a value of its own, so a column that is left out, or swapped with another, shows.</summary>
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_is_written_of_a_device_is_what_is_read(string kind)
    {
        var fixture = await FleetFixture.CreateAsync(kind);
        await using var database = fixture.Database;
        var fleet = await fixture.AddFleetAsync();
        var device = await fixture.AddDeviceAsync(fleet);
        var (running, next) = (await fixture.AddReleaseAsync(fleet, "one", "two"), await fixture.AddReleaseAsync(fleet, "one"));
        var (instance, other) = (await fixture.AddServiceInstanceAsync(), await fixture.AddServiceInstanceAsync());
        await fixture.DoAsync("UPDATE device SET pinned_release_id = @p0 WHERE id = @p1", next.Id, device.Id);

        var reported = new ReportedState
        {
            UpdateStatus = UpdateStatus.Downloading,
            RunningReleaseId = running.Id,
            ReleaseUpdates = [new(running.Id, UpdateStatus.Done), new(next.Id, UpdateStatus.Downloading)],
            Installs = [new(running.Images[0], running.Id, "Running", null), new(running.Images[1], running.Id, "Downloading", 41)],
        };
        var written = new DeviceState
        {
            Id = device.Id,
            Uuid = device.Uuid,
            FleetId = fleet.Id,
            PinnedReleaseId = next.Id,
            Heartbeat = HeartbeatState.Timeout,
            ServiceInstanceId = instance,
            Elsewhere = TunnelsElsewhere.None.With(new(other, 7)),
            Status = OverallStatus.Updating,
            Reason = Enum.GetValues<StatusReason>()[^1],
        };
        var number = 100;
        Fill(reported, ref number);
        Fill(written, ref number);
        written = written with { Reported = reported };
        Assert.Empty(Told(written).Where(p => p.Value is "" or "False" or "0" && !Derived.Contains(p.Key)).Select(p => p.Key));

        using var writer = PresenceWriter.For(database);
        var every = (DeviceColumns)Enum.GetValues<DeviceColumns>().Sum(c => (int)c);
        await database.WriteAsync(async write =>
        {
            await writer.WriteAsync(write, [new(written, every, At: 50) { Installs = reported.Installs }], []);
            return true;
        });

        var read = Assert.Single(await new PresenceReader(database).DevicesAsync([device.Id])).State;
        Assert.Equal(Told(written).Where(p => !Derived.Contains(p.Key)), Told(read).Where(p => !Derived.Contains(p.Key)));
    }

    /// <summary>Gives each property that has none a value that no other has.</summary>
    private static void Fill(object record, ref int number)
    {
        foreach (var property in record.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite && !Derived.Contains(p.Name)))
        {
            var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            var isSet = property.GetValue(record) is { } value && !value.Equals(type.IsValueType ? Activator.CreateInstance(type) : "");
            if (isSet)
                continue;
            number++;
            property.SetValue(record, type == typeof(string) ? $"value {number}" : type == typeof(bool) ? true : Convert.ChangeType(number, type, System.Globalization.CultureInfo.InvariantCulture));
        }
    }

    /// <summary>All properties, also of what is inside, by name.</summary>
    private static SortedDictionary<string, string> Told(object record, string prefix = "")
    {
        var told = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var property in record.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            switch (property.GetValue(record))
            {
                case ReportedState inner:
                    foreach (var (name, value) in Told(inner, property.Name + "."))
                        told.Add(name, value);
                    break;
                case TunnelsElsewhere tunnels:
                    told.Add(prefix + property.Name, tunnels.Text ?? "");
                    break;
                case string text:
                    told.Add(prefix + property.Name, text);
                    break;
                case IEnumerable items:
                    told.Add(prefix + property.Name, string.Join(' ', items.Cast<object>()));
                    break;
                case var value:
                    told.Add(prefix + property.Name, Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture) ?? "");
                    break;
            }
        }

        return told;
    }
}
