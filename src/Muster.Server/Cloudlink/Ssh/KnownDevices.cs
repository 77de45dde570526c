using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Muster.Server.Hosting;

namespace Muster.Server.Cloudlink.Ssh;

/// <summary>
/// The keys with which the SSH servers of devices have proved themselves: the first one of a device is kept, and another
/// one is trusted only when a person has accepted it. OpenSSH's own file, which the SSH gateway's clients use and add to.
/// </summary>
internal sealed class KnownDevices(DataDirectory data)
{
    /// <summary>In the private folder of the SSH gateway.</summary>
    public const string FileName = "known_devices";

    private readonly Lock gate = new();
    private readonly string path = Path.Combine(data.PrivateFolder("ssh").FullName, FileName);

    /// <summary>Key types (<c>ssh-ed25519</c>) and keys of the device, in Base64; none before the first log-in.</summary>
    public IReadOnlyList<(string Type, string Key)> Find(string uuid)
    {
        lock (gate)
            return [.. from line in Lines() let parts = line.Split(' ') where parts.Length >= 3 && parts[0] == uuid select (parts[1], parts[2])];
    }

    /// <summary>From here on this key is the device's, and no other.</summary>
    /// <param name="key">As on the wire.</param>
    public void Trust(string uuid, byte[] key)
    {
        lock (gate)
        {
            var others = Lines().Where(line => !line.StartsWith(uuid + " ", StringComparison.Ordinal));
            data.WriteSecret(Path.Combine("ssh", FileName), string.Concat(others.Append($"{uuid} {TypeOf(key)} {Convert.ToBase64String(key)}").Select(line => line + "\n")));
        }
    }

    /// <summary>As <c>ssh-keygen -l</c> shows it.</summary>
    public static string Fingerprint(byte[] key) => "SHA256:" + Convert.ToBase64String(SHA256.HashData(key)).TrimEnd('=');

    /// <summary>A key begins with the name of its type (RFC 4253, section 6.6).</summary>
    private static string TypeOf(byte[] key) => Encoding.ASCII.GetString(key, sizeof(int), BinaryPrimitives.ReadInt32BigEndian(key));

    private string[] Lines() => File.Exists(path) ? File.ReadAllLines(path) : [];
}
