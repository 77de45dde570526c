namespace Muster.Server.Dashboard.Parts;

/// <summary>
/// Types of input fields whose text is bound as it is. Written out in the markup they would be bound as a date or an instant:
/// one that is half typed would come back as null and empty the field.
/// </summary>
internal static class InputType
{
    public const string Date = "date";
    public const string Instant = "datetime-local";
}
