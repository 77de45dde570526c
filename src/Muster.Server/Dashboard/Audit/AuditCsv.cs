using System.Globalization;
using Muster.Core.Access;
using Muster.Server.Dashboard.Parts;
using Muster.Server.Insight;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Audit;

/// <summary><c>GET /dashboard/audit.csv</c>: the entries that the page would show, as a file.</summary>
internal static class AuditCsv
{
    private const string Path = "/dashboard/audit.csv";

    /// <summary>Entries of one file; for more, days are narrowed down.</summary>
    private const int Most = 100_000;

    public static string UrlOf(string query) => query.Length == 0 ? Path : $"{Path}?{query}";

    /// <summary>What the page's fields ask for; null when a day is none.</summary>
    public static AuditQuestion? Question(string? device, string? who, string? what, string? from, string? to)
    {
        if (!TryDay(from, out var begin) || !TryDay(to, out var end))
            return null;
        return new(Some(device), Who: Some(who), What: Some(what), From: begin?.ToUnixTimeMilliseconds(), To: end?.AddDays(1).ToUnixTimeMilliseconds());
    }

    public static void MapAuditCsv(this IEndpointRouteBuilder routes) => routes.MapGet(Path, SendAsync);

    private static async Task SendAsync(HttpContext context, string? device, string? who, string? what, string? from, string? to, Callers callers, AuditQuestions questions)
    {
        var caller = await Visitor.CallerOfAsync(context, callers);
        if (caller.Kind is not CallerKind.User || Question(device, who, what, from, to) is not { } question)
        {
            context.Response.StatusCode = caller.Kind is CallerKind.User ? StatusCodes.Status400BadRequest : StatusCodes.Status401Unauthorized;
            return;
        }

        var csv = await Csv.BeginAsync(context.Response, "audit.csv", "at", "who_kind", "who", "what", "device_uuid", "device_name", "from", "outcome", "ended_at", "detail");
        string? next = null;
        for (var sent = 0; sent < Most; sent += AuditQuestions.LargestPage)
        {
            var page = await questions.ReadAsync(caller, question, next, AuditQuestions.LargestPage, context.RequestAborted);
            await csv.WriteAsync(page.Entries.Select(e => (string[])[Instant(e.At), e.WhoKind, e.Who, e.What, e.DeviceUuid ?? "", e.DeviceName ?? "", e.From ?? "", e.Outcome ?? "", e.EndedAt is { } ended ? Instant(ended) : "", e.Detail ?? ""]));
            if ((next = page.Next) is null)
                return;
        }
    }

    private static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static bool TryDay(string? text, out DateTimeOffset? day)
    {
        day = null;
        if (string.IsNullOrWhiteSpace(text))
            return true;
        var isDay = DateOnly.TryParseExact(text.Trim(), "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date) && date < DateOnly.MaxValue;
        if (isDay)
            day = new(date.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero);
        return isDay;
    }

    private static string? Some(string? text) => string.IsNullOrWhiteSpace(text) || text.Trim().Length > AuditQuestions.LongestText ? null : text.Trim();
}
