using System.Text.Json;
using Muster.Core.Text;
using Muster.Server.Devices.Reports;

namespace Muster.Server.Devices.Registration;

/// <summary>A body of <c>POST /device/register</c>, JSON or form, checked (recordings, device-register).</summary>
internal sealed record RegistrationRequest(long Application, string Uuid, string DeviceType)
{
    private static readonly System.Buffers.SearchValues<char> Hex = System.Buffers.SearchValues.Create("0123456789abcdef");

    public string? ApiKey { get; init; }
    public string? SupervisorVersion { get; init; }
    public string? OsVersion { get; init; }
    public string? OsVariant { get; init; }
    public string? MacAddress { get; init; }

    /// <summary>The request, or the sentence that says what is wrong with it.</summary>
    public static (RegistrationRequest? Request, string Problem) Of(IReadOnlyDictionary<string, string?> fields)
    {
        string? Field(string name) => fields.TryGetValue(name, out var value) && !string.IsNullOrEmpty(value) ? value : null;
        if (Field("uuid") is not { } uuid)
            return (null, "UUID must be specified");
        if (Field("device_type") is not { } deviceType)
            return (null, "Device type must be specified");
        if (!long.TryParse(Field("application"), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var application))
            return (null, "Application ID must be a valid integer");
        if (uuid.Length is not (32 or 62) || uuid.AsSpan().ContainsAnyExcept(Hex))
            return (null, "Device UUID must be a 32 or 62 character long lower case hex string.");
        if (Field("api_key") is { } key && Keys.Problem(key) is { } problem)
            return (null, problem);
        if (fields.FirstOrDefault(f => f.Value is { } text && !WireText.IsStorable(text)) is { Key: { } bad })
            return (null, JsonText.NotText(bad));
        return (new(application, uuid, deviceType)
        {
            ApiKey = Field("api_key"),
            SupervisorVersion = Field("supervisor_version") is { } supervisor ? FieldLimits.Cut(supervisor, FieldLimits.SupervisorVersion) : null,
            OsVersion = Field("os_version") is { } version ? FieldLimits.Cut(version, FieldLimits.OsVersion) : null,
            OsVariant = FieldLimits.OsVariant(Field("os_variant")),
            MacAddress = Field("mac_address") is { } mac ? FieldLimits.CutList(mac, FieldLimits.MacAddress) : null,
        }, "");
    }

    /// <summary>The members of a JSON object that are texts or numbers; other members are passed over. Or the sentence that says why it is none.</summary>
    public static (Dictionary<string, string?>? Fields, string? Problem) FieldsOf(ReadOnlyMemory<byte> json)
    {
        if (JsonText.Problem(json.Span) is { } problem)
            return (null, problem);
        using var document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            return (null, "The body is not a valid JSON object.");
        return (document.RootElement.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.ValueKind switch
        {
            JsonValueKind.String => member.Value.GetString(),
            JsonValueKind.Number => member.Value.GetRawText(),
            _ => null,
        }, StringComparer.Ordinal), null);
    }
}
