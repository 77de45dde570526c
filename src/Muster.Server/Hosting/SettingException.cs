namespace Muster.Server.Hosting;

/// <summary>A setting that Muster cannot start with. The message is one sentence for the operator.</summary>
internal sealed class SettingException(string message, Exception? inner = null) : Exception(message, inner);
