using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.DataProtection;
using Muster.Server.Cloudlink.Actions;
using Muster.Server.Dashboard.Actions;
using Muster.Server.Dashboard.Audit;
using Muster.Server.Dashboard.Devices;
using Muster.Server.Dashboard.Health;
using Muster.Server.Dashboard.Live;
using Muster.Server.Dashboard.Logs;
using Muster.Server.Dashboard.SignIn;
using Muster.Server.Dashboard.Terminal;
using Muster.Server.Hosting;
using Muster.Server.Resources;
using Muster.Server.Resources.Connections;
using Muster.Storage;

namespace Muster.Server.Dashboard;

/// <summary>The pages at <c>/</c>: Fleets, Devices, Device Summary. What they show and change goes through the same rules as the API.</summary>
internal static class DashboardModule
{
    public static WebApplicationBuilder AddDashboard(this WebApplicationBuilder builder)
    {
        // From a build the assets lie where they were made; a published Muster has them beside it.
        builder.WebHost.UseStaticWebAssets();
        builder.Services.AddRazorComponents().AddInteractiveServerComponents(circuit =>
        {
            // A page that was left costs memory until it is forgotten; one that comes back finds its state in its URL.
            circuit.DisconnectedCircuitMaxRetained = 50;
            circuit.DisconnectedCircuitRetentionPeriod = TimeSpan.FromMinutes(1);
        });
        builder.Services.AddCascadingAuthenticationState();
        builder.Services.AddAuthorization();
        builder.Services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie(cookie =>
        {
            cookie.LoginPath = SignInEndpoints.Page;
            cookie.ReturnUrlParameter = SignInEndpoints.ReturnTo;
            cookie.Cookie.Name = "muster-session";
            cookie.Cookie.HttpOnly = true;
            cookie.Cookie.SameSite = SameSiteMode.Lax;
            cookie.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            cookie.ExpireTimeSpan = TimeSpan.FromDays(30);
            cookie.SlidingExpiration = true;
            cookie.Events.OnValidatePrincipal = SignInEndpoints.ValidateAsync;
        });
        builder.Services.AddAntiforgery(antiforgery => antiforgery.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest);
        builder.Services.AddDataProtection().SetApplicationName("muster").PersistKeysToFileSystem(DataDirectory.Of(builder.Configuration).PrivateFolder("keys"));
        builder.Services.AddScoped<Visitor>();
        builder.Services.AddSingleton<LivePages>();
        builder.Services.AddHostedService(services => services.GetRequiredService<LivePages>());
        builder.Services.AddSingleton(services => new BulkJobs(
            services.GetRequiredService<Database>(), services.GetRequiredService<ResourceAccess>(), services.GetRequiredService<DeviceActions>(), services.GetRequiredService<OpenConnections>(),
            services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<BulkJobs>>()));
        return builder;
    }

    public static WebApplication MapDashboard(this WebApplication app)
    {
        app.UseMissingPages();
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseMiddleware<CircuitDoor>();
        app.UseAntiforgery();
        app.UseMiddleware<PageHeaders>();
        app.MapStaticAssets(Path.Combine(AppContext.BaseDirectory, "muster.staticwebassets.endpoints.json"));
        app.MapSignIn();
        app.MapDevicesCsv();
        app.MapLogs();
        app.MapJobs();
        app.MapTerminal();
        app.MapAuditCsv();
        app.MapDiagnosticsDownload();
        app.MapRazorComponents<App>().AddInteractiveServerRenderMode();
        return app;
    }
}
