using System.Text.Json;

namespace Muster.Server.Resources;

/// <summary>
/// Answers as SDKs expect them: an error is a JSON string, never a ProblemDetails object, which would break the
/// clients' upsert protocol (docs/resource-api.md, "Answers and bodies").
/// </summary>
internal static class Answers
{
    private const string JsonType = "application/json; charset=utf-8";
    private static readonly JsonSerializerOptions Readable = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Status with an empty body and no content type.</summary>
    public static IResult Empty(int status = StatusCodes.Status200OK) => Results.StatusCode(status);

    /// <summary>A JSON-encoded string.</summary>
    public static IResult Sentence(int status, string sentence) => Results.Text(JsonSerializer.Serialize(sentence, Readable), JsonType, statusCode: status);

    /// <summary>JSON as it came from the database or a writer.</summary>
    public static IResult Json(string json, int status = StatusCodes.Status200OK) => Results.Text(json, JsonType, statusCode: status);

    public static IResult Of(RefusedException refused) => refused.Sentence is null ? Empty(refused.Status) : Sentence(refused.Status, refused.Sentence);
}
