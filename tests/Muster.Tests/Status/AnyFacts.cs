using System.Collections.Immutable;
using CsCheck;
using Muster.Core.Status;

namespace Muster.Tests.Status;

/// <summary>Generators of facts for property tests: every value that matters to the rule, and a few that don't.</summary>
internal static class AnyFacts
{
    public static readonly Gen<int?> Percent = Gen.OneOf(Gen.Const((int?)null), Gen.Int[0, 100].Select(i => (int?)i));

    public static readonly Gen<ImmutableArray<ServiceInstall>> Installs = Gen.Select(
        Gen.Long[1, 5], Gen.Long[1, 2], Gen.OneOf("Downloading", "Downloaded", "Running", "Stopping", "exited", "deleted"), Percent)
        .Select((image, release, status, progress) => new ServiceInstall(image, release, status, progress))
        .Array[0, 4].Select(installs => installs.DistinctBy(i => i.ImageId).ToImmutableArray());

    public static readonly Gen<HeartbeatState> Heartbeat = Gen.OneOf(HeartbeatState.Unknown, HeartbeatState.Online, HeartbeatState.Timeout, HeartbeatState.Offline);

    public static readonly Gen<DeviceFacts> All =
        from flags in Gen.Select(Gen.Bool, Gen.Bool, Gen.Bool)
        from links in Gen.Select(Heartbeat, Gen.Bool, Gen.Bool, Gen.Bool)
        from words in Gen.Select(Gen.OneOf<string?>(null, "Idle", "Downloading", "configuring", ""), Gen.OneOf<string?>(null, "", "Post-Provisioning", "Configuring"))
        from progress in Gen.Select(Percent, Percent)
        from installs in Installs
        select new DeviceFacts
        {
            // Frozen implies active: who computes allowance counts active devices only.
            IsActive = flags.Item1 || flags.Item2,
            IsFrozen = flags.Item2,
            EverSeen = flags.Item3,
            Heartbeat = links.Item1,
            CloudlinkConnected = links.Item2,
            CloudlinkExpected = links.Item3,
            EverOnCloudlink = links.Item4 || links.Item2,
            ReportedStatus = words.Item1,
            ProvisioningState = words.Item2,
            ProvisioningProgress = progress.Item1,
            DownloadProgress = progress.Item2,
            TargetReleaseId = 2,
            Installs = installs,
        };
}
