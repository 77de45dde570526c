using System.Globalization;
using System.Text.Json;
using Muster.Protocol;

namespace Muster.Simulator.Devices;

/// <summary>
/// A device makes itself known: register, on 409 the key exchange, then the first report of differing configuration;
/// every failure is tried again after 30 s, for ever (docs/device-protocol.md, "Registration").
/// </summary>
public sealed class Registration(SupervisorTimings timings, string seed, DeviceIdentity identity, DeviceSettings settings)
{
    private enum Step { Register, LookUpWithOwnKey, LookUpWithProvisioningKey, ExchangeKey, InitialConfig, Done }

    private Step step;
    private bool waiting;
    private int generation;

    public DeviceIdentity Identity { get; private set; } = identity;

    public long DeviceId { get; private set; }

    public bool IsDone => step == Step.Done;

    public long NextDue { get; private set; } = long.MaxValue;

    public void Start(long now) => (waiting, NextDue) = (false, IsDone ? long.MaxValue : now);

    public void Stop() => (waiting, NextDue) = (false, long.MaxValue);

    public DeviceRequest? Take(long now, int boot)
    {
        if (waiting || IsDone || now < NextDue)
            return null;
        (waiting, NextDue) = (true, long.MaxValue);
        return step switch
        {
            Step.Register => new(RequestKind.Register, "POST", "/device/register", settings.ProvisioningKey, boot) { Body = Body() },
            Step.LookUpWithOwnKey => LookUp(Identity.Key, boot),
            Step.LookUpWithProvisioningKey => LookUp(settings.ProvisioningKey, boot),
            Step.ExchangeKey => new(RequestKind.ExchangeKey, "POST", string.Create(CultureInfo.InvariantCulture, $"/api-key/device/{DeviceId}/device-key"), settings.ProvisioningKey, boot) { Body = $"{{\"apiKey\":\"{Identity.Key}\"}}" },
            _ => new(RequestKind.InitialConfig, "POST", "/v7/device_config_variable", Identity.Key, boot)
            {
                Body = string.Create(CultureInfo.InvariantCulture, $"{{\"value\":\"\",\"device\":{DeviceId},\"name\":\"RESIN_HOST_FIREWALL_MODE\"}}"),
            },
        };
    }

    /// <summary>Null: there was no answer.</summary>
    public void Answered(DeviceAnswer? answer, long now)
    {
        waiting = false;
        NextDue = now;
        switch (step)
        {
            case Step.Register when answer is { Status: 201 } made && Id(made.Body, "id") is { } id:
                DeviceId = id;
                step = Step.InitialConfig;
                break;
            case Step.Register when answer is { Status: 409 }:
                step = Step.LookUpWithOwnKey;
                break;
            case Step.LookUpWithOwnKey:
                if (Row(answer) is { } own)
                    (DeviceId, step) = (own, Step.Done);
                else
                    step = Step.LookUpWithProvisioningKey;
                break;
            case Step.LookUpWithProvisioningKey when Row(answer) is { } known:
                (DeviceId, step) = (known, Step.ExchangeKey);
                break;
            case Step.ExchangeKey when answer is { Status: 200 }:
                step = Step.InitialConfig;
                break;
            case Step.LookUpWithProvisioningKey or Step.ExchangeKey:
                // The uuid belongs to somebody else: a new device then.
                Identity = DeviceIdentity.Of(seed, Identity.Number, ++generation);
                step = Step.Register;
                NextDue = now + timings.RegistrationRetry;
                break;
            case Step.InitialConfig when answer is { IsSuccess: true } or { Status: 409 }:
                step = Step.Done;
                break;
            default:
                NextDue = now + timings.RegistrationRetry;
                break;
        }

        if (IsDone)
            NextDue = long.MaxValue;
    }

    private DeviceRequest LookUp(string key, int boot) =>
        new(RequestKind.LookUp, "GET", $"/v7/device?$select=id&$filter=uuid%20eq%20'{Identity.Uuid}'", key, boot);

    private string Body() => JsonSerializer.Serialize(
        new RegisterRequest
        {
            Application = settings.FleetId,
            Uuid = Identity.Uuid,
            DeviceType = settings.Platform.DeviceType,
            ApiKey = Identity.Key,
            SupervisorVersion = settings.Platform.SupervisorVersion,
            OsVersion = $"balenaOS {settings.Platform.OsVersion}",
            OsVariant = "prod",
            MacAddress = Identity.MacAddress,
        },
        DeviceApiJson.Default.RegisterRequest);

    private static long? Row(DeviceAnswer? answer)
    {
        if (answer is not { Status: 200 } ok)
            return null;
        try
        {
            using var document = JsonDocument.Parse(ok.Body);
            return document.RootElement.GetProperty("d") is { ValueKind: JsonValueKind.Array } rows && rows.GetArrayLength() > 0 ? rows[0].GetProperty("id").GetInt64() : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private static long? Id(string body, string property)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.GetProperty(property).GetInt64();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }
}

/// <summary>What all devices of a simulated fleet share.</summary>
/// <param name="BytesPerSecond">A device's way to the registry.</param>
public sealed record DeviceSettings(long FleetId, string ProvisioningKey, Platform Platform, SupervisorTimings Timings)
{
    public double BytesPerSecond { get; init; } = 4_000_000;

    /// <summary>Bytes of an image, by its reference: between 16 and 80 MB, always the same for the same image.</summary>
    public static long ImageSize(string image)
    {
        var hash = 0u;
        foreach (var c in image)
            hash = (hash * 31) + c;
        return 16_000_000 + (hash % 64_000_000);
    }
}
