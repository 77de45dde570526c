namespace Muster.Server.Insight;

/// <summary>The <c>from</c> and <c>to</c> of a query string: [from, to).</summary>
internal readonly record struct TimeRange(DateTimeOffset From, DateTimeOffset To)
{
    public const string Sentence = "from and to must be instants: ISO 8601 or Unix milliseconds; from must be before to";

    /// <summary>No later instant than this can be asked for, nor an earlier one than 1970.</summary>
    private const long Latest = 253_402_300_799_999;

    /// <param name="otherwise">Length of the range up to <paramref name="to"/> when there is no <paramref name="from"/>; without <paramref name="to"/> it ends now.</param>
    public static bool TryParse(string? from, string? to, TimeSpan otherwise, DateTimeOffset now, out TimeRange range)
    {
        range = default;
        if (!InsightJson.TryInstant(to, now.ToUnixTimeMilliseconds(), out var end) || end is < 0 or > Latest)
            return false;
        if (!InsightJson.TryInstant(from, Math.Max(0, end - (long)otherwise.TotalMilliseconds), out var begin) || begin < 0 || begin >= end)
            return false;
        range = new(DateTimeOffset.FromUnixTimeMilliseconds(begin), DateTimeOffset.FromUnixTimeMilliseconds(end));
        return true;
    }
}
