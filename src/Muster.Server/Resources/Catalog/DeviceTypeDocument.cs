using System.Text.Json.Nodes;

namespace Muster.Server.Resources.Catalog;

/// <summary>A device type in the form of <c>/device-types/v1</c>, which clients read to configure an image of balenaOS.</summary>
internal static class DeviceTypeDocument
{
    public static JsonObject Of(DeviceType type) => new()
    {
        ["slug"] = type.Slug,
        ["version"] = 1,
        ["aliases"] = new JsonArray([.. type.Aliases.Prepend(type.Slug).Select(a => (JsonNode)a)]),
        ["name"] = type.Name,
        ["arch"] = type.Architecture,
        ["state"] = "RELEASED",
        ["instructions"] = new JsonArray("Write the OS image to the device's boot medium.", "Connect the device to the network and power it up."),
        ["gettingStartedLink"] = new JsonObject(),
        ["supportsBlink"] = true,
        ["options"] = new JsonArray(
            Group("network", "Network",
                new JsonObject { ["message"] = "Network Connection", ["name"] = "network", ["type"] = "list", ["choices"] = new JsonArray("ethernet", "wifi") },
                OnWifi("Wifi SSID", "wifiSsid", "text"),
                OnWifi("Wifi Passphrase", "wifiKey", "password")),
            Advanced()),
        ["yocto"] = new JsonObject { ["machine"] = type.Slug, ["image"] = "balena-image", ["fstype"] = "balenaos-img", ["deployArtifact"] = $"balena-image-{type.Slug}.balenaos-img", ["compressed"] = true },
        ["configuration"] = new JsonObject { ["config"] = new JsonObject { ["partition"] = new JsonObject { ["primary"] = 1 }, ["path"] = "/config.json" } },
        ["initialization"] = new JsonObject
        {
            ["options"] = new JsonArray(new JsonObject { ["message"] = "Select a drive", ["type"] = "drive", ["name"] = "drive" }),
            ["operations"] = new JsonArray(new JsonObject { ["command"] = "burn" }),
        },
    };

    private static JsonObject Group(string name, string message, params JsonNode[] options) =>
        new() { ["isGroup"] = true, ["name"] = name, ["message"] = message, ["options"] = new JsonArray(options) };

    private static JsonObject Advanced()
    {
        var group = Group("advanced", "Advanced", new JsonObject { ["message"] = "Check for updates every X minutes", ["name"] = "appUpdatePollInterval", ["type"] = "number", ["min"] = 10, ["default"] = 10 });
        (group["isCollapsible"], group["collapsed"]) = (true, true);
        return group;
    }

    private static JsonObject OnWifi(string message, string name, string type) =>
        new() { ["message"] = message, ["name"] = name, ["type"] = type, ["when"] = new JsonObject { ["network"] = "wifi" } };
}
