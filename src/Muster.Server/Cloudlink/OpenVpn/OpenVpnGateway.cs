using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Options;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Cloudlink.TunnelServers;
using Muster.Server.Hosting;
using Muster.Server.Hosting.Https;
using Muster.Server.Presence;

namespace Muster.Server.Cloudlink.OpenVpn;

/// <summary>
/// Runs openvpn for stock devices and starts it again when it ends. Devices whose tunnels broke off with it are awaited from
/// the moment it listens again; when it does not come back soon, their links are down indeed.
/// </summary>
internal sealed partial class OpenVpnGateway : BackgroundService
{
    public const string ConfigFile = "openvpn.conf";

    /// <summary>Folder in the data directory.</summary>
    private const string Folder = "openvpn";

    private static readonly TimeSpan UntilReady = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(15);

    /// <summary>Somebody may flush the machine's rules (Debian's nftables.service does, when it is restarted).</summary>
    private static readonly TimeSpan FilterAgain = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(60);

    private readonly GatewayParts parts;
    private readonly OpenVpnOptions options;
    private readonly CloudlinkOptions cloudlink;
    private readonly GatewayInstance instance;
    private readonly DataDirectory data;
    private readonly ServerCertificates certificates;
    private readonly OpenVpnEndpoint endpoint;
    private readonly TimeProvider time;
    private readonly ILogger<OpenVpnGateway> log;

    /// <summary>Sessions of processes that ended; their devices are not told of yet.</summary>
    private readonly List<OpenVpnSession> broken = [];
    private readonly Lock gate = new();
    private long brokenSince;
    private volatile bool isListening;

    public OpenVpnGateway(
        OpenVpnOptions options, IOptions<CloudlinkOptions> cloudlink, FleetPresence presence, CloudlinkSessions sessions, GatewayInstance instance, LoginAdmission admission, CloudlinkMeter meter,
        DataDirectory data, ServerCertificates certificates, OpenVpnEndpoint endpoint, TimeProvider time, ILogger<OpenVpnGateway> log)
    {
        this.options = options;
        this.cloudlink = cloudlink.Value;
        this.instance = instance;
        this.data = data;
        this.certificates = certificates;
        this.endpoint = endpoint;
        this.time = time;
        this.log = log;
        parts = new(options, presence, sessions, admission, new DenialDelay(options.DenyDelay, time), meter, time);
    }

    /// <summary>Whether devices can log in now.</summary>
    public bool IsListening => isListening;

