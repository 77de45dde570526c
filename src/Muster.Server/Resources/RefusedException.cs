using Muster.Core.Access;

namespace Muster.Server.Resources;

/// <summary>A request that is refused: the transaction it was thrown in is rolled back, and this is the answer.</summary>
/// <param name="status">HTTP status.</param>
/// <param name="sentence">The body, sent as a JSON string (SDKs show it to people); null for an empty body.</param>
internal sealed class RefusedException(int status, string? sentence = null) : Exception(sentence ?? $"HTTP {status}")
{
    public int Status { get; } = status;

    public string? Sentence { get; } = sentence;

    /// <summary>Credentials are missing, wrong or not enough. Clients know this answer with an empty body.</summary>
    public static RefusedException NotPermitted() => new(StatusCodes.Status401Unauthorized);

    /// <summary>No such resource: 404 for whoever is logged in. Others learn nothing, and are asked for credentials.</summary>
    public static RefusedException Unknown(Caller caller, string resource) =>
        caller.Kind == CallerKind.Anonymous ? NotPermitted() : new(StatusCodes.Status404NotFound, $"There is no resource '{resource}'.");

    public static RefusedException Invalid(string? sentence = null) => new(StatusCodes.Status400BadRequest, sentence);
}
