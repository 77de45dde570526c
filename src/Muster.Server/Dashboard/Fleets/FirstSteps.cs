namespace Muster.Server.Dashboard.Fleets;

/// <summary>The commands that bring a device to this server, ready to be copied.</summary>
/// <param name="Server">Address without a slash at the end.</param>
/// <param name="OwnAuthority">The server's certificate is of Muster's own authority, which clients have to be told of.</param>
internal sealed record FirstSteps(string Server, long FleetId, string Fleet, string DeviceType, string Key, bool OwnAuthority)
{
    private string Curl => OwnAuthority ? "curl -sS --fail-with-body --cacert muster-ca.pem" : "curl -sS --fail-with-body";

    private string Authority => OwnAuthority ? $"curl -sSk {Server}/muster/v1/ca.pem -o muster-ca.pem   # compare it with ca.pem on the server\n" : "";

    /// <summary>Where images of balenaOS come from.</summary>
    public const string Images = "https://www.balena.io/os";

    /// <summary>An image without a fleet. The CLI asks balena's own server for it.</summary>
    public string Download => $"balena os download {DeviceType} --output balenaos-{DeviceType}.img";

    /// <summary>The balena CLI, told to talk to this server, and an image of balenaOS.</summary>
    public string Image =>
        $"""
        {Authority}export BALENARC_API_URL={Server} BALENARC_DASHBOARD_URL={Server}{(OwnAuthority ? "\nexport NODE_EXTRA_CA_CERTS=$PWD/muster-ca.pem" : "")}
        balena login --credentials
        balena os configure balenaos-{DeviceType}.img --config config.json
        """;

    /// <summary>The same for a medium that balenaOS was written to already.</summary>
    public const string Medium = "balena config inject config.json --drive /dev/sdX";

    public string Preload => $"balena preload balenaos-{DeviceType}.img --fleet {Fleet} --commit current{(OwnAuthority ? " --add-certificate muster-ca.crt" : "")}";

    /// <summary>Registration and the first poll by hand.</summary>
    public string ByHand =>
        $$"""
        {{Authority}}SERVER={{Server}}
        UUID=$(openssl rand -hex 16)
        {{Curl}} "$SERVER/device/register" -H 'Authorization: Bearer {{Key}}' -H 'Content-Type: application/json' \
          -d '{"application": {{FleetId}}, "uuid": "'$UUID'", "device_type": "{{DeviceType}}"}' | tee device.json
        DEVICE_KEY=$(sed 's/.*"api_key":"\([^"]*\)".*/\1/' device.json)
        {{Curl}} "$SERVER/device/v3/$UUID/state" -H "Authorization: Bearer $DEVICE_KEY"
        """;

    public string Simulated =>
        $"{Authority}muster simulate --server {Server} --fleet {Fleet} --devices 5 --provisioning-key {Key}{(OwnAuthority ? " --ca muster-ca.pem" : "")}";
}
