using System.Net;
using Muster.Core.Access;
using Muster.Tests.Resources;

namespace Muster.Tests.Dashboard;

/// <summary>Addresses that people mistype, keep for too long, or take from the balena CLI.</summary>
public sealed class MissingPagesTests
{
    [Fact]
    public async Task A_wrong_address_answers_404_with_a_page_for_people_and_without_one_for_programs()
    {
        await using var server = await StartedServer.StartAsync();
        using var browser = await SignedInBrowser.OpenAsync(server.Address);
        using var stranger = SignedInBrowser.Anonymous(server.Address);
        foreach (var address in (string[])["/nowhere", "/fleets/a/b/c/d", "/device", "/devices/a/b", "/Fleet/1"])
        {
            foreach (var visitor in (SignedInBrowser[])[browser, stranger])
            {
                var page = await visitor.GetAsync(address);
                Assert.Equal(HttpStatusCode.NotFound, page.Status);
                if (address != "/device")
                    Assert.Contains("There is no such page", page.Text, StringComparison.Ordinal);
            }

            Assert.Contains("Audit", (await browser.GetAsync("/nowhere")).Text, StringComparison.Ordinal);
        }

        foreach (var (method, address) in ((string, string)[])[("GET", "/v9/device"), ("GET", "/device/v3/nowhere"), ("GET", "/nowhere"), ("GET", "/nowhere.js")])
        {
            var answer = await server.SendAsync(method, address, null, null, ("Accept", "application/json"));
            Assert.Equal(404, answer.Status);
            Assert.Equal("", answer.Text);
        }
    }

    [Fact]
    public async Task What_is_not_there_or_not_ones_own_answers_404_and_says_where_to_look()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        await server.Server.People.CreateUserAsync("olga@muster.test", "observant horse 7");
        using var browser = await SignedInBrowser.OpenAsync(server.Server.Address, "olga@muster.test", "observant horse 7");
        foreach (var address in (string[])["/devices/0000000", $"/devices/{device.Uuid}", $"/devices/{device.Uuid}/summary", "/fleets/no/fleet", "/fleets/no/fleet/add-device", "/organizations/nobody", $"/apps/{server.Fleet.Id}"])
        {
            var page = await browser.GetAsync(address);
            Assert.Equal((address, HttpStatusCode.NotFound), (address, page.Status));
            Assert.Contains("<h1 class=\"h3\">There is no", page.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Fleets_have_an_address_of_their_own_and_links_of_the_CLI_lead_to_the_pages()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        using var browser = await SignedInBrowser.OpenAsync(server.Server.Address);
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/fleets")).Status);
        var summary = await browser.GetAsync($"/devices/{device.Uuid}/summary");
        Assert.Equal(HttpStatusCode.OK, summary.Status);
        Assert.Contains(device.Uuid, summary.Text, StringComparison.Ordinal);

        var slug = (string)(await server.Fixture.ReadAsync("SELECT slug FROM fleet WHERE id = @p0", server.Fleet.Id))!;
        foreach (var address in (string[])[$"/apps/{server.Fleet.Id}", $"/apps/{server.Fleet.Id}/summary", $"/fleets/{server.Fleet.Id}"])
        {
            var moved = await browser.GetAsync(address);
            Assert.Equal(HttpStatusCode.Redirect, moved.Status);
            Assert.EndsWith($"/fleets/{slug}", moved.Location!.ToString(), StringComparison.Ordinal);
        }

        Assert.Contains($"/devices?fleet=", (await browser.GetAsync($"/apps/{server.Fleet.Id}/devices")).Location!.ToString(), StringComparison.Ordinal);
    }
}
