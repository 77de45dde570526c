using System.Text.Json.Serialization;

namespace Muster.Protocol;

/// <summary>Body of <c>POST /device/register</c> (docs/device-protocol.md).</summary>
public sealed record RegisterRequest
{
    [JsonPropertyName("application")] public long Application { get; init; }
    [JsonPropertyName("uuid")] public string Uuid { get; init; } = "";
    [JsonPropertyName("device_type")] public string DeviceType { get; init; } = "";
    [JsonPropertyName("api_key")] public string? ApiKey { get; init; }
    [JsonPropertyName("supervisor_version")] public string? SupervisorVersion { get; init; }
    [JsonPropertyName("os_version")] public string? OsVersion { get; init; }
    [JsonPropertyName("os_variant")] public string? OsVariant { get; init; }
    [JsonPropertyName("mac_address")] public string? MacAddress { get; init; }
}

/// <summary>Answer 201 of <c>POST /device/register</c>.</summary>
public sealed record RegisterResponse
{
    [JsonPropertyName("id")] public long Id { get; init; }
    [JsonPropertyName("uuid")] public string Uuid { get; init; } = "";
    [JsonPropertyName("api_key")] public string ApiKey { get; init; } = "";
}

[JsonSerializable(typeof(RegisterRequest))]
[JsonSerializable(typeof(RegisterResponse))]
public sealed partial class DeviceApiJson : JsonSerializerContext;
