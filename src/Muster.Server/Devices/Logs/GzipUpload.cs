using System.IO.Compression;

namespace Muster.Server.Devices.Logs;

/// <summary>
/// Inflates an upload, and gives up on one that grows out of all proportion: a line of log repeats itself, but not a
/// thousandfold, and what is inflated costs the server, not the sender.
/// </summary>
internal static class GzipUpload
{
    /// <summary>Bytes out of one byte in. Logs of one line over and over reach a hundred.</summary>
    private const int MostRatio = 200;

    /// <summary>Bytes that may come out whatever went in.</summary>
    private const int Free = 64 * 1024;

    /// <summary>What the inflater is given at once: what it has not used yet counts as sent, and must be little.</summary>
    private const int Piece = 1024;

    /// <summary>The inflated body. A read throws <see cref="InvalidDataException"/> when it is no gzip, or inflates too much.</summary>
    public static Stream Inflated(Stream body)
    {
        var sent = new CountedStream(body, Piece);
        return new CountedStream(new GZipStream(sent, CompressionMode.Decompress), counted: produced =>
        {
            if (produced > Free + (MostRatio * sent.Count))
                throw new InvalidDataException("The body inflates too much.");
        });
    }
}
