namespace Muster.Protocol.Cloudlink;

/// <summary>
/// Watches the frames of the multiplexed streams as they come in (MessagePack: [code, channel, source, payload]), in pieces of
/// any size. The library that reads them gathers a whole frame before it looks at it, however long it says it is: here a
/// frame that is longer than any that it sends, or is none at all, is found before it is gathered.
/// </summary>
internal struct StreamFrames
{
    /// <summary>The library sends at most 20 KiB of content in one frame.</summary>
    public const int MaxPayload = 20 * 1024;

    private const byte Nil = 0xc0, Bin8 = 0xc4, UInt8 = 0xcc, Int8 = 0xd0;

    private int payload;
    private int elements;
    private int lengthBytes;
    private int length;
    private int skip;

    /// <summary>False: this is no frame, or one that is too long; nothing after it can be trusted.</summary>
    public bool Pass(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (payload > 0 || skip > 0)
            {
                ref var rest = ref payload > 0 ? ref payload : ref skip;
                var passed = Math.Min(rest, bytes.Length);
                rest -= passed;
                bytes = bytes[passed..];
                continue;
            }

            var next = bytes[0];
            bytes = bytes[1..];
            if (lengthBytes > 0)
            {
                length = (length << 8) | next;
                if (--lengthBytes == 0)
                {
                    if (length > MaxPayload)
                        return false;
                    (payload, length) = (length, 0);
                }
            }
            else if (!(elements == 0 ? Begin(next) : Element(next)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A frame is a short array of one to four elements.</summary>
    private bool Begin(byte head)
    {
        elements = head - 0x90;
        return elements is >= 1 and <= 4;
    }

    /// <summary>Numbers, nil, and a payload of bytes whose length is bounded.</summary>
    private bool Element(byte head)
    {
        elements--;
        switch (head)
        {
            case <= 0x7f or >= 0xe0 or Nil:
                return true;
            case >= Bin8 and <= Bin8 + 1:
                lengthBytes = 1 << (head - Bin8);
                return true;
            case >= UInt8 and <= UInt8 + 3:
                skip = 1 << (head - UInt8);
                return true;
            case >= Int8 and <= Int8 + 3:
                skip = 1 << (head - Int8);
                return true;
            default:
                return false;
        }
    }
}
