using System.Text.Json.Nodes;
using Muster.Server.Resources.Writes.Rules;

namespace Muster.Server.Resources.Catalog;

/// <summary>What <c>GET /config/vars</c> tells clients: which names variables may have, and what configuration variables mean.</summary>
internal static class ConfigVariables
{
    private static readonly string[] SupervisorNames =
    [
        "APP_RESTART_POLICY", "APP_RESTART_RETRIES", "DEPENDENT_DEVICES_HOOK_ADDRESS", "OVERRIDE_LOCK", "SUPERVISOR_CONNECTIVITY_CHECK", "SUPERVISOR_HANDOVER_TIMEOUT",
        "SUPERVISOR_LOCAL_MODE", "SUPERVISOR_LOG_CONTROL", "SUPERVISOR_POLL_INTERVAL", "SUPERVISOR_UPDATE_STRATEGY", "SUPERVISOR_VPN_CONTROL",
        "SUPERVISOR_PERSISTENT_LOGGING", "SUPERVISOR_INSTANT_UPDATE_TRIGGER", "SUPERVISOR_HARDWARE_METRICS",
    ];

    private static readonly string[] BlockedNames = ["RESTART", "DEVICE_RESTART", "SUPERVISOR_OVERRIDE_LOCK", "SUPERVISOR_NATIVE_LOGGER", "HOST_LOG_TO_DISPLAY"];

    /// <param name="pollIntervalFloor">The shortest poll interval that a device is given.</param>
    /// <param name="deviceType">Slug of the device type whose own variables are wanted too, or null.</param>
    public static JsonObject For(TimeSpan pollIntervalFloor, string? deviceType) => new()
    {
        ["reservedNames"] = List(VariableNames.ReservedNames),
        ["reservedNamespaces"] = List(VariableNames.ReservedNamespaces),
        ["invalidRegex"] = $"/{VariableNames.Invalid}/",
        ["configVarInvalidRegex"] = $"/{VariableNames.InvalidConfig}/",
        ["whiteListedNames"] = InBothNamespaces(SupervisorNames),
        ["whiteListedNamespaces"] = InBothNamespaces(["HOST_", "UI_"]),
        ["blackListedNames"] = InBothNamespaces(BlockedNames),
        ["configVarSchema"] = new JsonObject
        {
            ["type"] = "object",
            ["$schema"] = "http://json-schema.org/draft-06/schema#",
            ["properties"] = Properties((long)pollIntervalFloor.TotalMilliseconds, deviceType is not null && IsRaspberryPi(deviceType)),
        },
    };

