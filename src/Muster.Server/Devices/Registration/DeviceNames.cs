using System.Security.Cryptography;

namespace Muster.Server.Devices.Registration;

/// <summary>Names for new devices, as people can say them over the phone: "quiet-harbour".</summary>
internal static class DeviceNames
{
    private static readonly string[] First =
    [
        "amber", "ancient", "autumn", "azure", "bold", "brave", "bright", "broad", "calm", "cedar", "clear", "clever", "cold", "copper", "coral", "crimson",
        "crisp", "curious", "damp", "dark", "dawn", "deep", "distant", "dry", "early", "eager", "evening", "fair", "falling", "floral", "frosty", "gentle",
        "gilded", "golden", "green", "happy", "hidden", "holy", "honest", "icy", "idle", "jolly", "kind", "late", "light", "lively", "lonely", "long",
        "lucky", "mellow", "merry", "misty", "modest", "morning", "muddy", "nimble", "noble", "old", "pale", "patient", "plain", "polished", "proud", "purple",
        "quick", "quiet", "rapid", "restless", "rough", "round", "royal", "rustic", "salty", "scarlet", "shy", "silent", "silver", "small", "smooth", "snowy",
        "soft", "solitary", "spring", "steady", "still", "stormy", "summer", "sunny", "swift", "tall", "tidy", "twilight", "upper", "violet", "wandering", "warm",
        "weathered", "white", "wild", "winter", "wise", "young",
    ];

    private static readonly string[] Second =
    [
        "anchor", "arch", "bay", "beacon", "bird", "bridge", "brook", "bush", "canyon", "castle", "cliff", "cloud", "coast", "cove", "creek", "darkness",
        "dew", "dream", "dune", "dust", "ember", "falcon", "feather", "fern", "field", "fjord", "flower", "fog", "forest", "fox", "frog", "garden",
        "glade", "glen", "grass", "grove", "harbour", "haze", "heron", "hill", "island", "lake", "leaf", "lighthouse", "meadow", "mill", "moon", "moor",
        "moss", "mountain", "otter", "owl", "path", "pebble", "pine", "pond", "quarry", "rain", "raven", "reef", "ridge", "river", "rock", "sea",
        "shadow", "shape", "shore", "silence", "sky", "smoke", "snow", "sound", "sparrow", "spring", "star", "stone", "stream", "sun", "surf", "swan",
        "thicket", "thunder", "tide", "tower", "trail", "tree", "valley", "village", "violet", "voice", "water", "waterfall", "wave", "willow", "wind", "wood",
    ];

    public static string New() => $"{First[RandomNumberGenerator.GetInt32(First.Length)]}-{Second[RandomNumberGenerator.GetInt32(Second.Length)]}";
}
