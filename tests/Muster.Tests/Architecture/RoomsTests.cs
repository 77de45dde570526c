using System.Reflection;
using Muster.Core.Status;
using Muster.Protocol;
using Muster.Server;
using Muster.Storage;

namespace Muster.Tests.Architecture;

/// <summary>The rooms of docs/architecture.md: who may know whom.</summary>
public sealed class RoomsTests
{
    /// <summary>What a capability of the server shows to the others; everything else in its folder is its own affair.</summary>
    private static readonly Dictionary<string, string[]> Faces = new()
    {
        ["Presence"] = ["PresenceModule", "FleetPresence", "DeviceSlot", "ContactKind", "DeviceAuth", "InputChange", "PresenceBusyException", "DeviceGoneException", "DeviceEvidence", "LiveFeed", "Subscription", "TransitionEvent", "LiveFeedLagException", "PresenceOptions", "ListeningGap", "ICommitWatcher"],
        ["Resources"] = ["ResourcesModule", "Callers", "OpenConnections", "OpenConnection", "Sessions", "SessionView", "OwnAccount", "ResourceAccess", "ResourceRefusedException", "DeviceEdits", "SignIn", "SignInAnswer", "Members", "Invites", "PendingInvite", "DeviceConfigs", "DeviceConfigWish", "DeviceConfig"],
        ["Devices"] = ["DevicesModule", "OsProgress", "DeviceNames", "KeyExchange", "LogReadEndpoints", "DeviceClock", "UpdateSigns"],
        ["Cloudlink"] =
        [
            "CloudlinkModule", "OpenVpnEndpoint", "DeviceActions", "DeviceAction", "DeviceActionWords", "DeviceActionAnswer", "DeviceActionOutcome", "QueuedAction", "ActionStates",
            "HealthChecks", "HealthCheckRun", "DeviceDiagnostics", "DiagnosticsFile", "ExaminationRefusedException",
            "DeviceSshKey", "DeviceTerminals", "DeviceTerminal", "TerminalWish", "TerminalException", "HostKeyChangedException", "DeviceSites",
        ],
        ["Insight"] =
        [
            "DeviceHealth", "DeviceHealthReport", "DeviceHealthCheck",
            "InsightModule", "Sight", "TransitionHistory", "HistoryPlace", "DeviceStatus", "HeartbeatEvidence", "CloudlinkEvidence", "UpdateEvidence", "UpdateTroubles", "TroubleTold", "TwinTold",
            "FleetOverviews", "FleetCounts", "FleetCard", "FleetOrganization", "FleetDeviceType", "FleetRelease", "RunningRelease", "StatusMoves",
            "Outages", "Outage", "DeviceTimelines", "DeviceTimeline", "TimelineInterval", "TimelineUptime",
            "DeviceMetrics", "MetricPoint", "SavedViews", "SavedView", "SaveAnswer",
            "AuditLog", "AuditEntry", "AuditOutcome", "AuditQuestions", "AuditQuestion", "AuditPage", "AuditRecord",
        ],
        ["Dashboard"] = ["DashboardModule"],
        ["Hosting"] = ["HostingModule", "DataDirectory", "SettingException", "ServerCertificates", "Streams", "BufferedBody"],
    };

    private static readonly Assembly Server = typeof(ServerHost).Assembly;

    [Fact]
    public void Core_knows_nobody() => Assert.Empty(KnownBy(typeof(DeviceFacts).Assembly));

    [Fact]
    public void Protocol_knows_nobody() => Assert.Empty(KnownBy(typeof(RegisterRequest).Assembly));

    [Fact]
    public void Storage_knows_Core_only() => Assert.Subset(new HashSet<string> { "Muster.Core" }, KnownBy(typeof(Database).Assembly));

    [Fact]
    public void The_simulator_knows_Protocol_only() => Assert.Subset(new HashSet<string> { "Muster.Protocol" }, KnownBy(Assembly.Load("Muster.Simulator")));

    [Fact]
    public void A_capability_uses_only_the_faces_of_others()
    {
        var reached =
            from use in CompiledCode.UsesIn(Server)
            let user = Room(use.User)
            where user is not null
            from used in TypesIn(use.Used)
            let room = Room(used)
            where room is not null && room != user && !Faces[room].Contains(used.Name)
            select $"{use.User.FullName} uses {used.FullName}";
        Assert.Empty(reached.Distinct().Order());
    }

    [Fact]
    public void Every_folder_of_the_server_is_a_room_with_a_face()
    {
        var rooms = Server.GetTypes().Select(Room).Where(room => room is not null).Distinct();
        Assert.Empty(rooms.Except(Faces.Keys));
    }

    [Fact]
    public void The_faces_that_are_named_exist()
    {
        var types = Server.GetTypes().Select(type => (Room: Room(type), type.Name)).ToHashSet();
        Assert.Empty(from face in Faces from name in face.Value where !types.Contains((face.Key, name)) select $"{face.Key}/{name}");
    }

    private static HashSet<string> KnownBy(Assembly assembly) =>
        [.. assembly.GetReferencedAssemblies().Select(name => name.Name!).Where(name => name.StartsWith("Muster.", StringComparison.Ordinal) || name == "muster")];

    /// <summary>The folder of a server's type: the namespace below Muster.Server; null for the house itself and for other assemblies.</summary>
    private static string? Room(Type type) =>
        type.Assembly == Server && type.Namespace is { } space && space.StartsWith("Muster.Server.", StringComparison.Ordinal)
            ? space.Split('.')[2]
            : null;

    private static IEnumerable<Type> TypesIn(MemberInfo member)
    {
        var type = member as Type ?? member.DeclaringType;
        if (type is null)
            yield break;
        while (type.HasElementType)
            type = type.GetElementType()!;
        yield return CompiledCode.Outermost(type.IsGenericType ? type.GetGenericTypeDefinition() : type);
        foreach (var argument in type.GetGenericArguments().SelectMany(TypesIn))
            yield return argument;
    }
}
