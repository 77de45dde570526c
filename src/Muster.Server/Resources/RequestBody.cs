using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using Muster.Core.Text;
using Muster.Server.Hosting;

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
    public const int MaxMultipartBytes = 8 * 1024 * 1024;

    private const int MaxFormFields = 200;

    public static readonly RequestBody Empty = new(new Dictionary<string, JsonElement>());

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
        _ => throw RefusedException.Invalid($"\"{field}\" must be a text."),
    };

    /// <summary>A field as a whole number, given as a number or (in forms) as a text; null when it is absent or null.</summary>
    /// <exception cref="RefusedException">400: it is something else.</exception>
    public long? Number(string field) => !Fields.TryGetValue(field, out var value) ? null : value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.Number when value.TryGetInt64(out var number) => number,
        JsonValueKind.String when long.TryParse(value.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) => number,
        _ => throw RefusedException.Invalid($"\"{field}\" must be a whole number."),
    };

    /// <summary>
    /// Reads the body; an empty one has no fields. Of a caller who has not been resolved to somebody known
    /// (<see cref="Callers.IsKnown"/>) only <see cref="BufferedBody.UnknownLimit"/> bytes are read.
    /// </summary>
    /// <param name="withFiles">Whether a multipart body is taken.</param>
    /// <exception cref="RefusedException">400 malformed, 413 too large, 415 files where there are none to be.</exception>
    public static async Task<RequestBody> ReadAsync(HttpRequest request, CancellationToken cancellation, bool withFiles = false)
    {
        var context = request.HttpContext;
        var isMultipart = request.HasFormContentType && request.ContentType!.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase);
        if (isMultipart && !withFiles)
            throw new RefusedException(StatusCodes.Status415UnsupportedMediaType, "The body must be JSON or a form.");
        var limit = !Callers.IsKnown(context) ? BufferedBody.UnknownLimit : isMultipart ? MaxMultipartBytes : MaxBytes;
        if (await BufferedBody.ReadAsync(context, limit) is not { } body)
            throw new RefusedException(StatusCodes.Status413PayloadTooLarge, $"The body may have {limit / 1024} KiB.");
        if (body.IsEmpty)
            return Empty;
        if (!request.HasFormContentType)
            return OfJson(body);
        try
        {
            return isMultipart ? await OfPartsAsync(request, body, cancellation) : await OfFormAsync(body, cancellation);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw RefusedException.Invalid("The body is not a valid form.");
        }
    }

    private static RequestBody OfJson(ReadOnlyMemory<byte> body)
    {
        if (JsonText.Problem(body.Span) is { } problem)
            throw RefusedException.Invalid(problem);
        using var document = JsonDocument.Parse(body);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            throw RefusedException.Invalid("The body must be a JSON object.");
        return new RequestBody(document.RootElement.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.Clone(), StringComparer.Ordinal));
    }

    private static async Task<RequestBody> OfFormAsync(ReadOnlyMemory<byte> body, CancellationToken cancellation)
    {
        using var reader = new FormReader(new MemoryStream(body.ToArray(), writable: false)) { ValueCountLimit = MaxFormFields, ValueLengthLimit = MaxBytes };
        return new RequestBody((await reader.ReadFormAsync(cancellation)).ToDictionary(f => f.Key, f => TextField(f.Key, f.Value.ToString()), StringComparer.Ordinal));
    }

    private static async Task<RequestBody> OfPartsAsync(HttpRequest request, ReadOnlyMemory<byte> body, CancellationToken cancellation)
    {
        if (HeaderUtilities.RemoveQuotes(MediaTypeHeaderValue.Parse(request.ContentType).Boundary).Value is not { Length: > 0 and <= 128 } boundary)
            throw RefusedException.Invalid("The body is not a valid form.");
        var reader = new MultipartReader(boundary, new MemoryStream(body.ToArray(), writable: false)) { BodyLengthLimit = MaxMultipartBytes };
        var (fields, files) = (new Dictionary<string, JsonElement>(StringComparer.Ordinal), new Dictionary<string, BodyFile>(StringComparer.Ordinal));
        while (await reader.ReadNextSectionAsync(cancellation) is { } section)
        {
            if (fields.Count + files.Count == MaxFormFields)
                throw RefusedException.Invalid($"A form has at most {MaxFormFields} fields.");
            if (section.AsFileSection() is { FileStream: { } stream } file)
            {
                using var content = new MemoryStream();
                await stream.CopyToAsync(content, cancellation);
                files[file.Name] = new BodyFile(file.FileName, section.ContentType ?? "application/octet-stream", content.ToArray());
            }
            else if (section.AsFormDataSection() is { } field)
            {
                fields[field.Name] = TextField(field.Name, await field.GetValueAsync(cancellation));
            }
        }

        return new RequestBody(fields) { Files = files };
    }

    private static JsonElement TextField(string name, string text) =>
        WireText.IsStorable(text) && WireText.IsStorable(name) ? JsonSerializer.SerializeToElement(text) : throw RefusedException.Invalid(JsonText.NotText(name));
}
