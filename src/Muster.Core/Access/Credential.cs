namespace Muster.Core.Access;

/// <summary>How a caller has proved who it is.</summary>
public enum CredentialKind : byte
{
    /// <summary>Not by something that can be revoked on its own.</summary>
    None,

    /// <summary>A log-in; the id is that of the session's row.</summary>
    Session,

    /// <summary>An API key; the id is that of the key's row.</summary>
    Key,

    /// <summary>An SSH key of a person; the id is that of the key's row.</summary>
    PublicKey,
}

/// <summary>What a caller has proved itself with: when it is revoked, all that was opened with it ends.</summary>
public readonly record struct Credential(CredentialKind Kind, long Id);
