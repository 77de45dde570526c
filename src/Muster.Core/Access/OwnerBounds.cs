namespace Muster.Core.Access;

/// <summary>How many rows of a kind one fleet, device, release, service or person may have. More than anybody uses, and an end.</summary>
public static class OwnerBounds
{
    /// <summary>Tags, variables or labels of one owner.</summary>
    public const int MostEntries = 1_000;

    /// <summary>Characters of their values together.</summary>
    public const int MostCharacters = 4 * 1024 * 1024;

    /// <summary>SSH keys of one person.</summary>
    public const int MostPublicKeys = 200;
}
