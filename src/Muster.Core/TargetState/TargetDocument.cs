using System.Buffers;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Muster.Core.TargetState;

/// <summary>
/// Composes what a device should run (docs/device-protocol.md; recordings state-get-v2, state-get-v3, fleet-state-v3).
/// The same inputs give the same bytes, on every node and after every restart, so that a device's ETag stays good.
/// </summary>
public static class TargetDocument
{
    private const string PollInterval = "RESIN_SUPERVISOR_POLL_INTERVAL";
    private const string PollIntervalAlias = "BALENA_SUPERVISOR_POLL_INTERVAL";

    /// <summary>Old supervisors know a host app by this label and leave it alone.</summary>
    private static readonly ImmutableArray<Variable> HostLabels = [new("io.balena.image.store", "root")];

    /// <summary>Configuration that old supervisors read from labels of the user's services.</summary>
    private static readonly ImmutableArray<(string Variable, string Label)> ConfigurationLabels =
    [
        ("RESIN_SUPERVISOR_UPDATE_STRATEGY", "io.resin.update.strategy"),
        ("RESIN_SUPERVISOR_HANDOVER_TIMEOUT", "io.resin.update.handover-timeout"),
    ];

    // What is inside a string stays readable; a device's parser is no browser.
    private static readonly JsonWriterOptions Writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>The document of <c>GET /device/v3/{uuid}/state</c>; without a device, that of <c>GET /device/v3/fleet/{uuid}/state</c>.</summary>
    public static ReadOnlyMemory<byte> V3(TargetInputs inputs)
    {
        var buffer = new ArrayBufferWriter<byte>(2048);
        using var json = new Utf8JsonWriter(buffer, Writing);
        var configuration = Configuration(inputs);
        json.WriteStartObject();
        json.WriteStartObject(inputs.Device?.Uuid ?? inputs.User.App.Uuid);
        json.WriteString("name"u8, inputs.Device?.Name ?? inputs.User.App.Name);
        json.WriteStartObject("apps"u8);
        if (inputs.Supervisor is { } supervisor)
            WriteApp(json, supervisor, inputs.Device, [], []);
        if (inputs.Host is { } host)
            WriteApp(json, host, inputs.Device, HostLabels, []);
        WriteApp(json, inputs.User, inputs.Device, [], configuration);
        json.WriteEndObject();
        WriteMap(json, "config"u8, configuration);
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    /// <summary>The document of <c>GET /device/v2/{uuid}/state</c>, which knows only the user's app.</summary>
    public static ReadOnlyMemory<byte> V2(TargetInputs inputs)
    {
        var buffer = new ArrayBufferWriter<byte>(2048);
        using var json = new Utf8JsonWriter(buffer, Writing);
        var configuration = Configuration(inputs);
        var (app, release) = inputs.User;
        json.WriteStartObject();
        json.WriteStartObject("local"u8);
        json.WriteString("name"u8, inputs.Device?.Name ?? app.Name);
        WriteMap(json, "config"u8, configuration);
        json.WriteStartObject("apps"u8);
        json.WriteStartObject(Text(app.Id));
        if (release is not null)
        {
            json.WriteNumber("releaseId"u8, release.Id);
            json.WriteString("commit"u8, release.Commit);
        }

        json.WriteString("name"u8, app.Name);
        json.WriteStartObject("services"u8);
        foreach (var service in release?.Services ?? [])
            WriteServiceV2(json, service, release!.Composition, app, inputs.Device, configuration);
        json.WriteEndObject();
        WriteObject(json, "networks"u8, release?.Composition.Networks);
        WriteObject(json, "volumes"u8, release?.Composition.Volumes);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteStartObject("dependent"u8);
        WriteObject(json, "apps"u8, null);
        WriteObject(json, "devices"u8, null);
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    /// <summary>
    /// The ETag of a document. Weak, because a proxy that compresses the answer may keep it so; a device echoes it byte
    /// for byte.
    /// </summary>
    public static string Version(ReadOnlySpan<byte> document)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(document, hash);
        return $"W/\"{document.Length:x}-{Convert.ToBase64String(hash[..20])[..27]}\"";
    }

    private static SortedDictionary<string, string> Configuration(TargetInputs inputs)
    {
        var configuration = Merged(inputs.User.App.Configuration, inputs.Device?.Configuration ?? []);
        configuration[PollInterval] = Text(inputs.PollIntervalMs);
        if (configuration.ContainsKey(PollIntervalAlias))
            configuration[PollIntervalAlias] = Text(inputs.PollIntervalMs);
        return configuration;
    }

    private static void WriteApp(Utf8JsonWriter json, AppTarget target, TargetDevice? device, ImmutableArray<Variable> defaultLabels, SortedDictionary<string, string> configuration)
    {
        var (app, release) = target;
        json.WriteStartObject(app.Uuid);
        json.WriteNumber("id"u8, app.Id);
        json.WriteString("name"u8, app.Name);
        json.WriteBoolean("is_host"u8, app.IsHost);
        json.WriteString("class"u8, app.Class);
        if (release is not null)
        {
            json.WriteStartObject("releases"u8);
            json.WriteStartObject(release.Commit);
            json.WriteNumber("id"u8, release.Id);
            if (release.Services is not [])
            {
                json.WriteStartObject("services"u8);
                foreach (var service in release.Services)
                    WriteServiceV3(json, service, release.Composition, app, device, defaultLabels, configuration);
                json.WriteEndObject();
            }

            // What a composition does not speak of is left out, here and not in v2, whose readers count on it.
            if (release.Composition.Networks is { } networks)
                WriteObject(json, "networks"u8, networks);
            if (release.Composition.Volumes is { } volumes)
                WriteObject(json, "volumes"u8, volumes);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteServiceV3(Utf8JsonWriter json, TargetService service, Composition composition, TargetApp app, TargetDevice? device, ImmutableArray<Variable> defaultLabels, SortedDictionary<string, string> configuration)
    {
        json.WriteStartObject(service.Name);
        json.WriteNumber("id"u8, service.Id);
        json.WriteNumber("image_id"u8, service.ImageId);
        json.WriteString("image"u8, service.Image);
        WriteMap(json, "environment"u8, Environment(service, app, device));
        WriteMap(json, "labels"u8, Labels(service, defaultLabels, configuration));
        WriteContract(json, service);
        if (composition.TryGetService(service.Name, out var composed))
        {
            json.WriteStartObject("composition"u8);
            WriteComposed(json, composed, except: []);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteServiceV2(Utf8JsonWriter json, TargetService service, Composition composition, TargetApp app, TargetDevice? device, SortedDictionary<string, string> configuration)
    {
        json.WriteStartObject(Text(service.Id));
        if (composition.TryGetService(service.Name, out var composed))
            WriteComposed(json, composed, except: ["imageId", "serviceName", "image", "running", "environment", "labels", "contract"]);
        json.WriteNumber("imageId"u8, service.ImageId);
        json.WriteString("serviceName"u8, service.Name);
        json.WriteString("image"u8, service.Image);
        json.WriteBoolean("running"u8, true);
        WriteMap(json, "environment"u8, Environment(service, app, device));
        WriteMap(json, "labels"u8, Labels(service, [], configuration));
        WriteContract(json, service);
        json.WriteEndObject();
    }

    // How an image was built is of no use to the device.
    private static void WriteComposed(Utf8JsonWriter json, JsonElement composed, ReadOnlySpan<string> except)
    {
        foreach (var member in composed.EnumerateObject())
        {
            if (!member.NameEquals("build"u8) && !except.Contains(member.Name))
                member.WriteTo(json);
        }
    }

    private static void WriteContract(Utf8JsonWriter json, TargetService service)
    {
        if (service.Contract is null)
            return;
        json.WritePropertyName("contract"u8);
        json.WriteRawValue(service.Contract, skipInputValidation: true);
    }

    /// <summary>Later wins: image, fleet, service, device, device and service.</summary>
    private static SortedDictionary<string, string> Environment(TargetService service, TargetApp app, TargetDevice? device)
    {
        var environment = Merged(service.ImageEnvironment, app.Environment, service.ServiceEnvironment, device?.Environment ?? []);
        foreach (var variable in device?.ServiceEnvironment ?? [])
        {
            if (variable.ServiceId == service.Id)
                environment[variable.Name] = variable.Value;
        }

        return environment;
    }

    private static SortedDictionary<string, string> Labels(TargetService service, ImmutableArray<Variable> defaults, SortedDictionary<string, string> configuration)
    {
        var labels = Merged(defaults, service.ImageLabels, service.ServiceLabels);
        foreach (var (variable, label) in ConfigurationLabels)
        {
            if (configuration.TryGetValue(variable, out var value))
                labels.TryAdd(label, value);
        }

        return labels;
    }

    private static SortedDictionary<string, string> Merged(params ReadOnlySpan<ImmutableArray<Variable>> layers)
    {
        var merged = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var layer in layers)
        {
            foreach (var variable in layer)
                merged[variable.Name] = variable.Value;
        }

        return merged;
    }

    private static void WriteMap(Utf8JsonWriter json, ReadOnlySpan<byte> name, SortedDictionary<string, string> values)
    {
        json.WriteStartObject(name);
        foreach (var (key, value) in values)
            json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteObject(Utf8JsonWriter json, ReadOnlySpan<byte> name, JsonElement? value)
    {
        json.WritePropertyName(name);
        if (value is { } given)
        {
            given.WriteTo(json);
        }
        else
        {
            json.WriteStartObject();
            json.WriteEndObject();
        }
    }

    private static string Text(long number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
