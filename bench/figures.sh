#!/usr/bin/env bash
# The server's figures over HTTP, as docs/benchmarks.md lists them: start-up, memory, queries, polls, reports, and how late
# a timeout is found. Server and load generator share the machine; all traffic stays on loopback.
#   bench/figures.sh DEVICES [POSTGRES-CONNECTION-STRING]
# Needs curl and python3. Takes about five minutes for 1,000,000 devices.
set -euo pipefail
cd "$(dirname "$0")/.."
devices=${1:?how many devices} database=${2:-}
port=18390 url=http://127.0.0.1:18390 seconds=10
work=$(mktemp -d /tmp/muster-figures-XXXXXX)
muster=src/Muster.Server/bin/Release/net10.0/muster
export Admin__Password=only-for-this-run
store=(--data "$work/data")
[ -z "$database" ] || store+=(--database "$database")
pid=
stop() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }; pid=; }
trap 'stop; rm -rf "$work"' EXIT

dotnet build src/Muster.Server -c Release -v q --nologo >/dev/null
"$muster" seed --devices "$devices" --fleets 20 --lived "${store[@]}" | tail -n 1
# A small fleet of its own whose devices poll often: their silence is what is timed.
"$muster" seed --devices 2000 --fleet load/short --seed short --lived "${store[@]}" | tail -n 1

"$muster" serve --urls "$url" "${store[@]}" \
  --Presence:PollIntervalFloor 00:00:01 --Presence:TimeoutMargin 00:00:10 >"$work/log" 2>&1 &
pid=$!
began=$(date +%s%N)
until curl -sf "$url/readyz" >/dev/null; do kill -0 "$pid"; sleep 0.1; done
echo "ready after $(( ($(date +%s%N) - began) / 1000000 )) ms"
sleep 5
grep -E 'VmRSS|VmHWM' "/proc/$pid/status"

export FIGURES_URL=$url
python3 - <<'PY'
import http.client, json, os, statistics, time, urllib.parse
host = os.environ['FIGURES_URL'].split('//')[1]
connection = http.client.HTTPConnection(host)
def call(method, path, body=None, token=None):
    headers = {'Content-Type': 'application/json'}
    if token: headers['Authorization'] = 'Bearer ' + token
    connection.request(method, urllib.parse.quote(path, safe="/?$&=(),;'"), json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()
token = call('POST', '/login_', {'username': 'admin@muster.local', 'password': os.environ['Admin__Password']})[1].decode()
def timed(name, path, runs=200):
    spans = []
    for _ in range(runs):
        began = time.perf_counter()
        status, body = call('GET', path, token=token)
        spans.append((time.perf_counter() - began) * 1000)
        assert status == 200, (status, body[:200])
    spans.sort()
    print(f'{name}: p50 {statistics.median(spans):.2f} ms, p99 {spans[int(len(spans) * .99)]:.2f} ms, {len(body):,} bytes')
where = "$filter=belongs_to__application eq 3 and overall_status eq 'reduced-functionality'"
running = '$expand=is_running__release($select=id,commit,raw_version)'
timed('device page, nine fields', f'/v7/device?$top=50&{where}&{running}&$select=id,uuid,device_name,overall_status,overall_progress,api_heartbeat_state,is_connected_to_vpn,update_status,os_version')
timed('device page, all fields', f'/v7/device?$top=50&{where}&{running}')
timed('$count by status', "/v7/device/$count?$filter=overall_status eq 'reduced-functionality'")
timed('$count by fleet and status', f'/v7/device/$count?{where}')
timed('fleets overview', '/muster/v1/fleets')
fleet = json.loads(call('GET', "/v7/application?$select=id&$filter=slug eq 'load/short'", token=token)[1])['d'][0]['id']
status, body = call('POST', '/v7/application_config_variable', {'application': fleet, 'name': 'BALENA_SUPERVISOR_POLL_INTERVAL', 'value': '10000'}, token)
assert status == 201, (status, body)
PY

for kind in polls reports; do
  # The first run is for the compiler: methods that are hot are compiled again.
  for run in warm-up measured; do
    echo "$kind, $(( devices < 100000 ? devices : 100000 )) devices taking part, $run:"
    "$muster" simulate load "$kind" --server "$url" --devices $(( devices < 100000 ? devices : 100000 )) --connections 64 --duration "$seconds" --server-pid "$pid" | tail -n 1
  done
done

# Interval 10 s and margin 10 s: they fall silent now and must be found 20 s after their last poll.
"$muster" simulate load polls --server "$url" --seed short --devices 2000 --connections 16 --duration 3 >/dev/null
sleep 30
python3 - <<'PY'
import http.client, json, os, datetime, urllib.parse
host = os.environ['FIGURES_URL'].split('//')[1]
connection = http.client.HTTPConnection(host)
def call(method, path, body=None, token=None):
    headers = {'Content-Type': 'application/json'}
    if token: headers['Authorization'] = 'Bearer ' + token
    connection.request(method, urllib.parse.quote(path, safe="/?$&=(),;'"), json.dumps(body) if body is not None else None, headers)
    return json.loads(connection.getresponse().read() or 'null') if method == 'GET' else connection.getresponse().read().decode()
token = call('POST', '/login_', {'username': 'admin@muster.local', 'password': os.environ['Admin__Password']})
at = lambda text: datetime.datetime.fromisoformat(text.replace('Z', '+00:00'))
devices = call('GET', "/v7/device?$select=uuid,muster_last_contact_at&$filter=belongs_to__application/any(a:a/slug eq 'load/short')", token=token)['d']
late = []
for device in devices:
    for step in call('GET', f"/muster/v1/devices/{device['uuid']}/history", token=token)['transitions']:
        silent = (at(step['at']) - at(device['muster_last_contact_at'])).total_seconds()
        if step['fact'] == 'heartbeat' and step['to'] == 'timeout' and silent > 0:
            late.append(silent - 20)
late.sort()
print(f'timeouts found: {len(late)} of {len(devices)}; late by p50 {late[len(late) // 2]:.2f} s, p99 {late[int(len(late) * .99)]:.2f} s, most {late[-1]:.2f} s')
assert late[0] >= 0, f'a timeout was found {-late[0]} s early'
PY
