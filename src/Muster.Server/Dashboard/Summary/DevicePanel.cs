using Microsoft.AspNetCore.Components;
using Muster.Core.Access;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Dashboard.Summary;

/// <summary>A part of the page that may change something of the device.</summary>
public abstract class DevicePanel : ComponentBase
{
    [Parameter, EditorRequired] public DeviceDetails Device { get; set; } = null!;

    [Parameter, EditorRequired] public DeviceRights Rights { get; set; } = null!;

    /// <summary>Told after a change, so that the page reads the device anew.</summary>
    [Parameter] public EventCallback Changed { get; set; }

    [Inject] private protected ResourceAccess Resources { get; set; } = null!;

    [Inject] private protected Visitor Visitor { get; set; } = null!;

    /// <summary>Why the last change was refused, for the person who asked for it.</summary>
    protected string? Problem { get; set; }

    protected bool IsBusy { get; private set; }

    protected string Path => $"device({Device.Id})";

    /// <summary>Makes a change and has the page read the device anew; false when it was refused (<see cref="Problem"/>).</summary>
    private protected async Task<bool> TryAsync(Func<Caller, Task> change)
    {
        (Problem, IsBusy) = (null, true);
        try
        {
            await change(await Visitor.CallerAsync());
            await Changed.InvokeAsync();
            return true;
        }
        catch (ResourceRefusedException e)
        {
            Problem = e.Message;
        }
        catch (DatabaseAwayException)
        {
            Problem = "Muster cannot reach its database. Try again in a moment.";
        }
        finally
        {
            IsBusy = false;
        }

        return false;
    }
}
