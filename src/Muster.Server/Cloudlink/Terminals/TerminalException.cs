namespace Muster.Server.Cloudlink.Terminals;

/// <summary>There is no terminal; the message is a sentence for the person who asked.</summary>
internal class TerminalException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The device's SSH server shows another key than before: it is another system, or somebody stands in between.</summary>
/// <param name="known">Fingerprint of the key that is trusted.</param>
/// <param name="presented">Fingerprint of the key that was shown.</param>
internal sealed class HostKeyChangedException(string known, string presented) : TerminalException("The device's SSH server shows another key than before.")
{
    public string Known => known;

    public string Presented => presented;
}

/// <summary>The key that the device's SSH server shows is not trusted.</summary>
/// <param name="key">As on the wire.</param>
internal sealed class UntrustedHostException(byte[] key) : Exception
{
    public byte[] Key => key;
}
