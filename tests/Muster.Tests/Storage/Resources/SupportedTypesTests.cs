namespace Muster.Tests.Storage.Resources;

/// <summary>Each device type is supported in the way in which clients ask for it, and no fleet or release is made up for that.</summary>
public sealed class SupportedTypesTests
{
    private const string Supported =
        "is_default_for__application/any(idfa:idfa/is_host eq true and idfa/is_archived eq false and idfa/owns__release/any(r:r/status eq 'success' and r/is_final eq true and r/is_invalidated eq false))";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Whoever_asks_finds_every_type_supported(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        foreach (var scope in Zoo.Scopes)
        {
            Assert.Equal("[{'slug':'pi'},{'slug':'nuc'}]", await database.AskTextAsync($"/v7/device_type?$select=slug&$filter={Supported}", scope));
            Assert.Equal(0, await database.CountAsync($"/v7/device_type/$count?$filter=not({Supported})", scope));
        }
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_host_of_a_type_is_asked_for_like_any_fleet(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        foreach (var (filter, types) in new[]
        {
            ("any(a:a/is_host eq true and a/slug eq 'balena_os/nuc')", "[2]"),
            ("any(a:a/is_host eq true and a/is_for__device_type/any(t:t/slug eq 'pi'))", "[1]"),
            ("any(a:a/is_host eq true and a/is_archived eq true)", "[]"),
            ("any(a:a/is_host eq true and a/owns__release/any(r:r/belongs_to__application/slug eq 'balena_os/pi'))", "[1]"),
            ("any(a:a/is_host eq true and a/owns__release/any(r:r/is_final eq true and r/raw_version eq '0.0.0'))", "[1,2]"),
            ("any(a:a/is_host eq true and a/owns__release/any(r:r/semver_major gt 0))", "[]"),
            ("any(a:a/is_host eq true and a/owns__release/any(r:r/release_image/any()))", "[]"),
            ("any(a:a/is_host eq true and a/owns__device/any())", "[]"),
            ("any(a:a/is_host eq true and a/organization/any())", "[]"),
            ("any(a:a/is_host eq false)", "[1,2]"),
            ("all(a:a/is_host eq true)", "[]"),
        })
        {
            var found = await database.IdsAsync($"/v7/device_type?$filter=is_default_for__application/{filter}");
            Assert.True(types == $"[{string.Join(',', found)}]", $"{filter}: {string.Join(',', found)}");
        }
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task No_host_fleet_release_or_version_is_ever_shown_or_counted(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        foreach (var scope in Zoo.Scopes)
        {
            // What the SDK's lists of OS versions ask for.
            Assert.Equal("[]", await database.AskTextAsync("/v7/application?$select=is_for__device_type&$expand=owns__release($select=raw_version)&$filter=is_host eq true and is_for__device_type/any(dt:dt/slug in ('pi'))", scope));
            Assert.Equal("[]", await database.AskTextAsync("/v7/release?$select=id&$filter=belongs_to__application/any(a:a/is_host eq true)", scope));
            Assert.Equal("[]", await database.AskTextAsync("/v7/release?$select=id&$filter=id lt 0", scope));
            Assert.Equal("[{'id':1,'is_default_for__application':[]},{'id':2,'is_default_for__application':[]}]",
                await database.AskTextAsync("/v7/device_type?$select=id&$expand=is_default_for__application($select=id;$filter=is_host eq true)", scope));
            Assert.Equal(0, await database.CountAsync("/v7/device_type/$count?$filter=is_default_for__application/$count($filter=is_host eq true) gt 0", scope));
        }
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Questions_that_are_not_about_hosts_are_answered_from_fleets_alone(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        Assert.Equal([1L], await database.IdsAsync("/v7/device_type?$filter=is_default_for__application/any(a:a/is_directly_accessible_by__user/any(u:1 eq 1))", Zoo.Anna));
        Assert.Empty(await database.IdsAsync("/v7/device_type?$filter=is_default_for__application/any(a:startswith(a/slug,'balena_os/'))"));
        Assert.Empty(await database.IdsAsync("/v7/device_type?$filter=is_default_for__application/any(a:a/id lt 1)"));
    }
}
