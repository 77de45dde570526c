namespace Muster.Server.Insight;

/// <summary>The refusals of this room.</summary>
internal static class Refused
{
    /// <summary>No credentials, or such as may see nothing here.</summary>
    public static IResult Unauthorized() => Results.StatusCode(StatusCodes.Status401Unauthorized);

    public static IResult Invalid(string sentence) => Results.Json(sentence, statusCode: StatusCodes.Status400BadRequest);

    /// <summary>Not there, or not for this caller: the same answer, so that nothing is learned from it.</summary>
    public static IResult NoSuchDevice() => Results.Json("Device not found", statusCode: StatusCodes.Status404NotFound);
}
