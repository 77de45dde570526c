using System.CommandLine;

namespace Muster.Server;

/// <summary>The command line: <c>muster serve | simulate | migrate | user | key | version</c>.</summary>
internal static class MusterCommands
{
    public static RootCommand Root()
    {
        var root = new RootCommand("Muster tells the truth about a fleet of Linux devices.") { TreatUnmatchedTokensAsErrors = true };
        var serve = new Command("serve", "Runs the server.") { TreatUnmatchedTokensAsErrors = false };
        serve.SetAction(async (parse, cancellation) =>
        {
            await using var app = ServerHost.Build([.. parse.UnmatchedTokens]);
            await app.RunAsync(cancellation);
            return 0;
        });
        root.Subcommands.Add(serve);
        return root;
    }
}
