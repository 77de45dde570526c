using System.Diagnostics;
using Muster.Server.Devices.Reports;

namespace Muster.Bench;

/// <summary>What it costs to read a state report: time and memory, for a report of metrics and for one of an update under way.</summary>
internal static class ReportParsing
{
    private const int Rounds = 500_000;

    public static void Run()
    {
        Measure("metrics", """{"5fb8480a59705a8f10a8312e231ce8d0":{"cpu_usage":46,"memory_usage":1357,"cpu_temp":41}}"""u8);
        Measure("first report", """
            {"11aa22bb33cc44dd55ee66ff77008899":{"ip_address":"10.77.1.2","mac_address":"D6:0A:81:AA:64:B0","api_port":48484,"api_secret":"7c0d20206757441d944bdd1fa5558cb5",
            "os_version":"balenaOS 6.5.39","os_variant":"prod","supervisor_version":"19.0.5","provisioning_progress":null,"provisioning_state":"","status":"Idle","logs_channel":null,
            "cpu_usage":87,"memory_usage":1682,"memory_total":24105,"storage_block_device":"","cpu_temp":0,"is_undervolted":false}}
            """u8);
        Measure("update", """
            {"11aa22bb33cc44dd55ee66ff77008899":{"memory_usage":1489,"apps":{"aaaabbbbccccddddeeeeffff00001111":{"release_uuid":"c0ffee31aaaaaaaaaaaaaaaaaaaaaaaa","releases":{
            "c0ffee32aaaaaaaaaaaaaaaaaaaaaaaa":{"update_status":"downloading","services":{"main":{"image":"registry2.dev.test:5000/v2/svtest000000000000000000000000002@sha256:1520db2070798d54f92b3a3815856181a629b26f878a0aaba2b4868f2f71fc7d","status":"Downloading","download_progress":46}}},
            "c0ffee31aaaaaaaaaaaaaaaaaaaaaaaa":{"update_status":"done","services":{"main":{"image":"registry2.dev.test:5000/v2/svtest000000000000000000000000001@sha256:2f4b41f0b7963bc59bd4372b4c06427e03876884c7e6cdfc09efc8f7e7aa8092","status":"Running"}}}}}}}}
            """u8);
    }

    private static void Measure(string name, ReadOnlySpan<byte> body)
    {
        for (var i = 0; i < Rounds / 5; i++)
            StateReportParser.ParseV3(body);
        var (before, start) = (GC.GetAllocatedBytesForCurrentThread(), Stopwatch.GetTimestamp());
        for (var i = 0; i < Rounds; i++)
            StateReportParser.ParseV3(body);
        var (time, bytes) = (Stopwatch.GetElapsedTime(start), GC.GetAllocatedBytesForCurrentThread() - before);
        Console.WriteLine($"{name}: {body.Length} bytes, {time.TotalNanoseconds / Rounds:F0} ns, {bytes / Rounds} B allocated");
    }
}
