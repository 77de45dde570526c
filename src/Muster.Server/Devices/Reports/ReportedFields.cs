using System.Text.Json;
using Muster.Core.Status;
using Muster.Core.Text;

namespace Muster.Server.Devices.Reports;

/// <summary>The fields of a device in a report, gathered while reading, then made into one immutable <see cref="StateReport"/>.</summary>
internal struct ReportedFields
{
    private Reported<string?> status, osVersion, osVariant, supervisorVersion, provisioningState, ipAddress, macAddress, apiSecret, storageBlockDevice, cpuId;
    private Reported<int?> provisioningProgress, downloadProgress, apiPort, memoryUsage, memoryTotal, storageUsage, storageTotal, cpuUsage, cpuTemp;
    private Reported<bool> isUndervolted;

    /// <summary>The field last read, for the sentence that says what is wrong.</summary>
    public string Current { get; private set; }

    /// <summary>Reads the field at the reader's property name. False: wrong type or value.</summary>
    public bool Read(ref Utf8JsonReader reader, ParsedReport report, bool isV2)
    {
        switch (reader.ValueSpan.Length)
        {
            case 4 when isV2 && reader.ValueTextEquals("name"u8):
                return Text(ref reader, "name", out var name) && name is not null && NameRule.Problem(name = name.ReplaceLineEndings(" ")) is null && Set(report.Name = FieldLimits.Cut(name, FieldLimits.Text));
            case 4 when isV2 && reader.ValueTextEquals("note"u8):
                return Text(ref reader, "note", out var note) && note is not null && Set(report.Note = FieldLimits.Cut(note, 1_000_000));
            case 6 when reader.ValueTextEquals("status"u8):
                return Text(ref reader, "status", out var word) && word is not null && Set(status = FieldLimits.Cut(word, FieldLimits.Status));
            case 6 when reader.ValueTextEquals("cpu_id"u8):
                return ReadCpuId(ref reader);
            case 8 when reader.ValueTextEquals("api_port"u8):
                return Port(ref reader, isV2);
            case 8 when reader.ValueTextEquals("cpu_temp"u8):
                return Metric(ref reader, "cpu_temp", ref cpuTemp, FieldLimits.LeastTemperature, FieldLimits.MostTemperature);
            case 9 when reader.ValueTextEquals("cpu_usage"u8):
                return Metric(ref reader, "cpu_usage", ref cpuUsage, most: 100);
            case 9 when reader.ValueTextEquals("is_online"u8):
                // Whether a device is connected is for us to see, not for it to say.
                return Next(ref reader, "is_online") && FieldReader.TryFlag(ref reader, out _);
            case 10 when reader.ValueTextEquals("os_version"u8):
                return Text(ref reader, "os_version", out var version) && Set(osVersion = version is null ? null : FieldLimits.Cut(version, FieldLimits.OsVersion));
            case 10 when reader.ValueTextEquals("os_variant"u8):
                return ReadOsVariant(ref reader);
            case 10 when reader.ValueTextEquals("ip_address"u8):
                return Text(ref reader, "ip_address", out var ip) && Set(ipAddress = ip is null ? null : FieldLimits.CutList(ip, FieldLimits.IpAddress));
            case 10 when reader.ValueTextEquals("api_secret"u8):
                return Text(ref reader, "api_secret", out var secret) && Set(apiSecret = secret is null ? null : FieldLimits.Cut(secret, FieldLimits.ApiSecret));
            case 11 when reader.ValueTextEquals("mac_address"u8):
                return Text(ref reader, "mac_address", out var mac) && Set(macAddress = mac is null ? null : FieldLimits.CutList(mac, FieldLimits.MacAddress));
            case 12 when reader.ValueTextEquals("memory_usage"u8):
                return Metric(ref reader, "memory_usage", ref memoryUsage);
            case 12 when reader.ValueTextEquals("memory_total"u8):
                return Metric(ref reader, "memory_total", ref memoryTotal);
            case 13 when reader.ValueTextEquals("storage_usage"u8):
                return Metric(ref reader, "storage_usage", ref storageUsage);
            case 13 when reader.ValueTextEquals("storage_total"u8):
                return Metric(ref reader, "storage_total", ref storageTotal);
            case 13 when isV2 && reader.ValueTextEquals("is_on__commit"u8):
                return Text(ref reader, "is_on__commit", out var commit) && Set(report.RunningCommit = commit);
            case 14 when reader.ValueTextEquals("is_undervolted"u8):
                return Next(ref reader, "is_undervolted") && FieldReader.TryFlag(ref reader, out var undervolted) && Set(isUndervolted = undervolted);
            case 17 when isV2 && reader.ValueTextEquals("download_progress"u8):
                return Progress(ref reader, "download_progress", ref downloadProgress);
            case 18 when reader.ValueTextEquals("supervisor_version"u8):
                return Text(ref reader, "supervisor_version", out var supervisor) && Set(supervisorVersion = supervisor is null ? null : FieldLimits.Cut(supervisor, FieldLimits.SupervisorVersion));
            case 18 when reader.ValueTextEquals("provisioning_state"u8):
                return Text(ref reader, "provisioning_state", out var state) && Set(provisioningState = state is null ? null : FieldLimits.Cut(state, FieldLimits.Text));
            case 20 when reader.ValueTextEquals("storage_block_device"u8):
                return Text(ref reader, "storage_block_device", out var block) && Set(storageBlockDevice = block is null ? null : FieldLimits.Cut(block, FieldLimits.Text));
            case 21 when reader.ValueTextEquals("provisioning_progress"u8):
                return Progress(ref reader, "provisioning_progress", ref provisioningProgress);
            case 26 when isV2 && reader.ValueTextEquals("should_be_running__release"u8):
                return Pin(ref reader, report);
            default:
                Current = "";
                reader.Read();
                reader.Skip();
                return true;
        }
    }

