namespace Muster.Server.Dashboard.Fleets;

/// <summary>Addresses of the pages about a fleet, and of its devices on the Devices page.</summary>
internal static class FleetLinks
{
    public static string Fleet(string slug) => $"/fleets/{slug}";

    public static string AddDevice(string slug) => $"/fleets/{slug}/add-device";

    /// <param name="slug">Null for all fleets.</param>
    /// <param name="column">Null for all devices.</param>
    public static string Devices(string? slug, string? column = null, string? value = null)
    {
        List<string> terms = [];
        if (slug is not null)
            terms.Add($"fleet={Uri.EscapeDataString(slug)}");
        if (column is not null)
            terms.Add($"f={column}~is~{Uri.EscapeDataString(value!)}");
        return terms.Count == 0 ? "/devices" : $"/devices?{string.Join('&', terms)}";
    }
}
