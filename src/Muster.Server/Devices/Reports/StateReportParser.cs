using System.Text.Json;
using Muster.Core.Status;
using Muster.Core.Text;

namespace Muster.Server.Devices.Reports;

/// <summary>
/// Reads the bodies of <c>PATCH /device/v3/state</c> and <c>PATCH /device/v2/{uuid}/state</c>. Whatever the bytes are, the
/// outcome is a <see cref="ReportVerdict"/>, never an exception. Unknown fields are passed over.
/// </summary>
internal static class StateReportParser
{
    /// <summary>More releases or services than any device runs; more is refused.</summary>
    private const int MaxApps = 64, MaxReleases = 64, MaxServices = 1024;

    public static ParsedReport ParseV3(ReadOnlySpan<byte> body)
    {
        var report = new ParsedReport();
        try
        {
            var reader = new Utf8JsonReader(body);
            ReadDevices(ref reader, report);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that is no valid text (bad UTF-8, half of a surrogate pair).
            report.Refuse(ReportVerdict.Malformed, JsonText.Problem(body) ?? JsonText.Malformed);
        }

        return report;
    }

    public static ParsedReport ParseV2(ReadOnlySpan<byte> body)
    {
        var report = new ParsedReport();
        try
        {
            var reader = new Utf8JsonReader(body);
            ReadLocal(ref reader, report);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            report.Refuse(ReportVerdict.Malformed, JsonText.Problem(body) ?? JsonText.Malformed);
        }

        return report;
    }

