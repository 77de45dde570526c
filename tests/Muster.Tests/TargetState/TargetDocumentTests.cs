using System.Collections.Immutable;
using System.Text.Json.Nodes;
using CsCheck;
using Muster.Core.TargetState;
using Muster.Tests.Devices;

namespace Muster.Tests.TargetState;

public sealed class TargetDocumentTests
{
    private const string Uuid = "6713349f7fb2bbb0ac01a02bc0c32d9b";

    private static readonly TargetApp Fleet = new(1, "f4b14237356c48ccaba517d83ac1bef3", "fleet-amd64", "fleet", IsHost: false)
    {
        Environment = [new("FLEET_VAR", "fleet")],
        Configuration = [new("BALENA_HOST_CONFIG_gpu_mem", "16")],
    };

    private static readonly TargetRelease Release = new(
        2,
        "abf78a2617a810b1e36dfe971522b937",
        [
            new(1, "main", 3, "registry2.reference.test/v2/b9669b05add8d2c7f65cfbcc1de1590c@sha256:8c6d6a762dcbd6d214cbbbfd518143573c9f6ab1d0a7ff3bad34eb931b22e317")
            {
                ImageEnvironment = [new("IMG_VAR", "img")],
                ServiceEnvironment = [new("SVC_VAR", "svc")],
                ImageLabels = [new("io.balena.features.supervisor-api", "1")],
            },
            new(2, "sidecar", 4, "registry2.reference.test/v2/36e5c41ef050957cbd64fec6ed269989@sha256:140ebabe5e7e5f5b04966fff4986d42be69623ba27dfdafe77d07097dc363d0c"),
        ],
        Composition.Parse("""
            {"version":"2.4","volumes":{"data":{}},"networks":{},"services":{
                "main":{"build":{"context":"."},"restart":"always","volumes":["data:/data"],"privileged":true},
                "sidecar":{"image":"x","network_mode":"host"}}}
            """));

    private static readonly TargetInputs Recorded = new(new(Fleet, Release), PollIntervalMs: 600_000)
    {
        Device = new(Uuid, "sneaky-hill")
        {
            Environment = [new("DEV_VAR", "dev")],
            Configuration = [new("BALENA_HOST_CONFIG_gpu_mem", "32")],
            ServiceEnvironment = [new(1, "DSVC_VAR", "dsvc")],
        },
    };

    [Fact]
    public void A_devices_state_is_as_recorded() => AssertSame(Recording.BodyOf("state-get-v3", "ok, device api key (bearer)"), TargetDocument.V3(Recorded));

    [Fact]
    public void A_devices_old_state_is_as_recorded() => AssertSame(Recording.BodyOf("state-get-v2", "ok"), TargetDocument.V2(Recorded));

    [Fact]
    public void A_fleets_state_is_as_recorded() => AssertSame(Recording.BodyOf("fleet-state-v3", "ok, user JWT"), TargetDocument.V3(Recorded with { Device = null }));

    [Theory]
    [InlineData(0, "image")]
    [InlineData(1, "fleet")]
    [InlineData(2, "service")]
    [InlineData(3, "device")]
    [InlineData(4, "device and service")]
    public void The_narrower_variable_wins(int narrowest, string expected)
    {
        ImmutableArray<Variable> At(int layer, string value) => layer <= narrowest ? [new("X", value)] : [];
        var service = new TargetService(1, "main", 3, "i") { ImageEnvironment = At(0, "image"), ServiceEnvironment = At(2, "service") };
        var inputs = new TargetInputs(new(Fleet with { Environment = At(1, "fleet") }, Release with { Services = [service] }), 600_000)
        {
            Device = new(Uuid, "d") { Environment = At(3, "device"), ServiceEnvironment = narrowest >= 4 ? [new(1, "X", "device and service"), new(2, "X", "another service")] : [] },
        };
        Assert.Equal(expected, (string?)Services(inputs)["main"]!["environment"]!["X"]);
    }

    [Fact]
    public void A_devices_configuration_wins_over_its_fleets_and_every_name_of_the_poll_interval_has_the_effective_one()
    {
        var inputs = Recorded with
        {
            PollIntervalMs = 1_200_000,
            Device = Recorded.Device! with { Configuration = [new("BALENA_SUPERVISOR_POLL_INTERVAL", "5"), new("BALENA_HOST_CONFIG_gpu_mem", "64")] },
        };
        var config = Parse(TargetDocument.V3(inputs))[Uuid]!["config"]!;
        Assert.Equal("1200000", (string?)config["BALENA_SUPERVISOR_POLL_INTERVAL"]);
        Assert.Equal("1200000", (string?)config["RESIN_SUPERVISOR_POLL_INTERVAL"]);
        Assert.Equal("64", (string?)config["BALENA_HOST_CONFIG_gpu_mem"]);
    }