    public readonly StateReport ToReport() => new()
    {
        Status = status,
        OsVersion = osVersion,
        OsVariant = osVariant.IsPresent || osVersion.Value is not { } version || FieldLimits.OsVariantOfVersion(version) is not { } variant ? osVariant : variant,
        SupervisorVersion = supervisorVersion,
        ProvisioningState = provisioningState,
        ProvisioningProgress = provisioningProgress,
        DownloadProgress = downloadProgress,
        IpAddress = ipAddress,
        MacAddress = macAddress,
        ApiPort = apiPort,
        ApiSecret = apiSecret,
        MemoryUsage = memoryUsage,
        MemoryTotal = memoryTotal,
        StorageBlockDevice = storageBlockDevice,
        StorageUsage = storageUsage,
        StorageTotal = storageTotal,
        CpuUsage = cpuUsage,
        CpuTemp = cpuTemp,
        CpuId = cpuId,
        IsUndervolted = isUndervolted,
    };

    // For use in a chain of conditions: the assignment is the point, and it cannot fail.
    private static bool Set<T>(Reported<T> assigned) => assigned.IsPresent;

    private bool Next(ref Utf8JsonReader reader, string field)
    {
        Current = field;
        return reader.Read();
    }

    private bool Text(ref Utf8JsonReader reader, string field, out string? text)
    {
        Next(ref reader, field);
        return FieldReader.TryText(ref reader, out text);
    }

    private bool Progress(ref Utf8JsonReader reader, string field, ref Reported<int?> value)
    {
        Next(ref reader, field);
        if (!FieldReader.TryProgress(ref reader, out var number))
            return false;
        value = number;
        return true;
    }

    private bool Metric(ref Utf8JsonReader reader, string field, ref Reported<int?> value, int least = 0, int most = int.MaxValue)
    {
        Next(ref reader, field);
        if (!FieldReader.TryMetric(ref reader, least, most, out var number))
            return false;
        value = number;
        return true;
    }

    private bool ReadCpuId(ref Utf8JsonReader reader)
    {
        Next(ref reader, "cpu_id");
        // Not TryText: what cannot be printed is passed over, not refused.
        if (reader.TokenType == JsonTokenType.Null)
            cpuId = (string?)null;
        else if (reader.TokenType != JsonTokenType.String)
            return false;
        else if (FieldLimits.CpuId(reader.GetString()!) is { } id)
            cpuId = id;
        return true;
    }

    private bool ReadOsVariant(ref Utf8JsonReader reader)
    {
        if (!Text(ref reader, "os_variant", out var text))
            return false;
        if (text is null || FieldLimits.OsVariant(text) is not null)
            osVariant = text;
        return true;
    }

    private bool Port(ref Utf8JsonReader reader, bool isV2)
    {
        Next(ref reader, "api_port");
        if (isV2 && reader.TokenType == JsonTokenType.String)
        {
            if (!int.TryParse(reader.GetString(), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var port) || port > FieldLimits.MostPort)
                return false;
            apiPort = port;
            return true;
        }

        if (!FieldReader.TryInteger(ref reader, 0, FieldLimits.MostPort, out var number))
            return false;
        apiPort = number;
        return true;
    }

    private bool Pin(ref Utf8JsonReader reader, ParsedReport report)
    {
        Next(ref reader, "should_be_running__release");
        if (reader.TokenType == JsonTokenType.Null)
        {
            report.PinnedReleaseId = (long?)null;
            return true;
        }

        if (!FieldReader.TryId(ref reader, out var id))
            return false;
        report.PinnedReleaseId = id;
        return true;
    }
}
