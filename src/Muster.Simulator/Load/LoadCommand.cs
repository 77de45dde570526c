using System.CommandLine;
using Muster.Simulator.Fleet;

namespace Muster.Simulator.Load;

/// <summary><c>muster simulate load polls|reports|tunnels</c>: figures, with devices made by <c>muster seed</c>.</summary>
public static class LoadCommand
{
    public static Command Create()
    {
        var kind = new Argument<LoadKind>("kind") { Description = "polls (answered 304), reports (each one stored) or tunnels (WebSocket, one for each device, held open)." };
        var server = new Option<string>("--server") { Description = "The server's address, http only.", DefaultValueFactory = _ => "http://127.0.0.1:8080" };
        var seed = new Option<string>("--seed") { Description = "The seed of muster seed.", DefaultValueFactory = _ => "1" };
        var first = new Option<int>("--first") { Description = "Number of the first device." };
        var devices = new Option<int>("--devices") { Description = "How many of the seeded devices take part.", DefaultValueFactory = _ => 1000 };
        var connections = new Option<int>("--connections") { Description = "Connections, with one request under way on each.", DefaultValueFactory = _ => 64 };
        var duration = new Option<double>("--duration") { Description = "Seconds.", DefaultValueFactory = _ => 10 };
        var process = new Option<int?>("--server-pid") { Description = "Process id of the server, to print its CPU per request." };
        var command = new Command("load", "Polls or reports as fast as the server answers, or tunnels held open.") { kind, server, seed, first, devices, connections, duration, process };
        command.SetAction(async (parse, stop) =>
        {
            var options = new LoadOptions(
                parse.GetValue(kind), ServerClient.Address(parse.GetValue(server)!), parse.GetValue(seed)!, parse.GetValue(first), parse.GetValue(devices),
                parse.GetValue(connections), TimeSpan.FromSeconds(parse.GetValue(duration)), parse.GetValue(process));
            try
            {
                if (options.Kind == LoadKind.Tunnels)
                    return await new TunnelLoad(options, TimeProvider.System).RunAsync(Console.Out, stop) == 0 ? 0 : 1;
                var result = await new LoadRun(options, TimeProvider.System).RunAsync(Console.Out, stop);
                Console.WriteLine(result.ToText());
                return result.WrongAnswers + result.BrokenConnections == 0 ? 0 : 1;
            }
            catch (Exception e) when (e is IOException or ArgumentException)
            {
                await Console.Error.WriteLineAsync($"muster: {e.Message}");
                return 2;
            }
        });
        return command;
    }
}