    /// <exception cref="SettingException">A setting cannot be used.</exception>
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        options.Check();
        OpenVpnProcess.SocketPath(data.PrivateFolder(Folder).FullName);
        certificates.MakeAuthority();
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await SuperviseAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The sessions are not told of: their devices come back to the next life.
        }
    }

    private async Task SuperviseAsync(CancellationToken stopping)
    {
        // Before that nobody's key can be checked.
        while (!parts.Presence.IsReady || instance.Id == 0)
            await Task.Delay(UntilReady, time, stopping);
        var pause = ShortestPause;
        string? missing = null;
        while (true)
        {
            if (OpenVpnNeeds.Missing(options) is { } need)
            {
                if (need != missing)
                    LogMissing(need);
                missing = need;
                EndBroken(unlessWithin: cloudlink.ReturnWithin);
                await Task.Delay(LookAgain, time, stopping);
                continue;
            }

            missing = null;
            var began = time.GetTimestamp();
            var why = await RunAsync(stopping);
            if (time.GetElapsedTime(began) > LongestPause)
                pause = ShortestPause;
            if (why is null)
                continue;
            LogEnded(why, pause);
            EndBroken(unlessWithin: cloudlink.ReturnWithin);
            await Task.Delay(pause, time, stopping);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    /// <summary>One life of openvpn.</summary>
    /// <returns>Why it ended; null when it was ended in order.</returns>
    private async Task<string?> RunAsync(CancellationToken stopping)
    {
        OpenVpnProcess? process = null;
        try
        {
            var certificateEnds = WriteFiles();
            if (options.Firewall == "nft")
                await FilterAsync(stopping);
            (process, var management) = await OpenVpnProcess.StartAsync(OpenVpnNeeds.Find(options.Executable, null)!, data.File(Folder), LogSaid, time, stopping);
            using var conversation = new ManagementConversation(management, parts, Listening);
            using var renewal = new CancellationTokenSource();
            using var end = CancellationTokenSource.CreateLinkedTokenSource(stopping, renewal.Token);
            await using var calendar = time.CreateTimer(
                _ => { if (certificateEnds - time.GetUtcNow() < RenewBefore) renewal.Cancel(); }, null, TimeSpan.FromHours(1), TimeSpan.FromHours(1));
            var filtering = KeepFilteredAsync(end);
            await conversation.RunAsync(end.Token);
            isListening = false;
            await end.CancelAsync();
            var unfiltered = await filtering;
            Break(conversation.TakeSessions("The gateway's openvpn ended; the device is expected back."));
            conversation.Dispose();
            await process.EndAsync();
            stopping.ThrowIfCancellationRequested();
            return renewal.IsCancellationRequested ? null : unfiltered ?? conversation.Fatal ?? process.Complaint ?? "it ended";
        }
        catch (Exception e) when (e is OpenVpnEndedException or IOException or UnauthorizedAccessException or Win32Exception)
        {
            return e.Message;
        }
        finally
        {
            process?.Dispose();
        }
    }

    private DateTimeOffset WriteFiles()
    {
        using var certificate = certificates.Issue([endpoint.Name]);
        using var key = certificate.GetECDsaPrivateKey()!;
        data.PrivateFolder(Folder);
        data.WriteSecret($"{Folder}/{OpenVpnTexts.KeyFile}", key.ExportPkcs8PrivateKeyPem());
        data.WriteSecret($"{Folder}/{OpenVpnTexts.CertificateFile}", certificate.ExportCertificatePem());
        data.WriteSecret($"{Folder}/{OpenVpnTexts.AuthorityFile}", certificates.AuthorityPem!);
        data.WriteSecret($"{Folder}/{ConfigFile}", OpenVpnTexts.Server(options, Unprivileged()));
        return certificate.NotAfter;
    }

    /// <summary>The system's nobody, when Muster runs as root.</summary>
    private static (string User, string Group)? Unprivileged() => Environment.IsPrivilegedProcess
        ? ("nobody", File.ReadLines("/etc/group").Any(line => line.StartsWith("nogroup:", StringComparison.Ordinal)) ? "nogroup" : "nobody")
        : null;

    /// <summary>Loads the filter again and again; where that fails, the gateway ends.</summary>
    /// <returns>Why it failed; null when the gateway ended for another reason.</returns>
    private async Task<string?> KeepFilteredAsync(CancellationTokenSource end)
    {
        try
        {
            while (true)
            {
                await Task.Delay(FilterAgain, time, end.Token);
                if (options.Firewall == "nft")
                    await FilterAsync(end.Token);
            }
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        catch (Exception e) when (e is OpenVpnEndedException or IOException or Win32Exception)
        {
            await end.CancelAsync();
            return e.Message;
        }
    }

    /// <exception cref="OpenVpnEndedException">nft refused; without the filter there is no gateway.</exception>
    private async Task FilterAsync(CancellationToken stopping)
    {
        using var nft = Process.Start(new ProcessStartInfo(OpenVpnNeeds.Find("nft", null)!, ["-f", "-"]) { RedirectStandardInput = true, RedirectStandardError = true })!;
        await nft.StandardInput.WriteAsync(OpenVpnTexts.Filter(options).AsMemory(), stopping);
        nft.StandardInput.Close();
        var complaint = await nft.StandardError.ReadToEndAsync(stopping);
        await nft.WaitForExitAsync(stopping);
        if (nft.ExitCode != 0)
            throw new OpenVpnEndedException($"nft did not take the filter that keeps devices from this machine: {complaint.Split('\n')[0]}");
    }

    /// <summary>The process is gone and its sessions with it; their devices will be back.</summary>
    private void Break(List<OpenVpnSession> sessions)
    {
        lock (gate)
        {
            if (broken.Count == 0)
                brokenSince = time.GetTimestamp();
            broken.AddRange(sessions);
        }
    }

    private void Listening()
    {
        isListening = true;
        LogListening(options.Protocol, options.Listen, options.Port);
        lock (gate)
        {
            // A client that missed the end of its connection finds out with its next ping.
            var patience = cloudlink.PatienceWith(broken.Count) + TimeSpan.FromSeconds(options.PingSeconds);
            broken.ForEach(session => parts.Sessions.Close(session, patience));
            broken.Clear();
        }
    }

    private void EndBroken(TimeSpan unlessWithin)
    {
        lock (gate)
        {
            if (broken.Count == 0 || time.GetElapsedTime(brokenSince) < unlessWithin)
                return;
            broken.ForEach(session => parts.Sessions.Close(session));
            broken.Clear();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The OpenVPN gateway listens on {Protocol} {Address}:{Port}")]
    private partial void LogListening(string protocol, string address, int port);

    [LoggerMessage(Level = LogLevel.Error, Message = "There is no OpenVPN gateway: {Need}. Looking again every 15 s.")]
    private partial void LogMissing(string need);

    [LoggerMessage(Level = LogLevel.Warning, Message = "openvpn does not run: {Why}. It is started again in {Pause}.")]
    private partial void LogEnded(string why, TimeSpan pause);

    [LoggerMessage(Level = LogLevel.Debug, Message = "openvpn: {Line}")]
    private partial void LogSaid(string line);
}
