using System.Collections.Immutable;

namespace Muster.Simulator.Scenarios;

/// <summary>Scenarios that need no file. Their text is what a file would hold (docs/simulator.md explains them).</summary>
public static class BuiltInScenarios
{
    public static readonly ImmutableSortedDictionary<string, string> All = new Dictionary<string, string>
    {
        ["calm"] = """{ "name": "calm", "troubles": [] }""",
        ["power"] = """
            { "name": "power", "repeatEvery": 3600, "troubles": [
              { "kind": "power-off", "at": 120, "for": 1500, "devices": "10%", "spread": 300 },
              { "kind": "reboot", "at": 300, "devices": "10%", "spread": 600 } ] }
            """,
        ["sites"] = """
            { "name": "sites", "repeatEvery": 3600, "troubles": [
              { "kind": "site-outage", "at": 300, "for": 1500, "site": 0, "sites": 4 },
              { "kind": "site-outage", "at": 1800, "for": 60, "site": 1, "sites": 4 } ] }
            """,
        ["links"] = """
            { "name": "links", "repeatEvery": 3600, "troubles": [
              { "kind": "no-tunnel", "at": 60, "for": 600, "devices": "10%" },
              { "kind": "no-heartbeat", "at": 120, "for": 1800, "devices": "10%" },
              { "kind": "hanging-requests", "at": 300, "for": 1500, "devices": "5%" },
              { "kind": "lost-answers", "at": 300, "for": 900, "devices": "5%" },
              { "kind": "report-only", "at": 600, "for": 1800, "devices": "5%" },
              { "kind": "flapping", "at": 900, "for": 900, "period": 60, "devices": "5%" } ] }
            """,
        ["updates"] = """
            { "name": "updates", "repeatEvery": 3600, "troubles": [
              { "kind": "update-lock", "at": 30, "for": 900, "devices": "20%" },
              { "kind": "slow-download", "at": 30, "for": 1200, "devices": "20%" },
              { "kind": "rejected-release", "at": 30, "for": 1200, "devices": "5%" },
              { "kind": "next-release", "at": 60 },
              { "kind": "next-release", "at": 2000 },
              { "kind": "os-update", "at": 2400, "for": 300, "devices": "5%", "spread": 300 } ] }
            """,
        // All of the above at once; for --verify.
        ["mixed"] = """
            { "name": "mixed", "repeatEvery": 3600, "troubles": [
              { "kind": "power-off", "at": 120, "for": 1500, "devices": "10%", "spread": 300 },
              { "kind": "reboot", "at": 300, "devices": "10%", "spread": 600 },
              { "kind": "restart", "at": 300, "devices": "10%", "spread": 600 },
              { "kind": "site-outage", "at": 300, "for": 1500, "site": 0, "sites": 6 },
              { "kind": "no-tunnel", "at": 60, "for": 600, "devices": "10%" },
              { "kind": "no-heartbeat", "at": 120, "for": 1800, "devices": "10%" },
              { "kind": "hanging-requests", "at": 300, "for": 1500, "devices": "5%" },
              { "kind": "lost-answers", "at": 300, "for": 900, "devices": "5%" },
              { "kind": "report-only", "at": 600, "for": 1800, "devices": "5%" },
              { "kind": "flapping", "at": 900, "for": 900, "period": 60, "devices": "5%" },
              { "kind": "update-lock", "at": 30, "for": 900, "devices": "20%" },
              { "kind": "slow-download", "at": 30, "for": 1200, "devices": "20%" },
              { "kind": "rejected-release", "at": 30, "for": 1200, "devices": "5%" },
              { "kind": "next-release", "at": 60 },
              { "kind": "next-release", "at": 2000 },
              { "kind": "os-update", "at": 2400, "for": 300, "devices": "5%", "spread": 300 } ] }
            """,
        // What ./run.sh --demo shows: within a minute something of everything, then again.
        ["demo"] = """
            { "name": "demo", "repeatEvery": 120, "troubles": [
              { "kind": "power-off", "at": 10, "for": 60, "devices": "10%", "spread": 20 },
              { "kind": "site-outage", "at": 20, "for": 50, "site": 0, "sites": 8 },
              { "kind": "no-tunnel", "at": 5, "for": 40, "devices": "8%", "spread": 20 },
              { "kind": "no-heartbeat", "at": 10, "for": 60, "devices": "6%" },
              { "kind": "flapping", "at": 15, "for": 60, "period": 12, "devices": "4%" },
              { "kind": "slow-download", "at": 0, "for": 60, "devices": "20%" },
              { "kind": "update-lock", "at": 0, "for": 45, "devices": "10%" },
              { "kind": "rejected-release", "at": 0, "for": 80, "devices": "4%" },
              { "kind": "next-release", "at": 12 },
              { "kind": "next-release", "at": 75 },
              { "kind": "os-update", "at": 30, "for": 20, "devices": "6%", "spread": 20 },
              { "kind": "reboot", "at": 40, "devices": "4%", "spread": 30 } ] }
            """,
    }.ToImmutableSortedDictionary(StringComparer.Ordinal);
}
