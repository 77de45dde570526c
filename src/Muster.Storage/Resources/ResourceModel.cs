using System.Collections.Frozen;

namespace Muster.Storage.Resources;

/// <summary>All resources of one version of the wire, with the ways between them resolved.</summary>
public sealed class ResourceModel
{
    private readonly FrozenDictionary<string, Resource> byName;
    private readonly FrozenDictionary<string, FrozenDictionary<string, Navigation>> ways;

    private ResourceModel(string version, IReadOnlyCollection<Resource> resources)
    {
        Version = version;
        byName = resources.SelectMany(r => r.Synonyms.Append(r.Name).Select(name => (name, r))).ToFrozenDictionary(p => p.name, p => p.r, StringComparer.Ordinal);
        ways = resources.ToFrozenDictionary(r => r.Name, WaysOf, StringComparer.Ordinal);
    }

    public static ResourceModel Version7 { get; } = new("v7", [.. DeviceResources.All(), .. FleetResources.All(), .. PeopleResources.All()]);

    /// <summary>For older clients: the device's fields under their former names.</summary>
    public static ResourceModel Version6 { get; } = new("v6", [.. DeviceResources.All().Where(r => r.Name != "device"), DeviceResources.OfVersion6(), .. FleetResources.All(), .. PeopleResources.All()]);

    /// <summary>The first part of a URL: "v7".</summary>
    public string Version { get; }

    public IEnumerable<Resource> Resources => byName.Values.Distinct();

    /// <summary>The resource of this name or synonym, or null.</summary>
    public Resource? Resource(string name) => byName.GetValueOrDefault(name);

    /// <summary>The navigation of this name or synonym from a resource, or null.</summary>
    public Navigation? Way(Resource from, string name) => ways[from.Name].GetValueOrDefault(name);

    /// <summary>All ways from a resource, under every name.</summary>
    public IReadOnlyDictionary<string, Navigation> Ways(Resource from) => ways[from.Name];

    /// <summary>A reference under its name or its noun alone (<c>image</c> for <c>installs__image</c>), or null.</summary>
    public Field? FieldOrSynonym(Resource resource, string name) =>
        resource.Field(name) ?? (Way(resource, name) is { ReverseOf: null } way ? resource.Field(way.Name) : null);

    private FrozenDictionary<string, Navigation> WaysOf(Resource resource)
    {
        var found = new Dictionary<string, Navigation>(StringComparer.Ordinal);
        foreach (var reference in resource.Fields.Where(f => f.Target is not null))
        {
            found.Add(reference.Name, new Navigation(reference.Name, reference.Target!, $"{{to}}.id = {reference.Of("{from}")}", IsCollection: false)
            {
                KeepsSight = resource.Visibility.Parent == reference.Name,
            });
        }

        foreach (var way in resource.Ways)
            found[way.Name] = way;
        foreach (var other in byName.Values.Distinct())
        {
            foreach (var reference in other.Fields.Where(f => f.Target == resource.Name))
            {
                var name = reference.Reverse ?? other.Name;
                found.TryAdd(name, new Navigation(name, other.Name, $"{reference.Of("{to}")} = {{from}}.id", IsCollection: true)
                {
                    ReverseOf = reference.Name,
                    KeepsSight = other.Visibility is { Anchor: Anchor.Parent, NotForDevices: false, Parent: var parent } && parent == reference.Name && other.Visibility.WithPublicFleets == resource.Visibility.WithPublicFleets,
                });
            }
        }

        // "installs__image" may be called "image", where nothing else claims that noun.
        foreach (var noun in found.Values.Where(w => w.Name.Contains("__", StringComparison.Ordinal)).GroupBy(w => w.Name[(w.Name.LastIndexOf("__", StringComparison.Ordinal) + 2)..], StringComparer.Ordinal).ToList())
        {
            if (noun.Count() == 1 && resource.Field(noun.Key) is null)
                found.TryAdd(noun.Key, noun.First());
        }

        return found.ToFrozenDictionary(StringComparer.Ordinal);
    }
}
