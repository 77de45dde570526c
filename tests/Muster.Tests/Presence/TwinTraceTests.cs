using CsCheck;
using Muster.Core.Presence;

namespace Muster.Tests.Presence;

public sealed class TwinTraceTests
{
    private const long Minute = 60_000;

    [Fact]
    public void Addresses_that_come_back_by_turns_are_two_machines()
    {
        var trace = TwinTrace.Empty;
        for (var i = 0; i < 5; i++)
            trace = trace.Note(TwinSign.Address, i % 2 == 0 ? "192.0.2.1" : "192.0.2.2", i * Minute);
        Assert.Contains("192.0.2.1 and 192.0.2.2", trace.Find(5 * Minute)!.Sentence, StringComparison.Ordinal);
        Assert.Null(trace.Find(120 * Minute));
    }

    [Fact]
    public void A_machine_that_moves_is_one() =>
        Gen.Int[0, 30].Sample(moves =>
        {
            var trace = TwinTrace.Empty;
            for (var i = 0; i < moves; i++)
                trace = trace.Note(TwinSign.Address, $"192.0.2.{i}", i * Minute);
            Assert.Null(trace.Find(moves * Minute));
        });

    [Fact]
    public void A_machine_with_two_protocols_is_one()
    {
        var trace = TwinTrace.Empty;
        for (var i = 0; i < 20; i++)
            trace = trace.Note(i % 2 == 0 ? TwinSign.Address : TwinSign.Address6, i % 2 == 0 ? "192.0.2.1" : "2001:db8::1", i * Minute);
        Assert.Null(trace.Find(20 * Minute));
    }

    [Fact]
    public void A_processor_that_comes_back_is_another_machine()
    {
        var trace = TwinTrace.Empty.Note(TwinSign.Hardware, "a", 0).Note(TwinSign.Hardware, "b", Minute);
        Assert.Null(trace.Find(Minute));
        Assert.NotNull(trace.Note(TwinSign.Hardware, "a", 2 * Minute).Find(3 * Minute));
    }

    [Fact]
    public void Boots_from_two_addresses_by_turns_are_two_machines_and_from_one_a_machine_that_reboots()
    {
        static TwinTrace Boots(params string[] from) =>
            from.Select((address, i) => (Address: address, At: i * Minute)).Aggregate(TwinTrace.Empty, (trace, boot) => trace.Note(TwinSign.Boot, boot.Address, boot.At));
        Assert.NotNull(Boots("192.0.2.1", "192.0.2.2", "192.0.2.1").Find(3 * Minute));
        Assert.Null(Boots("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1").Find(4 * Minute));
    }

    [Fact]
    public void Tunnels_that_push_each_other_out_are_two_machines()
    {
        static TwinTrace Tunnels(long apart) => Enumerable.Range(0, 6).Aggregate(TwinTrace.Empty, (trace, i) => trace.Note(TwinSign.Tunnel, "192.0.2.1", i * apart));
        Assert.NotNull(Tunnels(10_000).Find(60_000));
        Assert.Null(Tunnels(10 * Minute).Find(50 * Minute));
    }

    [Fact]
    public void It_keeps_a_bounded_number_of_signs() =>
        Gen.Select(Gen.Int[0, 4], Gen.Int[0, 3]).Array[0, 200].Sample(signs =>
        {
            var trace = TwinTrace.Empty;
            for (var i = 0; i < signs.Length; i++)
                trace = trace.Note((TwinSign)signs[i].Item1, $"id{signs[i].Item2}", i * Minute);
            Assert.InRange(trace.Count, 0, 5 * TwinTrace.Kept);
        });
}
