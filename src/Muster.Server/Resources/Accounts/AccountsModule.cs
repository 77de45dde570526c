using Muster.Server.Insight;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>Accounts, sessions and keys.</summary>
internal static class AccountsModule
{
    public static WebApplicationBuilder AddAccounts(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<SessionTokens>();
        builder.Services.AddSingleton<Sessions>();
        builder.Services.AddSingleton<Callers>();
        builder.Services.AddSingleton<ApiKeys>();
        builder.Services.AddSingleton<People>();
        builder.Services.AddSingleton<Members>();
        builder.Services.AddSingleton(services => new Invites(
            services.GetRequiredService<Database>(), services.GetRequiredService<People>(), services.GetRequiredService<Callers>(),
            services.GetRequiredService<AuditLog>(), services.GetRequiredService<TimeProvider>()));
        builder.Services.AddSingleton<LoginLimit>();
        builder.Services.AddSingleton<PasswordChecks>();
        builder.Services.AddSingleton(services => new SignIn(
            services.GetRequiredService<People>(), services.GetRequiredService<Sessions>(), services.GetRequiredService<LoginLimit>(), services.GetRequiredService<PasswordChecks>()));
        builder.Services.AddSingleton(services => new OwnAccount(
            services.GetRequiredService<People>(), services.GetRequiredService<PasswordChecks>(), services.GetRequiredService<ApiKeys>(),
            services.GetRequiredService<Database>(), services.GetRequiredService<TimeProvider>()));
        builder.Services.AddSingleton<FirstStart>();
        builder.Services.AddHostedService(services => services.GetRequiredService<FirstStart>());
        return builder;
    }

    public static void MapAccounts(this IEndpointRouteBuilder routes)
    {
        routes.MapLogin();
        routes.MapWhoAmI();
        routes.MapApiKeys();
        routes.MapPublicKeys();
        routes.MapInvites();
    }
}
