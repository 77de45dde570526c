using System.CommandLine;
using System.Security.Cryptography;
using Muster.Core.Access;
using Muster.Server.Hosting;
using Muster.Server.Resources;
using Muster.Server.Resources.Accounts;
using Muster.Storage;
using Muster.Storage.Migrations;

namespace Muster.Server;

/// <summary><c>muster user</c> and <c>muster key</c>: accounts and keys without a running server, or beside it.</summary>
internal static class AccountCommands
{
    public static Command User()
    {
        var user = new Command("user", "Accounts of people.");
        user.Subcommands.Add(Add());
        user.Subcommands.Add(Password());
        user.Subcommands.Add(List());
        user.Subcommands.Add(Remove());
        return user;
    }

    public static Command Key()
    {
        var key = new Command("key", "Keys of services.");
        key.Subcommands.Add(AddKey());
        return key;
    }

    private static Command Add()
    {
        var email = new Argument<string>("EMAIL");
        var username = new Option<string>("--username") { Description = "Default: the part of the address before the @" };
        var password = PasswordOption();
        var admin = new Option<bool>("--admin") { Description = "Sees and does everything on this server" };
        var organization = new Option<string>("--organization") { Description = "Handle of the organization to join; made when missing" };
        var role = new Option<string>("--role") { Description = "Role there: observer, operator, developer, administrator", DefaultValueFactory = _ => Role.Developer.Word() };
        return Command(new Command("add", "Adds an account and prints its password when it was generated.") { email, username, password, admin, organization, role }, async (parse, people) =>
        {
            var address = parse.GetValue(email)!;
            var handle = parse.GetValue(organization);
            var joined = RoleWords.Parse(parse.GetValue(role)) ?? throw new SettingException($"'{parse.GetValue(role)}' is no role.");
            if (await people.FindAsync(address) is not null)
                throw new SettingException($"There is an account {address} already.");
            var (secret, isGenerated) = PasswordOf(parse.GetValue(password));
            await people.CreateUserAsync(address, secret, parse.GetValue(username), parse.GetValue(admin));
            if (handle is not null)
                await people.JoinAsync(address, handle, joined);
            Console.WriteLine(isGenerated ? $"{address} was added with password {secret}" : $"{address} was added");
        });
    }

    private static Command Password()
    {
        var user = new Argument<string>("USER") { Description = "E-mail address or user name" };
        var password = PasswordOption();
        return Command(new Command("password", "Sets a password and ends every session of the account.") { user, password }, async (parse, people) =>
        {
            var (secret, isGenerated) = PasswordOf(parse.GetValue(password));
            if (!await people.SetPasswordAsync(parse.GetValue(user)!, secret))
                throw new SettingException($"There is no account {parse.GetValue(user)}.");
            Console.WriteLine(isGenerated ? $"The new password is {secret}" : "The password was set");
        });
    }

    private static Command List() =>
        Command(new Command("list", "Lists the accounts."), async (_, people) =>
        {
            foreach (var (username, email, isServerAdmin) in await people.ListAsync())
                Console.WriteLine($"{username}\t{email}{(isServerAdmin ? "\tadmin" : "")}");
        });

    private static Command Remove()
    {
        var user = new Argument<string>("USER") { Description = "E-mail address or user name" };
        return Command(new Command("remove", "Deletes an account with its memberships, keys and sessions; whatever is open with them ends.") { user }, async (parse, people) =>
        {
            if (!await people.RemoveAsync(parse.GetValue(user)!))
                throw new SettingException($"There is no account {parse.GetValue(user)}.");
            Console.WriteLine($"{parse.GetValue(user)} was removed");
        });
    }

    private static Command AddKey()
    {
        var name = new Argument<string>("NAME") { Description = "What the key is for" };
        var key = new Option<string>("--key") { Description = "A key of your own choice, at least 16 characters. Default: generated" };
        return Command(new Command("add", "Adds a key for a tunnel server (/services/vpn) and prints it; it is shown only now.") { name, key }, async (parse, people) =>
            Console.WriteLine(await people.CreateServiceKeyAsync(parse.GetValue(name)!, parse.GetValue(key))));
    }

    private static Option<string> PasswordOption() => new("--password") { Description = "'-' reads it from standard input. Default: generated" };

    private static (string Password, bool IsGenerated) PasswordOf(string? given) => given switch
    {
        null => (RandomNumberGenerator.GetString("abcdefghjkmnpqrstuvwxyz23456789", 16), true),
        "-" => (Console.In.ReadLine() ?? "", false),
        _ => (given, false),
    };

    private static Command Command(Command command, Func<ParseResult, People, Task> run)
    {
        var settings = new SettingOptions(SettingOptions.Storage);
        settings.AddTo(command);
        command.SetAction((parse, _) => MusterCommands.SayFailureAsync(async () =>
        {
            await using var database = ServerHost.OpenDatabase(settings.Configuration(parse));
            await database.ProbeAsync();
            Migrator.Migrate(database);
            // A running server notices changes of another process when its cached callers run out.
            var time = TimeProvider.System;
            var sessions = new Sessions(database, new SessionTokens(database, time), time);
            var people = new People(database, new ApiKeys(time), new Callers(database, sessions, new(time), time), sessions, time);
            try
            {
                await run(parse, people);
            }
            catch (ArgumentException e)
            {
                throw new SettingException(e.Message, e);
            }
        }));
        return command;
    }
}
