using System.CommandLine;
using Muster.Server;

// A password may begin with "@": no response files. The host ends itself well within the time given to a signal.
return await MusterCommands.Root()
    .Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null })
    .InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) });
