using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Muster.Server.Insight;

/// <summary>How this room writes JSON: snake_case, instants as ISO 8601 in UTC with milliseconds, nulls written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, Converters = [typeof(InsightJson.InstantConverter)])]
[JsonSerializable(typeof(DeviceStatus))]
[JsonSerializable(typeof(DeviceHealthReport))]
[JsonSerializable(typeof(DeviceHistory))]
[JsonSerializable(typeof(FleetOverview))]
[JsonSerializable(typeof(FleetCards))]
[JsonSerializable(typeof(DeviceTimeline))]
[JsonSerializable(typeof(OutageList))]
[JsonSerializable(typeof(MetricHistory))]
[JsonSerializable(typeof(SavedView))]
[JsonSerializable(typeof(SavedViewList))]
[JsonSerializable(typeof(SaveView))]
[JsonSerializable(typeof(TransitionMessage))]
[JsonSerializable(typeof(AuditPage))]
internal sealed partial class InsightJson : JsonSerializerContext
{
    public static string Instant(long milliseconds) =>
        System.DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    public static string? Instant(long? milliseconds) => milliseconds is { } at ? Instant(at) : null;

    /// <summary>An instant of a query string: ISO 8601 or Unix milliseconds.</summary>
    public static bool TryInstant(string? text, long otherwise, out long at)
    {
        at = otherwise;
        if (text is not { Length: > 0 })
            return true;
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out at))
            return true;
        if (!System.DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var instant))
            return false;
        at = instant.ToUnixTimeMilliseconds();
        return true;
    }

    /// <summary>Instants of records that are shared with other rooms.</summary>
    internal sealed class InstantConverter : JsonConverter<System.DateTimeOffset>
    {
        public override System.DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDateTimeOffset();

        public override void Write(Utf8JsonWriter writer, System.DateTimeOffset value, JsonSerializerOptions options) => writer.WriteStringValue(Instant(value.ToUnixTimeMilliseconds()));
    }
}