    private static JsonObject Properties(long floor, bool raspberryPi)
    {
        var properties = new JsonObject
        {
            ["RESIN_SUPERVISOR_CONNECTIVITY_CHECK"] = Switch("Whether the device checks that it reaches the tunnel", "true"),
            ["RESIN_SUPERVISOR_LOG_CONTROL"] = Switch("Whether the device sends its logs", "true"),
            ["RESIN_SUPERVISOR_POLL_INTERVAL"] = new JsonObject
            {
                ["type"] = "integer",
                ["description"] = "How often the device asks for its target state, in milliseconds",
                ["default"] = floor,
                ["minimum"] = floor,
                ["maximum"] = 86_400_000,
            },
            ["RESIN_SUPERVISOR_VPN_CONTROL"] = Switch("Whether the device holds a tunnel to the cloud", "true"),
            ["RESIN_SUPERVISOR_PERSISTENT_LOGGING"] = Switch("Whether logs outlive a reboot. Supervisor v7.15.0 and later.", "false", reboots: true),
            ["RESIN_SUPERVISOR_INSTANT_UPDATE_TRIGGER"] = Switch("Whether a new release or a restart triggers an update at once. Supervisor v9.13.0 and later.", "true"),
            ["RESIN_OVERRIDE_LOCK"] = Number("Override update locks, when a service holds one and is stuck", 0, 0, 1),
            ["BALENA_HOST_SPLASH_IMAGE"] = new JsonObject
            {
                ["type"] = "string",
                ["format"] = "data-url",
                ["description"] = "PNG image shown while booting. Supervisor v12.3.0 and later.",
                ["maxLength"] = 13400,
                ["will_reboot"] = true,
                ["pattern"] = "^data:image/png;(?:name=(.*);)?base64,(.*)$",
            },
            ["BALENA_SUPERVISOR_HARDWARE_METRICS"] = Switch("Whether the device reports its load, memory, storage and temperature. Supervisor v12.8.0 and later.", "true"),
        };
        if (!raspberryPi)
            return properties;
        properties["RESIN_HOST_CONFIG_disable_splash"] = Switch("Whether the splash screen at boot is off", "1", "0", "1", reboots: true);
        properties["RESIN_HOST_CONFIG_dtparam"] = Boot("Device tree parameters of the default overlay", "\"i2c_arm=on\",\"spi=on\",\"audio=on\"");
        properties["RESIN_HOST_CONFIG_dtoverlay"] = Boot("Device tree overlays", null);
        properties["RESIN_HOST_CONFIG_enable_uart"] = Switch("Whether the UART is on", "1", "0", "1", reboots: true);
        properties["RESIN_HOST_CONFIG_gpu_mem"] = Reboots(Number("Memory of the GPU, in megabytes", 16));
        properties["RESIN_HOST_CONFIG_gpio"] = Boot("Modes and values of GPIO pins at boot", null);
        properties["BALENA_HOST_CONFIG_hdmi_cvt"] = Boot("Custom CVT mode of HDMI", null);
        properties["BALENA_HOST_CONFIG_display_rotate"] = Boot("Rotation or flip of the display", "0");
        foreach (var (port, where) in ((string, string)[])[("", ""), (":1", " of port 2. Supervisor v14.6.0 and later.")])
        {
            properties["BALENA_HOST_CONFIG_hdmi_force_hotplug" + port] = Reboots(Number("Force the HDMI hotplug signal" + where, 0, 0, 1));
            properties["BALENA_HOST_CONFIG_hdmi_group" + port] = Reboots(Number("HDMI output group" + where, 0));
            properties["BALENA_HOST_CONFIG_hdmi_mode" + port] = Reboots(Number("HDMI output format" + where, 1));
        }

        return properties;
    }

    private static bool IsRaspberryPi(string slug) => slug.StartsWith("raspberry", StringComparison.Ordinal) || slug is "fincm3" or "npe-x500-m3" || slug.StartsWith("revpi-", StringComparison.Ordinal);

    private static JsonObject Switch(string description, string @default, string off = "false", string on = "true", bool reboots = false)
    {
        var property = new JsonObject { ["enum"] = List([off, on]), ["description"] = description, ["default"] = @default };
        return reboots ? Reboots(property) : property;
    }

    private static JsonObject Number(string description, int @default, params int[] allowed)
    {
        var property = new JsonObject { ["type"] = "integer", ["description"] = description, ["default"] = @default };
        if (allowed.Length > 0)
            property["enum"] = new JsonArray([.. allowed.Select(n => (JsonNode)n)]);
        return property;
    }

    private static JsonObject Boot(string description, string? @default)
    {
        var property = Reboots(new JsonObject { ["type"] = "string", ["description"] = description });
        if (@default is not null)
            property["default"] = @default;
        return property;
    }

    private static JsonObject Reboots(JsonObject property)
    {
        property["will_reboot"] = true;
        return property;
    }

    private static JsonArray InBothNamespaces(IEnumerable<string> names) => List([.. names.Select(n => "RESIN_" + n), .. names.Select(n => "BALENA_" + n)]);

    private static JsonArray List(IEnumerable<string> texts) => new([.. texts.Select(t => (JsonNode)t)]);
}
