using System.Text.Json.Nodes;
using Muster.Core.Access;

namespace Muster.Server.Resources.Accounts;

/// <summary>The server's administrator makes people members of an organization without an invite.</summary>
internal sealed class Members(People people, ResourceAccess resources)
{
    /// <exception cref="ResourceRefusedException">There is no such account, it is a member already, or the caller is not the server's administrator.</exception>
    public async Task AddAsync(Caller caller, long organization, string emailOrUsername, Role role)
    {
        if (!caller.IsServerAdmin)
            throw new ResourceRefusedException("Only the server's administrator adds members directly. Invite them.");
        if (await people.FindAsync(emailOrUsername) is not { } account)
            throw new ResourceRefusedException($"There is no account {emailOrUsername}. Whoever runs this server adds one with “muster user add”.");
        try
        {
            await resources.CreateAsync(caller, "organization_membership", new JsonObject
            {
                ["is_member_of__organization"] = organization,
                ["user"] = account.Id,
                ["muster_role"] = role.Word(),
            });
        }
        catch (ResourceRefusedException e) when (e.Message.Contains("unique", StringComparison.Ordinal))
        {
            throw new ResourceRefusedException($"{account.Username} is a member already.");
        }
    }
}
