using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.QuickGrid;

namespace Muster.Server.Dashboard.Devices;

/// <summary>A row's place in the table: the row in it is replaced when the device changes, without moving anything.</summary>
public sealed class DeviceLine(DeviceRow row)
{
    public DeviceRow Row { get; set; } = row;

    /// <summary>The device was deleted; the line stays until the list is read again.</summary>
    public bool IsGone { get; set; }
}

/// <summary>A column of the grid that knows which column of the view it is.</summary>
public sealed class DeviceGridColumn : TemplateColumn<DeviceLine>
{
    [Parameter, EditorRequired] public DeviceColumn Of { get; set; } = null!;

    /// <summary>Which of the page's grids, one after the other, it stands in: what a grid asks that is about to go counts no more.</summary>
    [Parameter, EditorRequired] public int Generation { get; set; }
}
