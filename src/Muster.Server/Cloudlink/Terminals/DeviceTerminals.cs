using System.Globalization;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Cloudlink.Ssh;
using Muster.Server.Insight;

namespace Muster.Server.Cloudlink.Terminals;

/// <summary>What a person wants a terminal on.</summary>
/// <param name="Device">Uuid.</param>
/// <param name="Service">Name of the service to enter; null for the host OS.</param>
/// <param name="AcceptedKey">Fingerprint of a changed host key that the person has accepted.</param>
/// <param name="From">Address the person comes from.</param>
internal sealed record TerminalWish(string Device, string? Service, int Columns, int Rows, string? AcceptedKey, string? From);

/// <summary>Terminals on devices, for the pages of this server: SSH with Muster's own key, through the device's tunnel.</summary>
internal sealed class DeviceTerminals(ConnectedDevices devices, DeviceTunnel tunnel, ReachRight reach, DeviceSshKey key, KnownDevices known, AuditLog audit, IOptions<TerminalOptions> options, IOptions<SshOptions> ssh, TimeProvider time)
{
    private static readonly TimeSpan ReachedWithin = TimeSpan.FromSeconds(10);

    private readonly Lock gate = new();
    private readonly Dictionary<long, int> ofPerson = [];
    private int open;

    public bool IsEnabled => options.Value.Enabled;

    /// <summary>A terminal nobody types in ends after that.</summary>
    public TimeSpan IdleTimeout => options.Value.IdleTimeout;

    /// <exception cref="TerminalException">There is none; the message says why.</exception>
    /// <exception cref="Storage.DatabaseAwayException">There is none.</exception>
    public async Task<DeviceTerminal> OpenAsync(Caller caller, TerminalWish wish, CancellationToken cancellation)
    {
        if (!IsEnabled)
            throw new TerminalException("Terminals are switched off on this server.");
        if (await devices.LinkAsync(wish.Device, cancellation) is not { } link || !AccessRule.Has(caller, Role.Observer, link.OrganizationId))
            throw new TerminalException("There is no such device.");
        if (!AccessRule.MayReach(caller, link.Id, link.OrganizationId))
            throw new TerminalException("Your role does not allow this.");
        if (link.Tunnel is not { } device || link.IsFrozen)
            throw new TerminalException(link.IsFrozen ? "The device is frozen." : "A terminal needs the cloudlink, which is down.");
        if (!TryEnter(caller.SubjectId))
            throw new TerminalException("Too many terminals are open; close one, or try again later.");
        try
        {
            var where = wish.Service is { } service ? $"service {service}" : "host OS";
            var accepting = wish.AcceptedKey is { } accepted ? $"; accepted the host key {accepted}" : "";
            var entry = await audit.BeginAsync(new AuditEntry(caller, "terminal.open", link.Id, link.OrganizationId, wish.From, where + accepting), cancellation);
            var began = time.GetTimestamp();
            async ValueTask EndAsync()
            {
                Leave(caller.SubjectId);
                await audit.EndAsync(entry, string.Create(CultureInfo.InvariantCulture, $"closed after {time.GetElapsedTime(began).TotalSeconds:0.0} s"));
            }

            try
            {
                return new(await BeginAsync(device, wish, cancellation), (now, asked) => reach.HoldsAsync(now, caller, link.Id, link.Uuid, asked), EndAsync);
            }
            catch (Exception e)
            {
                await audit.EndAsync(entry, e is TerminalException ? e.Message : "not reached");
                throw;
            }
        }
        catch
        {
            Leave(caller.SubjectId);
            throw;
        }
    }

    private async Task<DeviceShell> BeginAsync(TunnelledDevice device, TerminalWish wish, CancellationToken cancellation)
    {
        var trusted = known.Find(device.Uuid);
        bool IsTrusted(byte[] shown) => wish.AcceptedKey is { } accepted
            ? accepted == KnownDevices.Fingerprint(shown)
            : trusted.Count == 0 || trusted.Any(k => k.Key == Convert.ToBase64String(shown));
        DeviceShell shell;
        try
        {
            shell = await DeviceShell.LogInAsync(await ConnectAsync(device, cancellation), options.Value.User, key.PrivateKeyPem, IsTrusted, [.. trusted.Select(k => k.Type)], time, cancellation);
        }
        catch (UntrustedHostException e)
        {
            throw new HostKeyChangedException(string.Join(", ", trusted.Select(k => KnownDevices.Fingerprint(Convert.FromBase64String(k.Key)))), KnownDevices.Fingerprint(e.Key));
        }

        try
        {
            if (trusted.Count == 0 || wish.AcceptedKey is not null)
                known.Trust(device.Uuid, shell.HostKey);
            await shell.BeginAsync(wish.Service, wish.Columns, wish.Rows, cancellation);
            return shell;
        }
        catch
        {
            await shell.DisposeAsync();
            throw;
        }
    }

    private async Task<Stream> ConnectAsync(TunnelledDevice device, CancellationToken cancellation)
    {
        using var late = new CancellationTokenSource(ReachedWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellation);
        try
        {
            return await tunnel.ConnectAsync(device, ssh.Value.DevicePort, either.Token);
        }
        catch (Exception e) when (e is TunnelException || (e is OperationCanceledException && late.IsCancellationRequested))
        {
            throw new TerminalException($"The device did not take a connection to its SSH server (port {ssh.Value.DevicePort}).", e);
        }
    }

    private bool TryEnter(long person)
    {
        lock (gate)
        {
            var own = ofPerson.GetValueOrDefault(person);
            if (open >= options.Value.MaxSessions || own >= options.Value.MaxPerPerson)
                return false;
            open++;
            ofPerson[person] = own + 1;
            return true;
        }
    }

    private void Leave(long person)
    {
        lock (gate)
        {
            open--;
            if (--ofPerson[person] == 0)
                ofPerson.Remove(person);
        }
    }
}

/// <summary>An open terminal.</summary>
internal sealed class DeviceTerminal(DeviceShell shell, Func<Caller, CancellationToken, ValueTask<bool>> isFor, Func<ValueTask> ended) : IAsyncDisposable
{
    /// <summary>Whether this person may still have it.</summary>
    public ValueTask<bool> IsForAsync(Caller caller, CancellationToken cancellation) => isFor(caller, cancellation);

    /// <summary>What the device says; 0 when it has said its last.</summary>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation) => shell.ReadAsync(buffer, cancellation);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation) => shell.WriteAsync(bytes, cancellation);

    public void Resize(int columns, int rows) => shell.Resize(columns, rows);

    public async ValueTask DisposeAsync()
    {
        await shell.DisposeAsync();
        await ended();
    }
}
