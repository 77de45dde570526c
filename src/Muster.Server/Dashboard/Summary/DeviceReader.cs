using System.Text.Json;
using Muster.Core.Access;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Summary;

/// <summary>Reads what the page shows, within what the caller may see.</summary>
internal static class DeviceReader
{
    public const string Release = "$select=id,commit,raw_version,created_at";

    /// <summary>Names as the wire has them.</summary>
    private static readonly JsonSerializerOptions Wire = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private const string Image = "$select=id;$expand=is_a_build_of__service($select=id,service_name)";

    private const string Shown =
        "$select=id,uuid,device_name,note,created_at,is_active,is_frozen,is_web_accessible,os_version,os_variant,supervisor_version,ip_address,public_address,mac_address," +
        "latitude,longitude,location,custom_latitude,custom_longitude,status,provisioning_state,provisioning_progress,is_undervolted," +
        "cpu_usage,cpu_temp,memory_usage,memory_total,storage_usage,storage_total,storage_block_device,is_accessible_by_support_until__date" +
        "&$expand=is_of__device_type($select=slug,name;$expand=is_of__cpu_architecture($select=id,slug))" +
        $",belongs_to__application($select=id,app_name,slug,organization,should_track_latest_release;$expand=should_be_running__release({Release}))" +
        $",is_running__release({Release}),is_pinned_on__release({Release}),should_be_running__release({Release};$expand=release_image($select=id;$expand=image({Image})))" +
        ",device_tag($select=id,tag_key,value;$orderby=tag_key asc)" +
        ",image_install($select=id,status,download_progress;$filter=status ne 'deleted'" +
        $";$expand=installs__image({Image}),is_provided_by__release({Release}))";

    /// <summary>Null when there is no such device, or none that the caller may see: both look alike.</summary>
    /// <exception cref="Storage.DatabaseAwayException">The database is away.</exception>
    public static async Task<DeviceDetails?> DeviceAsync(this ResourceAccess resources, Caller caller, string uuid) =>
        (await resources.RowsAsync<DeviceDetails>(caller, $"device?$filter=uuid eq {ResourceAccess.Text(uuid)}&{Shown}")).FirstOrDefault();

    /// <summary>Rows of any resource.</summary>
    /// <exception cref="ResourceRefusedException">The path is not of the dialect, or the question takes too long.</exception>
    /// <exception cref="Storage.DatabaseAwayException">The database is away.</exception>
    public static async Task<List<T>> RowsAsync<T>(this ResourceAccess resources, Caller caller, string path) =>
        [.. (await resources.ReadAsync(caller, path)).Select(row => row.Deserialize<T>(Wire)!)];
}
