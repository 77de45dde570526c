using System.Text.Json.Nodes;

namespace Muster.Tests.Resources.Accounts;

/// <summary>A person's SSH keys, as <c>balena ssh-key add</c> sends them.</summary>
public sealed class PublicKeyTests
{
    private const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    [Theory]
    [InlineData(Key)]
    [InlineData(Key + " someone@laptop")]
    [InlineData("  " + Key + " with a comment of words\n")]
    public async Task A_key_is_kept_as_one_line(string text)
    {
        await using var world = await World.StartAsync();
        var made = await AddAsync(world, text);
        Assert.Equal((201, text.Trim()), (made.Status, (string?)made.Json["public_key"]));
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("ssh-ed25519")]
    [InlineData("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl")]
    [InlineData("ssh-ed25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("command=\"reboot\" " + Key)]
    [InlineData(Key + "\n" + Key)]
    [InlineData("-----BEGIN OPENSSH PRIVATE KEY-----")]
    public async Task What_is_no_public_key_is_refused_with_a_sentence(string text)
    {
        await using var world = await World.StartAsync();
        var refused = await AddAsync(world, text);
        Assert.Equal((400, "public_key is no SSH public key: it is one line, such as 'ssh-ed25519 AAAA… you@laptop'."), (refused.Status, refused.Sentence));
    }

    private static async Task<Answer> AddAsync(World world, string text) => await world.PostAsync(
        "/v7/user__has__public_key",
        new JsonObject { ["user"] = (long)(await world.GetAsync("/user/v1/whoami")).Json["id"]!, ["title"] = "laptop", ["public_key"] = text });
}
