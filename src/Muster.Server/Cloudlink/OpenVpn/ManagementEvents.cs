using System.Globalization;

namespace Muster.Server.Cloudlink.OpenVpn;

/// <summary>What openvpn says on its management socket, as far as the gateway listens to it (docs/device-protocol.md, "Tunnels").</summary>
internal abstract record ManagementEvent
{
    /// <summary>It waits for <c>hold release</c>.</summary>
    public sealed record Hold : ManagementEvent;

    /// <param name="Name"><c>CONNECTED</c>: it takes clients.</param>
    public sealed record State(string Name) : ManagementEvent;

    /// <summary>A client asks to be let in.</summary>
    public sealed record Connect(long Client, long Key, string Username, string Password, string From) : ManagementEvent
    {
        /// <summary>The password stays out of any log.</summary>
        public override string ToString() => $"Connect {{ Client = {Client}, Key = {Key}, Username = {Username}, From = {From} }}";
    }

    public sealed record Address(long Client, string Ip) : ManagementEvent;

    /// <summary>The client's tunnel is up.</summary>
    public sealed record Established(long Client) : ManagementEvent;

    /// <summary>Also said of clients that were never let in.</summary>
    public sealed record Disconnect(long Client) : ManagementEvent;

    /// <param name="Received">Bytes from the client since it connected, pings included.</param>
    public sealed record Traffic(long Client, long Received) : ManagementEvent;

    /// <summary>It is about to end.</summary>
    public sealed record Fatal(string Why) : ManagementEvent;
}

/// <summary>
/// Puts the lines together to events. A client's event and its environment are lines of one block, between which only
/// other clients' traffic may stand.
/// </summary>
internal sealed class ManagementReader
{
    /// <summary>A client adds lines of its own choice to the environment; only so many are looked at.</summary>
    private const int MaxEnvironment = 512;

    private const string ClientWord = ">CLIENT:";
    private const string EnvironmentWord = ">CLIENT:ENV,";

    private readonly Dictionary<string, string> environment = [];
    private string[] block = [];

    /// <summary>The event that this line completes; null when there is none, or none of interest.</summary>
    public ManagementEvent? Read(string line)
    {
        line = line.TrimEnd('\r');
        if (line == EnvironmentWord + "END")
            return Completed();
        if (line.StartsWith(EnvironmentWord, StringComparison.Ordinal))
        {
            Note(line.AsSpan(EnvironmentWord.Length));
            return null;
        }

        if (Rest(line, ">CLIENT:ADDRESS,") is [var addressed, var ip, ..] && Number(addressed) is { } client)
            return new ManagementEvent.Address(client, ip);
        if (Rest(line, ">BYTECOUNT_CLI:") is [var counted, var received, ..] && Number(counted) is { } sender && Number(received) is { } bytes)
            return new ManagementEvent.Traffic(sender, bytes);
        if (Rest(line, ClientWord) is { } words)
        {
            block = words;
            environment.Clear();
            return null;
        }

        if (Rest(line, ">STATE:") is [_, var state, ..])
            return new ManagementEvent.State(state);
        if (line.StartsWith(">HOLD:", StringComparison.Ordinal))
            return new ManagementEvent.Hold();
        return line.StartsWith(">FATAL:", StringComparison.Ordinal) ? new ManagementEvent.Fatal(line[">FATAL:".Length..]) : null;
    }

    private ManagementEvent? Completed()
    {
        var words = block;
        block = [];
        return words switch
        {
            ["CONNECT" or "REAUTH", var id, var key, ..] when Number(id) is { } client && Number(key) is { } k =>
                new ManagementEvent.Connect(client, k, Value("username"), Value("password"), Value("untrusted_ip") is { Length: > 0 } ip ? ip : Value("untrusted_ip6")),
            ["ESTABLISHED", var id, ..] when Number(id) is { } client => new ManagementEvent.Established(client),
            ["DISCONNECT", var id, ..] when Number(id) is { } client => new ManagementEvent.Disconnect(client),
            _ => null,
        };
    }

    /// <summary>
    /// The first word of a name counts: what openvpn itself says of a client comes before what the client says of itself,
    /// which may have any name.
    /// </summary>
    private void Note(ReadOnlySpan<char> line)
    {
        if (line.IndexOf('=') is var at and > 0 && environment.Count < MaxEnvironment)
            environment.TryAdd(line[..at].ToString(), line[(at + 1)..].ToString());
    }

    private string Value(string name) => environment.GetValueOrDefault(name, "");

    private static string[]? Rest(string line, string word) => line.StartsWith(word, StringComparison.Ordinal) ? line[word.Length..].Split(',') : null;

    private static long? Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
