using Muster.Bench;
using Muster.Bench.Presence;

switch (args)
{
    case ["queries", ..]:
        await QueryPages.RunAsync(args);
        return 0;
    case ["presence", ..]:
        await PresenceLoad.RunAsync(args);
        return 0;
    case ["pages", ..]:
        await DevicePages.RunAsync(args);
        return 0;
    case ["browse", ..]:
        await DevicePages.BrowseAsync(args);
        return 0;
    case ["parse"]:
        ReportParsing.Run();
        return 0;
    default:
        Console.Error.WriteLine("scenarios: queries --devices N [--database \"Host=…\"] [--explain]\n  presence --devices N [--seconds S] [--clients C] [--database \"Host=…\"] [--directory DIR]\n  pages --data DIR [--devices N] [--pages P]\n  parse");
        return 1;
}
