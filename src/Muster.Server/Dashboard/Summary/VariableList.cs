namespace Muster.Server.Dashboard.Summary;

public sealed record VariableView(long Id, string Name, string Value);

/// <summary>What a variable is for; each has a table of its own on the page.</summary>
public enum VariableKind { Environment, ServiceEnvironment, Configuration }

/// <summary>A variable as it reaches the device.</summary>
/// <param name="Service">The service that gets it; null for all.</param>
/// <param name="Own">The device's own value; null when it has none.</param>
/// <param name="Inherited">The fleet's; null when it has none. The device's own value hides it.</param>
public sealed record VariableRow(ServiceView? Service, string Name, VariableView? Own, VariableView? Inherited)
{
    public string Value => (Own ?? Inherited)!.Value;

    public bool IsOverriding => Own is not null && Inherited is not null;

    /// <summary>Whether the name says that the value is nobody's business who merely walks by.</summary>
    public bool IsSecret => SecretWords.Any(word => Name.Contains(word, StringComparison.OrdinalIgnoreCase));

    private static readonly string[] SecretWords = ["SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "KEY", "CREDENTIAL", "PRIVATE", "AUTH", "DSN", "CONNECTION_STRING"];
}

/// <summary>A device's own variables over those of its fleet.</summary>
public static class VariableList
{
    /// <summary>One row per service and name, by service and name.</summary>
    public static IReadOnlyList<VariableRow> Of(IEnumerable<(ServiceView? Service, VariableView Variable)> own, IEnumerable<(ServiceView? Service, VariableView Variable)> inherited)
    {
        var rows = inherited.ToDictionary(v => (v.Service?.Id, v.Variable.Name), v => new VariableRow(v.Service, v.Variable.Name, null, v.Variable));
        foreach (var (service, variable) in own)
        {
            var at = (service?.Id, variable.Name);
            rows[at] = new(service, variable.Name, variable, rows.GetValueOrDefault(at)?.Inherited);
        }

        return [.. rows.Values.OrderBy(r => r.Service?.ServiceName, StringComparer.Ordinal).ThenBy(r => r.Name, StringComparer.Ordinal)];
    }
}

/// <summary>A change of a variable of the device.</summary>
/// <param name="Row">The device's own that is changed; null when it gets a new one.</param>
/// <param name="Service">Of a service's variable.</param>
public sealed record VariableEdit(VariableKind Kind, VariableView? Row, long? Service, string Name, string Value);
