using static Muster.Storage.Resources.Describe;

namespace Muster.Storage.Resources;

/// <summary>Organizations, accounts and keys.</summary>
internal static class PeopleResources
{
    public static IEnumerable<Resource> All()
    {
        yield return new Resource("organization", "organization", new(Anchor.Organization))
        {
            Fields = Row(
                Text("name").Writable().Required().UpTo(255, 1).Named(),
                Text("handle").Writable().UpTo(30, 1).Named(),
                Text("muster_plan", "plan").OnRequest().Writable(),
                Number("muster_device_allowance", "device_allowance").Nullable().OnRequest().Writable()),
            Keys = [Key("handle")],
        };
        yield return new Resource("organization_membership", "organization_membership", new(Anchor.Membership))
        {
            Fields = Row(
                Reference("is_member_of__organization", "organization_id", "organization").AtFirst().Required(),
                Reference("user", "account_id", "user").AtFirst().Required(),
                MembershipRole("organization_membership_role").OnRequest() with { Write = FieldWrite.Always },
                Text("muster_role", "role").Writable().OnRequest()),
            Keys = [Key(("is_member_of__organization", "organization_id"), ("user", "account_id"))],
        };
        yield return Invite("organization", "organization_id");
        yield return Invite("application", "fleet_id");
        yield return new Resource("invitee", "invite", new(Anchor.Invite)) { Fields = Row(Text("email", "invitee")) };
        foreach (var roles in (string[])["organization_membership_role", "application_membership_role"])
            yield return new Resource(roles, "membership_role", new(Anchor.Everyone)) { Fields = Row(Text("name")), Keys = [Key("name")] };
        yield return new Resource("user", "account", new(Anchor.Account))
        {
            Fields = Row(Reference("actor", "actor_id", "actor", "is_of__user"), Text("username")),
            Keys = [Key("username")],
        };
        // Keys are kept hashed: "key" is there only for clients that select it, and always null.
        yield return new Resource("api_key", "api_key", new(Anchor.ActorKey) { NotForDevices = true })
        {
            Fields = Row(
                Computed("key", FieldType.Text, "CAST(NULL AS TEXT)").OnRequest(),
                Reference("is_of__actor", "actor_id", "actor", "api_key"),
                Text("name").Nullable().Writable().UpTo(255).Named(),
                Text("description").Nullable().Writable().UpTo(255),
                Instant("expiry_date").Nullable().Writable()),
        };
        // Whom a key speaks for: the way from keys to their person, fleet or device.
        yield return new Resource("actor", "actor", new(Anchor.Actor)) { Fields = [Id] };
        yield return new Resource("user__has__public_key", "public_key", new(Anchor.OwnAccount))
        {
            Fields = Row(
                Reference("user", "account_id", "user").AtFirst().Required(),
                Text("title").Writable().Required().UpTo(255, 1).Named(),
                Text("public_key").Writable().Required().UpTo(16384, 1)),
        };
    }

    /// <summary>Invites to organizations or to fleets. The secret of one is shown once, in the answer that made it.</summary>
    private static Resource Invite(string target, string column) =>
        new($"invitee__is_invited_to__{target}", "invite", new(Anchor.Invite))
        {
            Fields = Row(
                new Field("invitee", FieldType.Reference, "{t}.id") { Target = "invitee" },
                Reference($"is_invited_to__{target}", column, target).AtFirst().Required(),
                MembershipRole($"{target}_membership_role") with { Write = FieldWrite.Create },
                Text("message").Nullable().AtFirst().UpTo(1000),
                Reference("is_created_by__user", "created_by_account_id", "user", $"creates__invitee__is_invited_to__{target}"),
                Text("muster_role", "role").AtFirst(),
                Instant("muster_expires_at", "expires_at")),
        };

    /// <summary>A role kept as its word, by the id that clients know it by.</summary>
    private static Field MembershipRole(string name) =>
        new(name, FieldType.Reference, "CASE {t}.role WHEN 'observer' THEN 1 WHEN 'operator' THEN 2 WHEN 'developer' THEN 3 ELSE 4 END") { Target = name };
}
