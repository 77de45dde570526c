using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;

namespace Muster.Server.Resources;

/// <summary>A file part of a multipart body.</summary>
internal sealed record BodyFile(string Name, string ContentType, byte[] Content);

/// <summary>
/// The fields of a request body, whichever way they were sent: JSON object, form-urlencoded (OS tools) or multipart
/// (release assets). Fields of forms are strings.
/// </summary>
internal sealed record RequestBody(IReadOnlyDictionary<string, JsonElement> Fields)
{
    /// <summary>Longest body of JSON or of a form, in bytes. The largest honest one is a release with its composition.</summary>
    public const int MaxBytes = 2 * 1024 * 1024;

    /// <summary>Longest multipart body, in bytes.</summary>
    public const int MaxMultipartBytes = 32 * 1024 * 1024;

    public static readonly RequestBody Empty = new(new Dictionary<string, JsonElement>());

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 64 };

    /// <summary>The fields of an object that was made here.</summary>
    public static RequestBody Of(System.Text.Json.Nodes.JsonObject fields) =>
        new(fields.ToDictionary(f => f.Key, f => JsonSerializer.SerializeToElement(f.Value), StringComparer.Ordinal));

    public IReadOnlyDictionary<string, BodyFile> Files { get; init; } = new Dictionary<string, BodyFile>();

    /// <summary>A field as a string; null when it is absent or null.</summary>
    /// <exception cref="RefusedException">400: it is something else.</exception>
    public string? Text(string field) => !Fields.TryGetValue(field, out var value) ? null : value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Null => null,
        _ => throw RefusedException.Invalid(),
    };

    /// <summary>Reads the body; an empty one has no fields.</summary>
    /// <exception cref="RefusedException">400 malformed, 413 too large.</exception>
    public static async Task<RequestBody> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        var multipart = request.HasFormContentType && request.ContentType!.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase);
        var limit = multipart ? MaxMultipartBytes : MaxBytes;
        if (request.ContentLength > limit)
            throw new RefusedException(StatusCodes.Status413PayloadTooLarge);
        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = limit;
        try
        {
            return request.HasFormContentType ? await FormAsync(request, limit, cancellation) : await JsonAsync(request, cancellation);
        }
        catch (Exception e) when (e is JsonException or InvalidDataException or DecoderFallbackException)
        {
            throw RefusedException.Invalid();
        }
    }

    private static async Task<RequestBody> JsonAsync(HttpRequest request, CancellationToken cancellation)
    {
        using var buffer = new MemoryStream();
        await request.Body.CopyToAsync(buffer, cancellation);
        if (buffer.Length == 0)
            return Empty;
        using var document = JsonDocument.Parse(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), Strict);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            throw RefusedException.Invalid();
        var fields = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in document.RootElement.EnumerateObject())
            fields[member.Name] = member.Value.Clone();
        return new RequestBody(fields);
    }

    private static async Task<RequestBody> FormAsync(HttpRequest request, int limit, CancellationToken cancellation)
    {
        var form = await request.ReadFormAsync(new FormOptions { MultipartBodyLengthLimit = limit, ValueLengthLimit = MaxBytes, ValueCountLimit = 200, BufferBody = false }, cancellation);
        var files = new Dictionary<string, BodyFile>(StringComparer.Ordinal);
        foreach (var file in form.Files)
        {
            using var content = new MemoryStream();
            await file.CopyToAsync(content, cancellation);
            files[file.Name] = new BodyFile(file.FileName, file.ContentType, content.ToArray());
        }

        return new RequestBody(form.ToDictionary(f => f.Key, f => JsonSerializer.SerializeToElement(f.Value.ToString()), StringComparer.Ordinal)) { Files = files };
    }
}
