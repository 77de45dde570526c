using System.CommandLine;
using System.Globalization;
using Muster.Server.Hosting;
using Muster.Server.Resources;
using Muster.Server.Resources.Accounts;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;

namespace Muster.Server;

/// <summary><c>muster seed</c>: many registered devices at once, for figures and load.</summary>
internal static class SeedCommand
{
    public static Command Create()
    {
        var devices = new Option<int>("--devices") { Description = "How many devices there shall be.", Required = true };
        var fleet = new Option<string>("--fleet") { Description = "organization/fleet; made when missing.", DefaultValueFactory = _ => "load/load" };
        var fleets = new Option<int>("--fleets") { Description = "Spread over this many fleets: the one named, then NAME-2, NAME-3, …", DefaultValueFactory = _ => 1 };
        var seed = new Option<string>("--seed") { Description = "Uuids and keys follow from it; muster simulate load takes the same.", DefaultValueFactory = _ => "1" };
        var lived = new Option<bool>("--lived") { Description = "As if each had polled just now and ran its release; otherwise never seen." };
        var settings = new SettingOptions(SettingOptions.Storage);
        var command = settings.AddTo(new Command("seed", "Adds many registered devices quickly, for load tests. Not beside a running server.") { devices, fleet, fleets, seed, lived });
        command.SetAction((parse, _) => MusterCommands.SayFailureAsync(async () =>
        {
            var configuration = settings.Configuration(parse);
            var data = DataDirectory.Of(configuration);
            using var held = data.Hold();
            await using var database = ServerHost.OpenDatabase(configuration);
            await database.ProbeAsync();
            var time = TimeProvider.System;
            await using var hold = database is PostgresDatabase postgres ? await PostgresHold.TakeAsync(postgres, time) : null;
            Migrator.Migrate(database);
            var sessions = new Sessions(database, new SessionTokens(database, time), time);
            var people = new People(database, new ApiKeys(time), new Callers(database, sessions, new(time), time), sessions, time);
            await new FirstStart(database, people, time, configuration, data).RunAsync();
            try
            {
                var started = time.GetTimestamp();
                var added = await new Seeding(database, time).RunAsync(
                    new(parse.GetValue(fleet)!, parse.GetValue(fleets), parse.GetValue(devices), parse.GetValue(seed)!, parse.GetValue(lived)),
                    there => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{there:N0} devices")));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{added:N0} devices added in {time.GetElapsedTime(started).TotalSeconds:0.0} s."));
            }
            catch (ArgumentException e)
            {
                throw new SettingException(e.Message, e);
            }
        }));
        return command;
    }
}
