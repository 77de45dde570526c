using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Sessions;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>
/// Calls that may wait: each becomes a queued action; devices that are connected are asked at once, in their turn, and their
/// answers passed on as without the queue.
/// </summary>
internal sealed class QueuedCalls(ActionQueue queue, QueuedActions actions, AuditedCalls calls, IOptions<CloudlinkOptions> options, TimeProvider time)
{
    /// <summary>Longer data is not kept.</summary>
    private const int LongestData = 64 * 1024;

    public async Task<IResult> CallAsync(Asker asker, SupervisorCall call, QueueWish wish, List<DeviceLink> found, int most, CancellationToken cancellation)
    {
        var devices = found.FindAll(device => !device.IsFrozen && SupervisorRule.MaySee(asker.Caller, device.Id, device.OrganizationId));
        if (devices.Count == 0)
            return Sentence(StatusCodes.Status404NotFound, "No device(s) found");
        if (asker.Caller.Kind is not CallerKind.User)
            return Sentence(StatusCodes.Status400BadRequest, "Only people queue actions: they are done later in a person's name");
        if (!devices.TrueForAll(device => SupervisorRule.MayCall(asker.Caller, device.Id, device.OrganizationId, call.Method)))
        {
            await calls.RefusedAsync(asker, devices.Select(d => (d.Id, d.OrganizationId)), call, cancellation);
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        }

        if (devices.Count > most)
            return Sentence(StatusCodes.Status400BadRequest, $"More than {most} devices match; name them one by one.");
        if (call.Data?.GetRawText().Length > LongestData)
            return Sentence(StatusCodes.Status413PayloadTooLarge, $"data of a queued action has at most {LongestData} characters");
        List<QueuedAction> queued;
        try
        {
            queued = await queue.AddAsync(new(asker, call, wish.ExpiresIn ?? options.Value.ActionExpiry, wish.Key), devices, cancellation);
        }
        catch (QueueRefusedException e)
        {
            return Sentence(e.Status, e.Message);
        }

        var answers = await Task.WhenAll(queued.Zip(devices).Select(pair => AnswerAsync(pair.First, pair.Second, cancellation)));
        if (answers is [var (action, passed)])
        {
            return passed is not null
                ? SupervisorProxyEndpoint.PassOn(passed)
                : Results.Json(new QueuedAnswer(action.Id, action.State, action.ExpiresAt), ActionJson.Default.QueuedAnswer, statusCode: StatusCodes.Status202Accepted);
        }

        return Results.Json(
            [.. answers.Select(a => a.Answer is { } answer
                ? new DeviceAnswer(answer.Status, answer.Body, a.Action.Id, a.Action.DeviceUuid)
                : new DeviceAnswer(StatusCodes.Status202Accepted, "", a.Action.Id, a.Action.DeviceUuid, a.Action.State, a.Action.ExpiresAt))],
            ActionJson.Default.DeviceAnswerArray, statusCode: StatusCodes.Status207MultiStatus);
    }

    /// <summary>The device's answer, when there is one; else the action as it stands.</summary>
    private async Task<(QueuedAction Action, SupervisorAnswer? Answer)> AnswerAsync(QueuedAction action, DeviceLink device, CancellationToken cancellation)
    {
        if (action.State is ActionStates.Queued && device.Tunnel is not null)
        {
            // Others may stand before it: then it waits, as for a device that is away.
            using var late = new CancellationTokenSource(options.Value.DeviceTimeout + TimeSpan.FromSeconds(5), time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellation);
            try
            {
                if (await queue.RunAsync(action, either.Token) is { } answer)
                    return (action, answer);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                // Told as it stands.
            }

            action = await actions.FindAsync(action.Id, cancellation) ?? action;
        }

        return (action, action is { ResultStatus: { } status, ResultBody: var body } ? new(status, Type(body), body ?? "") : null);
    }

    private static string? Type(string? body) => body is null or "" ? null : SupervisorProxyEndpoint.IsJson(body) ? "application/json" : "text/plain";

    private static IResult Sentence(int status, string sentence) => Results.Json(sentence, statusCode: status);
}
