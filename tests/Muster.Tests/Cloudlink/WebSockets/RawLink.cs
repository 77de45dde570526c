using System.Net.WebSockets;
using System.Text;
using Muster.Protocol.Cloudlink;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink.WebSockets;

/// <summary>A device that speaks the protocol by hand, or what is no part of it.</summary>
internal sealed class RawLink : IDisposable
{
    private readonly ClientWebSocket socket = new();

    public static Uri Address(ServerWithFleet server, string uuid) => new($"ws://{server.Server.Address.Authority}/cloudlink/v1?uuid={uuid}");

    public static async Task<RawLink> OpenAsync(ServerWithFleet server, FixtureDevice device, string? resume = null)
    {
        var link = new RawLink();
        link.socket.Options.SetRequestHeader("Authorization", $"Bearer {device.Key}");
        if (resume is not null)
            link.socket.Options.SetRequestHeader(CloudlinkClient.ResumeHeader, resume);
        await link.socket.ConnectAsync(Address(server, device.Uuid), CancellationToken.None).WaitAsync(TunnelledDevice.Generous);
        return link;
    }

    public async Task<CloudlinkMessage> WelcomeAsync()
    {
        Assert.True(CloudlinkMessage.TryParse(Encoding.UTF8.GetBytes(await HearAsync()), out var message));
        Assert.Equal(CloudlinkMessage.Welcome, message.Type);
        return message;
    }

    /// <summary>The next text message.</summary>
    public async Task<string> HearAsync()
    {
        var buffer = new byte[CloudlinkMessage.MaxBytes];
        var heard = await socket.ReceiveAsync(buffer, CancellationToken.None).WaitAsync(TunnelledDevice.Generous);
        return Encoding.UTF8.GetString(buffer, 0, heard.Count);
    }

    public Task SayAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text);

    public Task SendAsync(byte[] bytes, WebSocketMessageType type) => socket.SendAsync(bytes, type, endOfMessage: true, CancellationToken.None);

    public void Cut() => socket.Abort();

    public void Dispose() => socket.Dispose();
}
