using System.Text.Json;
using Muster.Server.Cloudlink.OpenVpn;

namespace Muster.Tests.Cloudlink.OpenVpn;

public sealed class ManagementReaderTests
{
    private const string Uuid = "11aa22bb33cc44dd55ee66ff77008899";

    [Fact]
    public void A_recorded_log_in_reads_as_what_happened()
    {
        var lines =
            from line in File.ReadLines(TestFiles.At("recordings/supervisor/cloudlink-events.jsonl"))
            let entry = JsonDocument.Parse(line).RootElement
            where entry.TryGetProperty("raw", out _)
            select entry.GetProperty("raw").GetString()!;
        Assert.Equal(
            [
                new ManagementEvent.Hold(),
                new ManagementEvent.State("ASSIGN_IP"),
                new ManagementEvent.State("ADD_ROUTES"),
                new ManagementEvent.State("CONNECTED"),
                new ManagementEvent.Connect(0, 1, Uuid, "<redacted>", "10.79.1.2"),
                new ManagementEvent.Address(0, "100.64.0.3"),
                new ManagementEvent.Established(0),
            ],
            Read([.. lines]).Where(what => what is not ManagementEvent.Traffic));
    }

    [Fact]
    public void Traffic_of_others_may_stand_in_the_middle_of_a_block() => Assert.Equal(
        [new ManagementEvent.Traffic(3, 930), new ManagementEvent.Connect(7, 2, Uuid, "key", "10.0.0.9")],
        Read(">CLIENT:CONNECT,7,2\r", ">CLIENT:ENV,password=key\r", ">BYTECOUNT_CLI:3,930,1864\r", $">CLIENT:ENV,username={Uuid}\r", ">CLIENT:ENV,untrusted_ip=10.0.0.9\r", ">CLIENT:ENV,END\r"));

    [Fact]
    public void What_a_client_says_of_itself_does_not_replace_what_openvpn_says_of_it() => Assert.Equal(
        [new ManagementEvent.Connect(0, 1, Uuid, "key", "10.0.0.9")],
        Read(">CLIENT:CONNECT,0,1", ">CLIENT:ENV,password=key", ">CLIENT:ENV,untrusted_ip=10.0.0.9", $">CLIENT:ENV,username={Uuid}", ">CLIENT:ENV,username=another", ">CLIENT:ENV,untrusted_ip=1.1.1.1", ">CLIENT:ENV,END"));

    [Fact]
    public void The_end_of_a_client_is_told_with_its_number() => Assert.Equal(
        [new ManagementEvent.Disconnect(4)],
        Read(">CLIENT:DISCONNECT,4", ">CLIENT:ENV,bytes_received=17", ">CLIENT:ENV,END"));

    [Fact]
    public void A_password_may_hold_any_character_and_is_not_in_the_event_s_text()
    {
        var connect = Assert.Single(Read(">CLIENT:CONNECT,0,1", ">CLIENT:ENV,password=a=b,c", ">CLIENT:ENV,END"));
        Assert.Equal("a=b,c", Assert.IsType<ManagementEvent.Connect>(connect).Password);
        Assert.DoesNotContain("a=b,c", connect.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(">CLIENT:CONNECT,x,1")]
    [InlineData(">CLIENT:CONNECT")]
    [InlineData(">CLIENT:CR_RESPONSE,1,2,abc")]
    [InlineData(">CLIENT:ADDRESS,1")]
    [InlineData(">BYTECOUNT_CLI:1")]
    [InlineData(">STATE:")]
    [InlineData("SUCCESS: pid=1")]
    [InlineData("")]
    public void What_it_does_not_know_it_passes_over(string line) => Assert.Empty(Read(line, ">CLIENT:ENV,no equals sign", ">CLIENT:ENV,END"));

    private static List<ManagementEvent> Read(params string[] lines)
    {
        var reader = new ManagementReader();
        return [.. lines.Select(reader.Read).OfType<ManagementEvent>()];
    }
}
