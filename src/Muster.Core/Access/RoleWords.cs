namespace Muster.Core.Access;

/// <summary>The words of the wire and of the database for <see cref="Role"/>.</summary>
public static class RoleWords
{
    public static string Word(this Role role) => role switch
    {
        Role.Observer => "observer",
        Role.Operator => "operator",
        Role.Developer => "developer",
        _ => "administrator",
    };

    /// <summary>The role with this id in the resource API; null when there is none.</summary>
    public static Role? OfId(long id) => id is >= 1 and <= 4 ? (Role)(id - 1) : null;

    /// <summary>Null for a word that is no role.</summary>
    public static Role? Parse(string? word) => word switch
    {
        "observer" => Role.Observer,
        "operator" => Role.Operator,
        "developer" => Role.Developer,
        "administrator" => Role.Administrator,
        _ => null,
    };
}
