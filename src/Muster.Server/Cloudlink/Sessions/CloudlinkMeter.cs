using System.Diagnostics.Metrics;

namespace Muster.Server.Cloudlink.Sessions;

/// <summary>What the gateways tell of themselves under <c>/metrics</c>.</summary>
internal sealed class CloudlinkMeter : IDisposable
{
    private readonly Meter meter = new("Muster.Cloudlink");
    private readonly Counter<long> logins;

    public CloudlinkMeter(CloudlinkSessions sessions, LoginAdmission admission)
    {
        logins = meter.CreateCounter<long>("muster.cloudlink.logins", description: "Log-ins at the gateways: admitted, refused (wrong key), or busy (turned away to come again).");
        meter.CreateObservableGauge(
            "muster.cloudlink.sessions",
            () => sessions.List().GroupBy(session => session.Kind).Select(some => new Measurement<int>(some.Count(), Gateway(some.Key))),
            description: "Tunnels held now.");
        meter.CreateObservableGauge("muster.cloudlink.logins_waiting", () => admission.Waiting, description: "Log-ins that wait for their turn.");
    }

    public void Admitted(SessionKind gateway) => Count(gateway, "admitted");

    public void Refused(SessionKind gateway) => Count(gateway, "refused");

    public void Busy(SessionKind gateway) => Count(gateway, "busy");

    public void Dispose() => meter.Dispose();

    private void Count(SessionKind gateway, string outcome) => logins.Add(1, Gateway(gateway), new("outcome", outcome));

    private static KeyValuePair<string, object?> Gateway(SessionKind kind) => new("gateway", kind is SessionKind.OpenVpn ? "openvpn" : "websocket");
}
