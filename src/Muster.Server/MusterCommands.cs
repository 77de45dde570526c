using System.CommandLine;
using System.Reflection;
using Muster.Server.Cloudlink.Ssh;
using Muster.Server.Hosting;
using Muster.Simulator;
using Muster.Storage;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;

namespace Muster.Server;

/// <summary>The command line: <c>muster serve | simulate | seed | migrate | user | key | device-config | version</c>.</summary>
internal static class MusterCommands
{
    public static RootCommand Root()
    {
        var root = new RootCommand("Muster tells the truth about a fleet of Linux devices.");
        root.Subcommands.Add(Serve());
        root.Subcommands.Add(Migrate());
        root.Subcommands.Add(AccountCommands.User());
        root.Subcommands.Add(AccountCommands.Key());
        root.Subcommands.Add(DeviceConfigCommand.Create());
        root.Subcommands.Add(SimulateCommand.Create());
        root.Subcommands.Add(SeedCommand.Create());
        root.Subcommands.Add(SshEnterCommand.Create());
        root.Subcommands.Add(Version());
        return root;
    }

    private static Command Serve()
    {
        var settings = new SettingOptions(SettingOptions.Serve);
        var command = settings.AddTo(new Command("serve", "Runs the server. Any other setting may follow as --Section:Key VALUE."));
        command.SetAction((parse, cancellation) => SayFailureAsync(async () =>
        {
            await using var app = ServerHost.Build(settings.Arguments(parse));
            await app.StartAsync(cancellation);
            Announcement.Print(app, Console.Out);
            await app.WaitForShutdownAsync(cancellation);
            if (app.Services.GetRequiredService<DatabaseHold>().TakenOver is { } why)
                throw new SettingException(why);
        }));
        return command;
    }

    private static Command Migrate()
    {
        var settings = new SettingOptions(SettingOptions.Storage);
        var command = settings.AddTo(new Command("migrate", "Brings the database to the newest schema and stops."));
        command.SetAction((parse, _) => SayFailureAsync(async () =>
        {
            await using var database = ServerHost.OpenDatabase(settings.Configuration(parse));
            await database.ProbeAsync();
            Migrator.Migrate(database);
            Console.WriteLine("The database has the newest schema.");
        }));
        return command;
    }

    private static Command Version()
    {
        var command = new Command("version", "Prints the version.");
        command.SetAction(_ => Console.WriteLine(
            typeof(MusterCommands).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion));
        return command;
    }

    /// <summary>Runs a command; what an operator can mend is said in one line, with exit code 1.</summary>
    public static async Task<int> SayFailureAsync(Func<Task> run)
    {
        try
        {
            await run();
            return 0;
        }
        catch (Exception e) when (e is DatabaseAwayException or DatabaseHeldException or IOException or UnauthorizedAccessException or SettingException)
        {
            await Console.Error.WriteLineAsync($"muster: {e.Message}");
            return 1;
        }
    }
}
