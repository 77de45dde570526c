using System.Text.Encodings.Web;
using System.Text.Json;

namespace Muster.Server.Devices;

/// <summary>
/// Answers to devices: JSON, an error as one sentence. Never with <c>Retry-After</c>: a supervisor reads its value as
/// milliseconds and would come back at once (docs/device-protocol.md).
/// </summary>
internal static class DeviceAnswers
{
    public const string Json = "application/json; charset=utf-8";

    // The bytes of a sentence as the recordings have them: quotes escaped, nothing else.
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Task EmptyAsync(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    }

    public static Task SentenceAsync(HttpContext context, int status, string sentence) =>
        BytesAsync(context, status, JsonSerializer.SerializeToUtf8Bytes(sentence, Plain));

    public static Task TextAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/html; charset=utf-8";
        return context.Response.WriteAsync(text, context.RequestAborted);
    }

    public static Task PlainAsync(HttpContext context, string text)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text, context.RequestAborted);
    }

    public static Task BytesAsync(HttpContext context, int status, ReadOnlyMemory<byte> json)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = Json;
        context.Response.ContentLength = json.Length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.Body.WriteAsync(json, context.RequestAborted).AsTask();
    }

    /// <summary>There is no key, or one that is nobody's; a person's login token is no key either.</summary>
    public static Task KeyRequiredAsync(HttpContext context) =>
        BytesAsync(context, StatusCodes.Status401Unauthorized, "{\"error\":\"API key required\"}"u8.ToArray());
}
