using System.Diagnostics;
using System.Reflection;
using Muster.Core.Status;
using Muster.Protocol;
using Muster.Server;
using Muster.Storage;

namespace Muster.Tests.Architecture;

/// <summary>Time is passed in, as an argument or as a <see cref="TimeProvider"/>: else no test could step it.</summary>
public sealed class ClocksTests
{
    /// <summary>The one place that takes the machine's clock for the whole server, and commands that run without it.</summary>
    private static readonly string[] MayTakeTheSystemClock = ["ServerHost", "AccountCommands", "DeviceConfigCommand", "SeedCommand"];

    public static TheoryData<string> Assemblies =>
        [.. new[] { typeof(DeviceFacts), typeof(RegisterRequest), typeof(Database), typeof(ServerHost) }.Select(type => type.Assembly.GetName().Name!)];

    [Theory, MemberData(nameof(Assemblies))]
    public void Nobody_reads_or_waits_on_the_clock_of_the_machine(string assembly)
    {
        var slips =
            from use in CompiledCode.UsesIn(Assembly.Load(assembly))
            where IsClockOfTheMachine(use.Used) && !MayTakeTheSystemClock.Contains(use.User.Name)
            select $"{use.User.FullName} uses {use.Used.DeclaringType?.Name}.{use.Used.Name}";
        Assert.Empty(slips.Distinct().Order());
    }

    private static bool IsClockOfTheMachine(MemberInfo member) => member switch
    {
        MethodBase { Name: "get_Now" or "get_UtcNow" or "get_Today", DeclaringType: var type } => type == typeof(DateTime) || type == typeof(DateTimeOffset),
        MethodBase { Name: "get_TickCount" or "get_TickCount64", DeclaringType: var type } => type == typeof(Environment),
        MethodBase { Name: "get_System", DeclaringType: var type } => type == typeof(TimeProvider),
        MethodBase { DeclaringType: var type } when type == typeof(Stopwatch) || type == typeof(Timer) => true,
        MethodBase { Name: "Delay", DeclaringType: var type } method when type == typeof(Task) => !TakesTimeProvider(method),
        ConstructorInfo { DeclaringType: var type } constructor when type == typeof(PeriodicTimer) => !TakesTimeProvider(constructor),
        ConstructorInfo { DeclaringType: var type } constructor when type == typeof(CancellationTokenSource) => constructor.GetParameters().Length == 1,
        _ => false,
    };

    private static bool TakesTimeProvider(MethodBase method) => method.GetParameters().Any(parameter => parameter.ParameterType == typeof(TimeProvider));
}
