using Muster.Core.Presence;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// Columns of a few rows of a partition. The arrays never move, so that a request may write a contact while the
/// partition reads it. <see cref="State"/> is written by the partition only; contacts and target versions by requests.
/// </summary>
internal sealed class DeviceChunk
{
    public const int Rows = 64;

    public const byte Settled = 0;
    public const byte UnsettledContact = 1;
    public const byte UnsettledPoll = 2;

    /// <summary>Null where no device is.</summary>
    public readonly DeviceState?[] State = new DeviceState?[Rows];

    /// <summary>Device ids, 0 where no device is.</summary>
    public readonly long[] Ids = new long[Rows];

    /// <summary>Moves when a row is given to another device; a slot of the former one is then void.</summary>
    public readonly uint[] Generation = new uint[Rows];

    /// <summary>Observer clock, ms; <see cref="HeartbeatMachine.Never"/>.</summary>
    public readonly long[] LastPoll = new long[Rows];

    /// <summary>Observer clock, ms; of any kind, polls too.</summary>
    public readonly long[] LastContact = new long[Rows];

    /// <summary>Unix ms, 0 for never.</summary>
    public readonly long[] LastPollAt = new long[Rows];

    /// <summary>Unix ms, 0 for never.</summary>
    public readonly long[] LastContactAt = new long[Rows];

    /// <summary>Kind of the last contact, where <see cref="Heard"/>.</summary>
    public readonly ContactKind[] LastKind = new ContactKind[Rows];

    /// <summary>Whether there was a contact since this process started.</summary>
    public readonly bool[] Heard = new bool[Rows];

    /// <summary>Where the last contact over IPv4 came from, as a hash of the address; 0 when none came.</summary>
    public readonly int[] Address = new int[Rows];

    /// <summary>The same over IPv6.</summary>
    public readonly int[] Address6 = new int[Rows];

    /// <summary>The poll interval that the device knew of when it polled last, ms: its silence is judged by it. 0 when none is known.</summary>
    public readonly int[] KnownInterval = new int[Rows];

    /// <summary>Held while contact times of a row are written, or read together.</summary>
    public readonly Lock Contacts = new();

    /// <summary>1: contact times differ from what is on record.</summary>
    public readonly byte[] Dirty = new byte[Rows];

    /// <summary>A contact whose consequence could not be committed when it came: one of the three constants.</summary>
    public readonly byte[] Unsettled = new byte[Rows];

    /// <summary>SHA-256 of each device's first key, 32 bytes a row; zeros when it has none.</summary>
    public readonly byte[] FirstKey = new byte[Rows * 32];

    /// <summary>Further keys, which are rare.</summary>
    public readonly DeviceKey[]?[] MoreKeys = new DeviceKey[]?[Rows];

    /// <summary>Versions of the target state last composed; null when it must be composed anew.</summary>
    public readonly string?[] TargetV2 = new string?[Rows];

    public readonly string?[] TargetV3 = new string?[Rows];

    public readonly int[] TargetTicket = new int[Rows];

    public Span<byte> Key(int row) => FirstKey.AsSpan(row * 32, 32);

    /// <summary>All of one moment.</summary>
    public ContactTimes Times(int row)
    {
        lock (Contacts)
        {
            return new(OrNull(LastPollAt[row], 0), OrNull(LastContactAt[row], 0), OrNull(LastPoll[row], HeartbeatMachine.Never), OrNull(LastContact[row], HeartbeatMachine.Never))
            {
                PollInterval = OrNull(KnownInterval[row], 0),
            };
        }
    }

    private static long? OrNull(long value, long never) => value == never ? null : value;
}
