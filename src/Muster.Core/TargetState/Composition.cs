using System.Collections.Frozen;
using System.Text.Json;

namespace Muster.Core.TargetState;

/// <summary>A release's composition, taken apart once: what each service is to be run with, the networks and the volumes.</summary>
public sealed class Composition
{
    public static readonly Composition Empty = new(FrozenDictionary<string, JsonElement>.Empty, null, null);

    private readonly FrozenDictionary<string, JsonElement> services;

    private Composition(FrozenDictionary<string, JsonElement> services, JsonElement? networks, JsonElement? volumes)
    {
        this.services = services;
        Networks = networks;
        Volumes = volumes;
    }

    public JsonElement? Networks { get; }

    public JsonElement? Volumes { get; }

    /// <summary>Text that is absent, or no JSON object, is an empty composition, as a release may have none.</summary>
    public static Composition Parse(string? json)
    {
        if (string.IsNullOrEmpty(json))
            return Empty;
        JsonElement root;
        try
        {
            root = JsonElement.Parse(json);
        }
        catch (JsonException)
        {
            return Empty;
        }

        if (root.ValueKind != JsonValueKind.Object)
            return Empty;
        var services = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (Part(root, "services") is { } all)
        {
            foreach (var service in all.EnumerateObject().Where(s => s.Value.ValueKind == JsonValueKind.Object))
                services[service.Name] = service.Value;
        }

        return new(services.ToFrozenDictionary(StringComparer.Ordinal), Part(root, "networks"), Part(root, "volumes"));
    }

    public bool TryGetService(string name, out JsonElement service) => services.TryGetValue(name, out service);

    private static JsonElement? Part(JsonElement root, string name) =>
        root.TryGetProperty(name, out var part) && part.ValueKind == JsonValueKind.Object ? part : null;
}
