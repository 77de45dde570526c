namespace Muster.Server.Devices.Registry;

/// <summary>The image registry that trusts tokens of this server. Settings under <c>Registry:</c>; without a key file there is none.</summary>
internal sealed class RegistryOptions
{
    /// <summary>The registry's name: the part of an image's location before the first slash, and the audience of its tokens.</summary>
    public string Service { get; set; } = "";

    /// <summary>Who signs, as the registry is set up to expect.</summary>
    public string Issuer { get; set; } = "muster";

    /// <summary>PEM file with the EC private key (P-256) whose certificate the registry trusts.</summary>
    public string KeyFile { get; set; } = "";

    /// <summary>The key's id as the registry knows it; empty: the one that registries make of the key themselves (<see cref="RegistryKeyId"/>).</summary>
    public string KeyId { get; set; } = "";

    public TimeSpan Lifetime { get; set; } = TimeSpan.FromHours(4);
}
