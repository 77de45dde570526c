namespace Muster.EndToEnd.Tests;

internal static class Placeholder;
