namespace Muster.Core.Health;

/// <summary>The words of the API and of the database for <see cref="HealthLevel"/>.</summary>
public static class HealthWords
{
    public static string Word(this HealthLevel level) => level switch
    {
        HealthLevel.Ok => "ok",
        HealthLevel.Warn => "warn",
        HealthLevel.Fail => "fail",
        _ => "unknown",
    };

    public static HealthLevel Parse(string word) => word switch
    {
        "ok" => HealthLevel.Ok,
        "warn" => HealthLevel.Warn,
        "fail" => HealthLevel.Fail,
        _ => HealthLevel.Unknown,
    };
}
