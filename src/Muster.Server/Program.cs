using Muster.Server;

return await MusterCommands.Root().Parse(args).InvokeAsync();
