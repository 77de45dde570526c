namespace Muster.Server.Cloudlink.DeviceUrls;

/// <summary>Settings under <c>Cloudlink:DeviceUrls</c>: public addresses of devices.</summary>
public sealed class DeviceUrlOptions
{
    /// <summary>Every name below it is a device's: <c>{uuid}.{Domain}</c>. None when empty, and then there are no public addresses.</summary>
    public string Domain { get; set; } = "";

    /// <summary>Requests at once; more are answered 503.</summary>
    public int MaxRequests { get; set; } = 500;

    /// <summary>How long a request may go without a byte.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromSeconds(100);
}
