using System.Text.Json.Serialization;

namespace Muster.Server.Cloudlink.TunnelServers;

/// <summary>Body of <c>client-connect</c> and <c>client-disconnect</c>. Unknown fields are ignored.</summary>
/// <param name="ServiceId">The service instance that holds, or held, the sessions.</param>
internal sealed record SessionsTold(
    [property: JsonPropertyName("serviceId")] long? ServiceId,
    [property: JsonPropertyName("uuids")] string[]? Uuids);

[JsonSerializable(typeof(SessionsTold))]
internal sealed partial class TunnelServerJson : JsonSerializerContext;