    [Fact]
    public void A_services_labels_win_over_its_images()
    {
        var service = new TargetService(1, "main", 3, "i") { ImageLabels = [new("a", "image"), new("b", "image")], ServiceLabels = [new("b", "service")] };
        var labels = Services(Recorded with { User = new(Fleet, Release with { Services = [service] }) })["main"]!["labels"]!;
        Assert.Equal(("image", "service"), ((string?)labels["a"], (string?)labels["b"]));
    }

    [Fact]
    public void A_fleet_without_a_release_is_an_app_without_releases()
    {
        var state = Parse(TargetDocument.V3(Recorded with { User = new(Fleet, null) }));
        Assert.False(state[Uuid]!["apps"]![Fleet.Uuid]!.AsObject().ContainsKey("releases"));
        Assert.Empty(Parse(TargetDocument.V2(Recorded with { User = new(Fleet, null) }))["local"]!["apps"]!["1"]!["services"]!.AsObject());
    }

    [Fact]
    public void Supervisor_and_host_come_beside_the_users_app_and_old_supervisors_know_the_host_by_its_label()
    {
        var supervisor = new TargetApp(8, "aa", "supervisor", "app", IsHost: false);
        var host = new TargetApp(9, "bb", "balena-os", "app", IsHost: true);
        var release = new TargetRelease(20, "c0ffee", [new(5, "hostapp", 6, "i")], Composition.Empty);
        var apps = Parse(TargetDocument.V3(Recorded with { Supervisor = new(supervisor, release), Host = new(host, release) }))[Uuid]!["apps"]!;
        Assert.True((bool)apps["bb"]!["is_host"]!);
        Assert.Equal("root", (string?)apps["bb"]!["releases"]!["c0ffee"]!["services"]!["hostapp"]!["labels"]!["io.balena.image.store"]);
        Assert.Empty(apps["aa"]!["releases"]!["c0ffee"]!["services"]!["hostapp"]!["labels"]!.AsObject());
        Assert.Equal(1, (int)apps[Fleet.Uuid]!["id"]!);
    }

    [Fact]
    public void A_contract_is_sent_and_a_build_is_not()
    {
        var service = Release.Services[0] with { Contract = """{"type":"sw.container","slug":"main"}""" };
        var main = Services(Recorded with { User = new(Fleet, Release with { Services = [service] }) })["main"]!;
        Assert.Equal("sw.container", (string?)main["contract"]!["type"]);
        Assert.False(main["composition"]!.AsObject().ContainsKey("build"));
    }

    [Fact]
    public void A_release_tells_of_networks_and_volumes_only_what_its_composition_does()
    {
        // A broken composition is an empty one.
        foreach (var text in new[] { null, "", "{", "[]", "7", """{"services":[]}""" })
            Assert.Equal(["id", "services"], ReleaseOf(text).Select(p => p.Key));
        Assert.Equal(["id", "services", "networks"], ReleaseOf("""{"networks":{}}""").Select(p => p.Key));
        Assert.Equal(["id", "services", "volumes"], ReleaseOf("""{"volumes":{"data":{}}}""").Select(p => p.Key));

        JsonObject ReleaseOf(string? composition) =>
            Parse(TargetDocument.V3(Recorded with { User = new(Fleet, Release with { Composition = Composition.Parse(composition) }) }))[Uuid]!["apps"]![Fleet.Uuid]!["releases"]![Release.Commit]!.AsObject();
    }

    [Fact]
    public void The_order_in_which_variables_were_read_does_not_change_the_version() =>
        Gen.Select(Gen.String[Gen.Char['A', 'Z'], 1, 3], Gen.String).Select((n, v) => new Variable(n, v.Replace('\0', ' '))).Array[0, 8].Sample(variables =>
        {
            var distinct = variables.DistinctBy(v => v.Name).ToImmutableArray();
            TargetInputs With(ImmutableArray<Variable> environment) => Recorded with { Device = Recorded.Device! with { Environment = environment } };
            return TargetDocument.Version(TargetDocument.V3(With(distinct)).Span) == TargetDocument.Version(TargetDocument.V3(With([.. distinct.Reverse()])).Span);
        });

    [Fact]
    public void Another_document_has_another_version() =>
        Assert.NotEqual(TargetDocument.Version(TargetDocument.V3(Recorded).Span), TargetDocument.Version(TargetDocument.V3(Recorded with { PollIntervalMs = 600_001 }).Span));

    private static JsonObject Services(TargetInputs inputs) => Parse(TargetDocument.V3(inputs))[Uuid]!["apps"]![Fleet.Uuid]!["releases"]![Release.Commit]!["services"]!.AsObject();

    private static JsonNode Parse(ReadOnlyMemory<byte> document) => JsonNode.Parse(document.Span)!;

    private static void AssertSame(JsonNode expected, ReadOnlyMemory<byte> document)
    {
        var actual = Parse(document);
        Assert.True(JsonNode.DeepEquals(expected, actual), $"expected {expected.ToJsonString()}\n but was {actual.ToJsonString()}");
    }
}
