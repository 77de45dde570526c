using Muster.Bench;

switch (args)
{
    case ["queries", ..]:
        await QueryPages.RunAsync(args);
        return 0;
    default:
        Console.Error.WriteLine("scenarios: queries --devices N [--database \"Host=…\"] [--explain]");
        return 1;
}