    private static bool ReadDevices(ref Utf8JsonReader reader, ParsedReport report)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            return NotOneDevice(ref reader, report);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var uuid = reader.GetString()!;
            reader.Read();
            if (reader.TokenType == JsonTokenType.Null)
                continue;
            if (report.Uuid.Length > 0 || reader.TokenType != JsonTokenType.StartObject)
                return NotOneDevice(ref reader, report);
            report.Uuid = uuid;
            if (!ReadDevice(ref reader, report, isV2: false))
                return false;
        }

        reader.Read();
        return report.Uuid.Length > 0 || NotOneDevice(ref reader, report);
    }

    // The rest is read on, so that a body that is not JSON is called so.
    private static bool NotOneDevice(ref Utf8JsonReader reader, ParsedReport report)
    {
        while (reader.Read())
        {
        }

        return report.Refuse(ReportVerdict.NotOneDevice, "The body must hold the state of exactly one device, which the key belongs to.");
    }

    private static bool ReadLocal(ref Utf8JsonReader reader, ParsedReport report)
    {
        var found = false;
        if (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isLocal = reader.ValueTextEquals("local"u8);
                reader.Read();
                if (!isLocal)
                {
                    reader.Skip();
                }
                else if (reader.TokenType != JsonTokenType.StartObject)
                {
                    return report.Refuse(ReportVerdict.Invalid, "\"local\" must be an object.");
                }
                else
                {
                    found = true;
                    if (!ReadDevice(ref reader, report, isV2: true))
                        return false;
                }
            }
        }

        while (reader.Read())
        {
        }

        return found || report.Refuse(ReportVerdict.Invalid, "The body must hold \"local\".");
    }

    private static bool ReadDevice(ref Utf8JsonReader reader, ParsedReport report, bool isV2)
    {
        var fields = new ReportedFields();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var read = reader.ValueTextEquals("apps"u8)
                ? reader.Read() && (isV2 ? ReadImages(ref reader, report) : ReadApps(ref reader, report))
                : fields.Read(ref reader, report, isV2);
            if (!read)
                return report.Verdict == ReportVerdict.Ok ? report.Refuse(ReportVerdict.Invalid, $"\"{fields.Current}\" has a type or value that it must not have.") : false;
        }

        report.Fields = fields.ToReport();
        return true;
    }

    private static bool ReadApps(ref Utf8JsonReader reader, ParsedReport report)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return true;
        if (reader.TokenType != JsonTokenType.StartObject)
            return report.Refuse(ReportVerdict.Invalid, "\"apps\" must be an object.");
        List<ReportedApp> apps = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var uuid = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject || apps.Count == MaxApps || !ReadApp(ref reader, uuid, apps, report))
                return report.Verdict == ReportVerdict.Ok ? report.Refuse(ReportVerdict.Invalid, "An app in \"apps\" must be an object with releases.") : false;
        }

        report.Apps = apps;
        return true;
    }

    private static bool ReadApp(ref Utf8JsonReader reader, string uuid, List<ReportedApp> apps, ParsedReport report)
    {
        string? running = null;
        List<ReportedRelease> releases = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("release_uuid"u8))
            {
                reader.Read();
                if (!FieldReader.TryText(ref reader, out running))
                    return report.Refuse(ReportVerdict.Invalid, "\"release_uuid\" must be a text.");
            }
            else if (reader.ValueTextEquals("releases"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.Null && !ReadReleases(ref reader, releases, report))
                    return false;
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        apps.Add(new(uuid, string.IsNullOrEmpty(running) ? null : running, releases));
        return true;
    }

    private static bool ReadReleases(ref Utf8JsonReader reader, List<ReportedRelease> releases, ParsedReport report)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            return report.Refuse(ReportVerdict.Invalid, "\"releases\" must be an object.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var commit = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject || releases.Count == MaxReleases)
                return report.Refuse(ReportVerdict.Invalid, "A release in \"releases\" must be an object.");
            if (!ReadRelease(ref reader, commit, releases, report))
                return false;
        }

        return true;
    }

    private static bool ReadRelease(ref Utf8JsonReader reader, string commit, List<ReportedRelease> releases, ParsedReport report)
    {
        var status = UpdateStatus.None;
        List<ReportedService> services = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("update_status"u8))
            {
                reader.Read();
                if (reader.TokenType == JsonTokenType.Null)
                    continue;
                if (FieldReader.ReadUpdateStatus(ref reader) is not { } known)
                    return report.Refuse(ReportVerdict.Invalid, "\"update_status\" is none of rejected, aborted, downloading, downloaded, applying changes, done.");
                status = known;
            }
            else if (reader.ValueTextEquals("services"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.Null && !ReadServices(ref reader, services, report))
                    return false;
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        releases.Add(new(commit, status, services));
        return true;
    }

    private static bool ReadServices(ref Utf8JsonReader reader, List<ReportedService> services, ParsedReport report)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            return report.Refuse(ReportVerdict.Invalid, "\"services\" must be an object.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject || services.Count == MaxServices || !ReadService(ref reader, out var service))
                return report.Refuse(ReportVerdict.Invalid, "A service must be an object with \"image\", \"status\" and perhaps \"download_progress\".");
            services.Add(service);
        }

        return true;
    }

    private static bool ReadService(ref Utf8JsonReader reader, out ReportedService service)
    {
        string? image = null;
        var status = "";
        int? progress = null;
        service = default;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("image"u8))
            {
                reader.Read();
                if (!FieldReader.TryText(ref reader, out image))
                    return false;
            }
            else if (reader.ValueTextEquals("status"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.String)
                    return false;
                status = ServiceStatusWords.Read(ref reader);
            }
            else if (reader.ValueTextEquals("download_progress"u8))
            {
                reader.Read();
                if (!FieldReader.TryProgress(ref reader, out progress))
                    return false;
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        if (string.IsNullOrEmpty(image))
            return false;
        service = new(image, status, progress);
        return true;
    }

    // v2: apps.<app id>.services.<image id> = { releaseId, status, download_progress }
    private static bool ReadImages(ref Utf8JsonReader reader, ParsedReport report)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return true;
        if (reader.TokenType != JsonTokenType.StartObject)
            return report.Refuse(ReportVerdict.Invalid, "\"apps\" must be an object.");
        List<ReportedImage> images = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                return report.Refuse(ReportVerdict.Invalid, "An app in \"apps\" must be an object.");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isServices = reader.ValueTextEquals("services"u8);
                reader.Read();
                if (!isServices)
                    reader.Skip();
                else if (reader.TokenType != JsonTokenType.StartObject || !ReadImagesOfApp(ref reader, images, report))
                    return report.Verdict == ReportVerdict.Ok ? report.Refuse(ReportVerdict.Invalid, "\"services\" must be an object.") : false;
            }
        }

        report.Images = images;
        return true;
    }

    private static bool ReadImagesOfApp(ref Utf8JsonReader reader, List<ReportedImage> images, ParsedReport report)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (!long.TryParse(reader.GetString(), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var imageId) || imageId <= 0)
                return report.Refuse(ReportVerdict.Invalid, "Invalid image ID value in request");
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject || images.Count == MaxServices)
                return false;
            long releaseId = 0;
            var status = "";
            int? progress = null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("releaseId"u8))
                {
                    reader.Read();
                    if (!FieldReader.TryId(ref reader, out releaseId))
                        return report.Refuse(ReportVerdict.Invalid, "Invalid release ID value in request");
                }
                else if (reader.ValueTextEquals("status"u8))
                {
                    reader.Read();
                    if (reader.TokenType != JsonTokenType.String)
                        return report.Refuse(ReportVerdict.Invalid, "\"status\" of a service must be a text.");
                    status = ServiceStatusWords.Read(ref reader);
                }
                else if (reader.ValueTextEquals("download_progress"u8))
                {
                    reader.Read();
                    if (!FieldReader.TryProgress(ref reader, out progress))
                        return report.Refuse(ReportVerdict.Invalid, "\"download_progress\" must be a whole number from 0 to 100.");
                }
                else
                {
                    reader.Read();
                    reader.Skip();
                }
            }

            if (releaseId == 0)
                return report.Refuse(ReportVerdict.Invalid, "Invalid release ID value in request");
            images.Add(new(imageId, releaseId, status, progress));
        }

        return true;
    }
}
