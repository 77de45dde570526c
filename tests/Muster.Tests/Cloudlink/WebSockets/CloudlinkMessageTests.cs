using System.Text;
using CsCheck;
using Muster.Protocol.Cloudlink;

namespace Muster.Tests.Cloudlink.WebSockets;

/// <summary>What is read from the wire before anything else may trust it.</summary>
public sealed class CloudlinkMessageTests
{
    [Theory]
    [InlineData("""{"type":"ping"}""", true)]
    [InlineData("""{"type":"something-new","with":{"any":["thing"]}}""", true)]
    [InlineData("""{"type":"goodbye","reason":"restart","within":12.5}""", true)]
    [InlineData("""{"type":"welcome","session":"a","resume":"b","ping":30,"keepalive":60}""", true)]
    [InlineData("""{"type":"welcome","session":"a","ping":0,"keepalive":60}""", false)]
    [InlineData("""{"type":"welcome"}""", false)]
    [InlineData("""{"type":""}""", false)]
    [InlineData("""{"type":null}""", false)]
    [InlineData("""{"type":"ping"} """, true)]
    [InlineData("""{"type":"ping"}{""", false)]
    [InlineData("""{"type":"goodbye","within":1e300}""", false)]
    [InlineData("""["type"]""", false)]
    [InlineData("null", false)]
    [InlineData("", false)]
    public void A_message_is_an_object_with_a_type_and_sane_fields(string text, bool isMessage) =>
        Assert.Equal(isMessage, CloudlinkMessage.TryParse(Encoding.UTF8.GetBytes(text), out _));

    [Fact]
    public void What_is_written_is_read_again()
    {
        var text = Gen.String[Gen.Char.AlphaNumeric, 1, 40];
        var span = Gen.Double[0.001, 86_400];
        Gen.Select(text, text.Null(), text.Null(), span, span, Gen.OneOf(Gen.Const(CloudlinkMessage.Welcome), text)).Sample((session, resume, reason, ping, keepalive, type) =>
        {
            var message = new CloudlinkMessage { Type = type, Session = session, Resume = resume, Reason = reason, PingSeconds = ping, KeepaliveSeconds = keepalive, WithinSeconds = ping };
            return CloudlinkMessage.TryParse(message.ToUtf8(), out var read) && read == message;
        });
    }

    [Fact]
    public void Any_bytes_are_read_or_refused_and_never_throw() =>
        Gen.OneOf(
            Gen.Byte.Array[0, 200],
            // Nearly a message: a good one with some bytes changed.
            Gen.Select(Gen.Int[0, 60], Gen.Byte, (at, with) =>
            {
                var bytes = Encoding.UTF8.GetBytes("""{"type":"welcome","session":"a","resume":"b","ping":30,"keepalive":60}""");
                bytes[at] = with;
                return bytes;
            }))
        .Sample(bytes =>
        {
            if (CloudlinkMessage.TryParse(bytes, out var message))
                Assert.True(message is { Type.Length: > 0, PingSeconds: null or >= 0 });
        });

    [Fact]
    public void Frames_pass_however_they_are_cut_and_long_ones_never_do()
    {
        var frame = Gen.Select(Gen.Int[0, 6], Gen.Int[0, 1 << 20], Gen.Int[0, StreamFrames.MaxPayload]);
        Gen.Select(frame.Array[1, 6], Gen.Int[1, 5_000], Gen.Bool).Sample((frames, piece, isLong) =>
        {
            var bytes = new List<byte>();
            foreach (var (code, channel, size) in frames)
                bytes.AddRange(Frame(code, channel, size));
            if (isLong)
                bytes.AddRange(Frame(1, 7, StreamFrames.MaxPayload + 1));
            var watch = default(StreamFrames);
            return bytes.Chunk(piece).All(part => watch.Pass(part)) != isLong;
        });
    }

    private static byte[] Frame(int code, int channel, int size) =>
    [
        0x94, (byte)code, 0xce, (byte)(channel >> 24), (byte)(channel >> 16), (byte)(channel >> 8), (byte)channel, 0xff,
        .. size < 256 ? [0xc4, (byte)size] : (byte[])[0xc5, (byte)(size >> 8), (byte)size],
        .. new byte[size],
    ];
}
