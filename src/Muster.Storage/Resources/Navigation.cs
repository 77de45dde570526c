namespace Muster.Storage.Resources;

/// <summary>A way from a row of one resource to rows of another, for expands, lambdas, counts and paths.</summary>
/// <param name="Join">
/// The condition, over the aliases <c>{from}</c> and <c>{to}</c>; <c>{me}</c> stands for the caller's account and
/// <c>{mine}</c> for the organizations the caller belongs to.
/// </param>
/// <param name="IsCollection">Whether it leads to any number of rows; else to none or one.</param>
public sealed record Navigation(string Name, string Target, string Join, bool IsCollection)
{
    /// <summary>True when whoever sees the row it starts from may see every row it leads to.</summary>
    public bool KeepsSight { get; init; }

    /// <summary>The field whose mention in an <c>any</c> or <c>all</c> over this way asks for host rows too (<see cref="Resource.HostRow"/>); null when none does.</summary>
    public string? HostsBy { get; init; }

    /// <summary>For the way back of a reference: the name of that reference on the target.</summary>
    public string? ReverseOf { get; init; }
}
