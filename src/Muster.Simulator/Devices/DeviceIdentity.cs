using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Muster.Simulator.Devices;

/// <summary>
/// Who a simulated device is. Derived from the seed and the device's number, so that a second run is the same fleet
/// again (it then finds itself registered and exchanges keys, as a re-flashed device does).
/// </summary>
/// <param name="Uuid">32 hex digits.</param>
/// <param name="Key">The key the device chose for itself, 32 hex digits.</param>
public sealed record DeviceIdentity(int Number, string Uuid, string Key, string MacAddress, string Address)
{
    /// <param name="generation">How often the device threw its identity away and made a new one.</param>
    public static DeviceIdentity Of(string seed, int number, int generation = 0)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed}/{number}/{generation}")), hash);
        var mac = string.Create(CultureInfo.InvariantCulture, $"02:42:{(number >> 24) & 255:X2}:{(number >> 16) & 255:X2}:{(number >> 8) & 255:X2}:{number & 255:X2}");
        var address = string.Create(CultureInfo.InvariantCulture, $"10.{(number >> 16) & 255}.{(number >> 8) & 255}.{number & 255}");
        return new(number, Convert.ToHexStringLower(hash[..16]), Convert.ToHexStringLower(hash[16..]), mac, address);
    }

    /// <summary>The seed of the device's own random numbers.</summary>
    public static int RandomSeed(string seed, int number) =>
        BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed}#{number}"))));
}
