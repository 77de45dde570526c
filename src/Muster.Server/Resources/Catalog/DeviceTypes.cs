using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Muster.Server.Resources.Catalog;

/// <summary>One kind of hardware that balenaOS runs on.</summary>
/// <param name="Aliases">Other slugs it is known by, without its own.</param>
internal sealed record DeviceType(string Slug, string Name, string Architecture, params string[] Aliases)
{
    /// <summary>The contract that clients read: what it is and which architecture it has.</summary>
    public string Contract => new JsonObject
    {
        ["slug"] = Slug,
        ["version"] = "1",
        ["type"] = "hw.device-type",
        ["name"] = Name,
        ["aliases"] = new JsonArray([.. Aliases.Select(a => (JsonNode)a)]),
        ["data"] = new JsonObject { ["arch"] = Architecture },
    }.ToJsonString();
}

/// <summary>The hardware that Muster knows from the start.</summary>
internal static class DeviceTypes
{
    public static readonly ImmutableArray<string> Architectures = ["aarch64", "amd64", "armv7hf", "rpi", "i386", "i386-nlp", "armv5e"];

    public static readonly ImmutableArray<DeviceType> All =
    [
        new("raspberrypi4-64", "Raspberry Pi 4 (using 64bit OS)", "aarch64"),
        new("generic-amd64", "Generic x86_64 (GPT)", "amd64"),
        new("raspberrypi3", "Raspberry Pi 3", "armv7hf"),
        new("generic-aarch64", "Generic AARCH64 (ARMv8)", "aarch64"),
        new("raspberrypi5", "Raspberry Pi 5", "aarch64"),
        new("raspberrypi3-64", "Raspberry Pi 3 (using 64bit OS)", "aarch64"),
        new("raspberrypi400-64", "Raspberry Pi 400", "aarch64"),
        new("raspberrypicm4-ioboard", "Raspberry Pi CM4 IO Board", "aarch64"),
        new("raspberrypi0-2w-64", "Raspberry Pi Zero 2 W (64bit)", "aarch64"),
        new("raspberry-pi2", "Raspberry Pi 2", "armv7hf", "raspberrypi2"),
        new("raspberry-pi", "Raspberry Pi (v1 / Zero / Zero W)", "rpi", "raspberrypi"),
        new("fincm3", "Balena Fin (CM3)", "armv7hf"),
        new("revpi-core-3", "Revolution Pi Core 3", "armv7hf"),
        new("revpi-connect", "Revolution Pi Connect", "armv7hf"),
        new("revpi-connect-4", "Revolution Pi Connect 4", "aarch64"),
        new("npe-x500-m3", "NPE X500 M3", "armv7hf"),
        new("intel-nuc", "Intel NUC", "amd64", "nuc"),
        new("genericx86-64-ext", "Generic x86_64 (legacy MBR)", "amd64"),
        new("qemux86-64", "QEMU X86 64bit", "amd64"),
        new("surface-go", "Microsoft Surface Go", "amd64"),
        new("surface-pro-6", "Microsoft Surface 6", "amd64"),
        new("up-board", "UP Board", "amd64"),
        new("qemux86", "QEMU X86 32bit", "i386"),
        new("intel-edison", "Intel Edison", "i386", "edison"),
        new("iot2000", "Siemens IOT2000", "i386-nlp"),
        new("beaglebone-black", "BeagleBone Black", "armv7hf", "beaglebone"),
        new("beaglebone-green", "BeagleBone Green", "armv7hf"),
        new("beaglebone-green-gateway", "BeagleBone Green Gateway", "armv7hf"),
        new("beaglebone-pocket", "PocketBeagle", "armv7hf"),
        new("jetson-nano", "Nvidia Jetson Nano SD-CARD", "aarch64"),
        new("jetson-nano-emmc", "Nvidia Jetson Nano eMMC", "aarch64"),
        new("jetson-nano-2gb-devkit", "Nvidia Jetson Nano 2GB Devkit SD", "aarch64"),
        new("jetson-tx1", "Nvidia Jetson TX1", "aarch64"),
        new("jetson-tx2", "Nvidia Jetson TX2", "aarch64"),
        new("jetson-xavier", "Nvidia Jetson AGX Xavier", "aarch64"),
        new("jetson-xavier-nx-devkit", "Nvidia Jetson Xavier NX Devkit SD-CARD", "aarch64"),
        new("jetson-xavier-nx-devkit-emmc", "Nvidia Jetson Xavier NX Devkit eMMC", "aarch64"),
        new("jetson-agx-orin-devkit", "Nvidia Jetson AGX Orin 32GB", "aarch64"),
        new("jetson-orin-nx-xavier-nx-devkit", "Nvidia Jetson Orin NX in Xavier NX Devkit NVME", "aarch64"),
        new("jetson-orin-nano-devkit-nvme", "Nvidia Jetson Orin Nano 8GB (SD) Devkit NVME", "aarch64"),
        new("rockpi-4b-rk3399", "Radxa Rock Pi 4B", "aarch64"),
        new("nanopc-t4", "NanoPC-T4", "aarch64"),
        new("imx8mm-var-dart", "Variscite DART-MX8M Mini", "aarch64"),
        new("imx8m-var-dart", "Variscite DART-MX8M", "aarch64"),
        new("iot-gate-imx8", "Compulab IOT-GATE-iMX8", "aarch64"),
        new("coral-dev", "Google Coral Dev Board", "aarch64"),
        new("odroid-xu4", "ODROID-XU4", "armv7hf", "odroid-ux3", "odroid-u3+"),
        new("odroid-c1", "ODROID-C1+", "armv7hf"),
        new("asus-tinker-board", "Asus Tinker Board", "armv7hf"),
        new("asus-tinker-board-s", "Asus Tinker Board S", "armv7hf"),
        new("orangepi-plus2", "Orange Pi Plus2", "armv7hf"),
        new("orange-pi-zero", "Orange Pi Zero", "armv7hf"),
        new("orange-pi-one", "Orange Pi One", "armv7hf"),
        new("bananapi-m1-plus", "BananaPi-M1+", "armv7hf"),
        new("nanopi-neo-air", "Nanopi Neo Air", "armv7hf"),
        new("var-som-mx6", "Variscite VAR-SOM-MX6", "armv7hf"),
        new("ts4900", "Technologic TS-4900", "armv7hf"),
        new("ts7700", "Technologic TS-7700", "armv5e"),
    ];
}
