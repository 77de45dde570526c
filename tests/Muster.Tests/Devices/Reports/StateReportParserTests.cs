using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Muster.Core.Status;
using Muster.Server.Devices.Reports;

namespace Muster.Tests.Devices.Reports;

public sealed class StateReportParserTests
{
    private const string Uuid = "5fb8480a59705a8f10a8312e231ce8d0";

    [Fact]
    public void A_first_report_is_read_field_by_field()
    {
        var report = Fields("""
            {"status":"Idle","os_version":"balenaOS 6.1.0","os_variant":"prod","supervisor_version":"17.1.0","provisioning_progress":null,"provisioning_state":"",
             "ip_address":"10.0.0.5","mac_address":"AA:BB","api_port":48484,"api_secret":"s3cr3t","memory_usage":512,"memory_total":4096,"storage_block_device":"/dev/mmcblk0p6",
             "storage_usage":100,"storage_total":1000,"cpu_temp":40,"cpu_usage":10,"cpu_id":"ABCDEF0123","is_undervolted":true,"logs_channel":null,"bogus":{"a":[1]}}
            """);
        Assert.Equal("Idle", report.Status.Value);
        Assert.Equal(("balenaOS 6.1.0", "prod", "17.1.0"), (report.OsVersion.Value, report.OsVariant.Value, report.SupervisorVersion.Value));
        Assert.Equal((true, null), (report.ProvisioningProgress.IsPresent, report.ProvisioningProgress.Value));
        Assert.Equal((true, ""), (report.ProvisioningState.IsPresent, report.ProvisioningState.Value));
        Assert.Equal(("10.0.0.5", "AA:BB", 48484, "s3cr3t"), (report.IpAddress.Value, report.MacAddress.Value, report.ApiPort.Value, report.ApiSecret.Value));
        Assert.Equal((512, 4096, "/dev/mmcblk0p6", 100, 1000, 40, 10), (report.MemoryUsage.Value, report.MemoryTotal.Value, report.StorageBlockDevice.Value, report.StorageUsage.Value, report.StorageTotal.Value, report.CpuTemp.Value, report.CpuUsage.Value));
        Assert.Equal("abcdef0123", report.CpuId.Value);
        Assert.True(report.IsUndervolted.Value);
        Assert.False(report.DownloadProgress.IsPresent);
    }

    [Fact]
    public void What_a_report_leaves_out_stays()
    {
        var parsed = V3("{}");
        Assert.Equal((ReportVerdict.Ok, StateReport.Empty), (parsed.Verdict, parsed.Fields));
        Assert.Null(parsed.Apps);
    }

