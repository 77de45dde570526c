using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary><c>GET /muster/v1/audit?device=&amp;fleet=&amp;who=&amp;what=&amp;from=&amp;to=&amp;limit=&amp;after=</c>: who did what, newest first.</summary>
internal static class AuditEndpoint
{
    private const int UsualPage = 100;

    public static void MapAudit(this IEndpointRouteBuilder routes) => routes.MapGet("/audit", ReadAsync);

    private static async Task<IResult> ReadAsync(
        HttpContext context, string? device, string? fleet, string? who, string? what, string? from, string? to, string? limit, string? after, Callers callers, AuditQuestions questions, TimeProvider time)
    {
        var caller = await callers.OfAsync(context);
        if (!AuditQuestions.IsFor(caller))
            return Refused.Unauthorized();
        if (!TimeRange.TryParse(from ?? "0", to, TimeSpan.Zero, time.GetUtcNow(), out var range))
            return Refused.Invalid(TimeRange.Sentence);
        var page = UsualPage;
        if (limit is not null && (!int.TryParse(limit, out page) || page is < 1 or > AuditQuestions.LargestPage))
            return Refused.Invalid($"limit must be a number from 1 to {AuditQuestions.LargestPage}");
        if (new[] { device, fleet, who, what }.Any(text => text?.Length > AuditQuestions.LongestText))
            return Refused.Invalid($"device, fleet, who and what have at most {AuditQuestions.LongestText} characters");
        var question = new AuditQuestion(Some(device), Some(fleet), Some(who), Some(what), from is null ? null : range.From.ToUnixTimeMilliseconds(), to is null ? null : range.To.ToUnixTimeMilliseconds());
        try
        {
            return Results.Json(await questions.ReadAsync(caller, question, Some(after), page, context.RequestAborted), InsightJson.Default.AuditPage);
        }
        catch (FormatException e)
        {
            return Refused.Invalid(e.Message);
        }
    }

    private static string? Some(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
