namespace Muster.Server.Cloudlink.Ssh;

/// <summary>Settings under <c>Cloudlink:Ssh</c>.</summary>
public sealed class SshOptions
{
    /// <summary>Port on which people's SSH clients come (<c>balena device ssh</c> dials 22 unless told another); null: no SSH gateway.</summary>
    public int? Port { get; set; }

    /// <summary>Address to listen on.</summary>
    public string Address { get; set; } = "0.0.0.0";

    /// <summary>Port of the host OS's SSH server on devices.</summary>
    public int DevicePort { get; set; } = 22222;

    /// <summary>Sessions at once.</summary>
    public int MaxSessions { get; set; } = 200;

    /// <summary>How often people and their keys are looked at: a key that was added or removed counts from then on.</summary>
    public TimeSpan PeopleEvery { get; set; } = TimeSpan.FromSeconds(5);
}