    [Theory]
    [InlineData("provisioning_progress", "-1")]
    [InlineData("provisioning_progress", "101")]
    [InlineData("api_port", "-48484")]
    [InlineData("api_port", "65536")]
    [InlineData("memory_usage", "-1")]
    [InlineData("storage_total", "-1")]
    [InlineData("cpu_usage", "-1")]
    [InlineData("cpu_temp", "-274")]
    [InlineData("memory_total", "-1e400")]
    [InlineData("provisioning_state", "\"\\ud83d\"")]
    public void A_value_out_of_its_range_is_refused_with_the_field(string field, string value)
    {
        var parsed = V3($"{{\"{field}\":{value}}}");
        Assert.NotEqual(ReportVerdict.Ok, parsed.Verdict);
        Assert.Contains(field == "provisioning_state" ? "text" : field, parsed.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("status", 50)]
    [InlineData("os_version", 70)]
    [InlineData("supervisor_version", 20)]
    [InlineData("api_secret", 64)]
    public void Long_texts_are_cut(string field, int limit)
    {
        var report = Fields(new JsonObject { [field] = new string('x', 3 * limit) }.ToJsonString());
        var value = field switch { "status" => report.Status.Value, "os_version" => report.OsVersion.Value, "supervisor_version" => report.SupervisorVersion.Value, _ => report.ApiSecret.Value };
        Assert.Equal(limit, value!.Length);
    }

    [Theory]
    [InlineData("ip_address", 2000)]
    [InlineData("mac_address", 900)]
    public void Lists_are_cut_between_entries(string field, int limit)
    {
        var report = Fields(new JsonObject { [field] = string.Join(' ', Enumerable.Repeat("10.0.0.1", 400)) }.ToJsonString());
        var value = (field == "ip_address" ? report.IpAddress.Value : report.MacAddress.Value)!;
        Assert.InRange(value.Length, limit - 9, limit);
        Assert.EndsWith(" 10.0.0.1", value, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cut_leaves_no_half_of_a_surrogate_pair()
    {
        var report = Fields(new JsonObject { ["status"] = new string('x', 49) + "\U0001F600" }.ToJsonString());
        Assert.Equal(new string('x', 49), report.Status.Value);
    }

    [Theory]
    [InlineData("""{"status":5}""")]
    [InlineData("""{"status":null}""")]
    [InlineData("""{"status":"a\u0000b"}""")]
    [InlineData("""{"cpu_usage":"10"}""")]
    [InlineData("""{"cpu_usage":10.5}""")]
    [InlineData("""{"memory_usage":-99999999999}""")]
    [InlineData("""{"provisioning_progress":10.5}""")]
    [InlineData("""{"provisioning_progress":99999999999}""")]
    [InlineData("""{"api_port":"48484"}""")]
    [InlineData("""{"api_port":99999999999}""")]
    [InlineData("""{"is_undervolted":"yes"}""")]
    [InlineData("""{"is_online":1}""")]
    [InlineData("""{"apps":7}""")]
    [InlineData("""{"apps":{"a":7}}""")]
    [InlineData("""{"apps":{"a":{"releases":7}}}""")]
    [InlineData("""{"apps":{"a":{"release_uuid":7}}}""")]
    [InlineData("""{"apps":{"a":{"releases":{"c":{"update_status":"bogus"}}}}}""")]
    [InlineData("""{"apps":{"a":{"releases":{"c":{"services":{"main":{"status":"Running"}}}}}}}""")]
    [InlineData("""{"apps":{"a":{"releases":{"c":{"services":{"main":{"image":"i","status":7}}}}}}}""")]
    [InlineData("""{"apps":{"a":{"releases":{"c":{"services":{"main":{"image":"i","status":"Running","download_progress":1.5}}}}}}}""")]
    public void A_wrong_type_or_value_is_refused_with_a_sentence(string device)
    {
        var parsed = V3(device);
        Assert.Equal((ReportVerdict.Invalid, Uuid), (parsed.Verdict, parsed.Uuid));
        Assert.NotEqual("", parsed.Problem);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{}{}")]
    [InlineData("{\"a\":{\"status\":\"\\ud800\"}}")]
    [InlineData("{\"a\":{},}")]
    public void What_is_no_json_is_malformed(string body) => Assert.Equal(ReportVerdict.Malformed, StateReportParser.ParseV3(Encoding.UTF8.GetBytes(body)).Verdict);

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("null")]
    [InlineData("""{"a":"x"}""")]
    [InlineData("""{"a":null}""")]
    [InlineData("""{"a":{},"b":{}}""")]
    public void Anything_but_one_device_is_called_so(string body) => Assert.Equal(ReportVerdict.NotOneDevice, StateReportParser.ParseV3(Encoding.UTF8.GetBytes(body)).Verdict);

    [Fact]
    public void Metrics_too_large_count_as_the_largest() =>
        Assert.Equal(int.MaxValue, Fields("""{"storage_total":99999999999}""").StorageTotal.Value);

    [Fact]
    public void A_whole_number_may_be_written_with_a_point() => Assert.Equal(10, Fields("""{"cpu_usage":10.0}""").CpuUsage.Value);

    [Theory]
    [InlineData("""{"cpu_id":"AB\u0001C"}""")]
    [InlineData("""{"os_variant":"bogus"}""")]
    [InlineData("""{"update_status":"rejected"}""")]
    [InlineData("""{"download_progress":30}""")]
    [InlineData("""{"is_online":true}""")]
    [InlineData("""{"name":"x","note":"y","is_on__commit":"z"}""")]
    public void What_cannot_be_said_is_passed_over(string device) => Assert.Equal(StateReport.Empty, Fields(device));

    [Theory]
    [InlineData("Resin OS 2.0.0+rev5 (dev)", "dev")]
    [InlineData("balenaOS 2.0.0 (prod)", "prod")]
    [InlineData("balenaOS 6.0.0", null)]
    public void Old_versions_of_the_os_say_their_variant_in_the_version(string version, string? variant)
    {
        var report = Fields(new JsonObject { ["os_version"] = version }.ToJsonString());
        Assert.Equal((variant is not null, variant), (report.OsVariant.IsPresent, report.OsVariant.Value));
    }

    [Fact]
    public void Apps_are_read_with_releases_and_services()
    {
        var parsed = V3("""
            {"apps":{"f":{"release_uuid":"old","releases":{
                "new":{"update_status":"downloading","services":{"main":{"image":"r/v2/x@sha256:1","status":"Downloading","download_progress":20},"side":{"image":"r/v2/y","status":"NotAStatus"}}},
                "old":{"update_status":"done"}}}}}
            """);
        var app = Assert.Single(parsed.Apps!);
        Assert.Equal(("f", "old"), (app.Uuid, app.RunningCommit));
        Assert.Equal([("new", UpdateStatus.Downloading), ("old", UpdateStatus.Done)], app.Releases.Select(r => (r.Commit, r.UpdateStatus)));
        Assert.Equal([new("r/v2/x@sha256:1", "Downloading", 20), new("r/v2/y", "", null)], app.Releases[0].Services);
    }

    [Fact]
    public void Empty_apps_are_not_the_same_as_none()
    {
        Assert.Empty(V3("""{"apps":{}}""").Apps!);
        Assert.Null(V3("""{"apps":null}""").Apps);
    }

    [Fact]
    public void The_old_form_says_more_of_the_row()
    {
        var parsed = StateReportParser.ParseV2("""
            {"local":{"name":"renamed","note":"n","download_progress":33,"api_port":"48484","is_on__commit":"abc","should_be_running__release":1,
             "apps":{"1":{"services":{"3":{"releaseId":2,"status":"Downloading","download_progress":10},"4":{"releaseId":"2","status":"Running","download_progress":null}}}}},"dependent":{}}
            """u8);
        Assert.Equal(ReportVerdict.Ok, parsed.Verdict);
        Assert.Equal(("renamed", "n", "abc", 1L), (parsed.Name.Value, parsed.Note.Value, parsed.RunningCommit.Value, parsed.PinnedReleaseId.Value));
        Assert.Equal((33, 48484), (parsed.Fields.DownloadProgress.Value, parsed.Fields.ApiPort.Value));
        Assert.Equal([new(3, 2, "Downloading", 10), new(4, 2, "Running", null)], parsed.Images!);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"dependent":{}}""")]
    [InlineData("""{"local":7}""")]
    [InlineData("""{"local":{"note":null}}""")]
    [InlineData("""{"local":{"status":1}}""")]
    [InlineData("""{"local":{"apps":{"1":{"services":{"abc":{"releaseId":2}}}}}}""")]
    [InlineData("""{"local":{"apps":{"1":{"services":{"3":{"releaseId":"abc"}}}}}}""")]
    public void Errors_of_the_old_form_are_refused(string body) => Assert.Equal(ReportVerdict.Invalid, StateReportParser.ParseV2(Encoding.UTF8.GetBytes(body)).Verdict);

    [Fact]
    public void Whatever_the_bytes_are_there_is_a_verdict() =>
        Gen.Byte.Array.Sample(bytes => Enum.IsDefined(StateReportParser.ParseV3(bytes).Verdict) && Enum.IsDefined(StateReportParser.ParseV2(bytes).Verdict));

    [Fact]
    public void Whatever_the_json_is_there_is_a_verdict_and_valid_json_is_never_called_malformed() =>
        AnyJson.Value.Sample(
            json =>
            {
                var (v3, v2) = (Encoding.UTF8.GetBytes($"{{\"{Uuid}\":{json}}}"), Encoding.UTF8.GetBytes($"{{\"local\":{json}}}"));
                return StateReportParser.ParseV3(v3).Verdict != ReportVerdict.Malformed && StateReportParser.ParseV2(v2).Verdict != ReportVerdict.Malformed;
            },
            iter: 5000);

    [Fact]
    public void A_report_cut_short_anywhere_is_malformed()
    {
        var whole = Encoding.UTF8.GetBytes($"{{\"{Uuid}\":" + """{"status":"Idle","apps":{"f":{"releases":{"c":{"update_status":"done","services":{"main":{"image":"i","status":"Running"}}}}}}}""" + "}");
        for (var length = 0; length < whole.Length; length++)
            Assert.Equal(ReportVerdict.Malformed, StateReportParser.ParseV3(whole.AsSpan(0, length)).Verdict);
        Assert.Equal(ReportVerdict.Ok, StateReportParser.ParseV3(whole).Verdict);
    }

    private static ParsedReport V3(string device) => StateReportParser.ParseV3(Encoding.UTF8.GetBytes($"{{\"{Uuid}\":{device}}}"));

    private static StateReport Fields(string device)
    {
        var parsed = V3(device);
        Assert.Equal((ReportVerdict.Ok, ""), (parsed.Verdict, parsed.Problem));
        return parsed.Fields;
    }

    /// <summary>JSON of any shape whose names are, more often than not, those of a report.</summary>
    private static class AnyJson
    {
        private static Gen<string> AnyOf(params string[] words) => Gen.Int[0, words.Length - 1].Select(i => words[i]);

        private static readonly Gen<string> Name = Gen.Frequency(
            (5, AnyOf("status", "os_version", "cpu_id", "cpu_usage", "storage_total", "provisioning_progress", "api_port", "is_undervolted", "is_online", "ip_address", "apps", "releases", "services", "release_uuid", "update_status", "image", "download_progress", "releaseId", "note", "name", "is_on__commit", "should_be_running__release")),
            (1, Gen.String[Gen.Char['a', 'z'], 0, 30]));

        private static readonly Gen<string> Leaf = Gen.OneOf(
            Gen.Const("null"), Gen.Const("true"), Gen.Long.Select(l => l.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            Gen.Double.Select(d => double.IsFinite(d) ? JsonSerializer.Serialize(d) : "1e400"), Gen.String[Gen.Char['\0', '\ud7ff'], 0, 100].Select(s => JsonSerializer.Serialize(s)), AnyOf("\"Running\"", "\"done\"", "\"abc\""));

        public static readonly Gen<string> Value = Gen.Recursive<string>((depth, self) => depth > 5
            ? Leaf
            : Gen.OneOf(Leaf, Gen.Select(Name, self).Array[0, 5].Select(m => $"{{{string.Join(',', m.Select(p => $"{JsonSerializer.Serialize(p.Item1)}:{p.Item2}"))}}}"), self.Array[0, 3].Select(a => $"[{string.Join(',', a)}]")));
    }
}
