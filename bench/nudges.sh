#!/bin/sh
# From a person's change to the look of connected devices at their target state, and to the first word of the update:
# simulated devices behind one tunnel server, which poll every 15 minutes by themselves. Needs python3 (Debian package).
# bench/nudges.sh [DEVICES]
set -eu
cd "$(dirname "$0")/.."
devices=${1:-1000} port=18397 proxy=18396
work=$(mktemp -d /tmp/muster-nudges-XXXXXX)
muster=src/Muster.Server/bin/Release/net10.0/muster
dotnet build src/Muster.Server -c Release -v q --nologo >/dev/null
pids=
stop() { for pid in $pids; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; }
trap 'stop; [ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
export Admin__Email=admin@muster.test Admin__Password=only-for-this-run
"$muster" serve --urls "http://127.0.0.1:$port" --data "$work/data" --Cloudlink:ProxyPort "$proxy" --Cloudlink:ProxyKey "$Admin__Password" >"$work/log" 2>&1 &
server=$!
pids="$server"
until curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; do kill -0 "$server"; sleep 0.2; done
sleep 3
service_key=$("$muster" key add tunnels --data "$work/data")
cat >"$work/api.py" <<'PY'
import json, sqlite3, sys, time, urllib.request
work, base = sys.argv[1], sys.argv[2]
def call(method, path, body=None, token=None):
    headers = {'content-type': 'application/json'} | ({'authorization': 'Bearer ' + token} if token else {})
    request = urllib.request.Request(base + path.replace(' ', '%20'), method=method, headers=headers, data=None if body is None else json.dumps(body).encode())
    text = urllib.request.urlopen(request).read().decode()
    return json.loads(text) if text and text[0] in '{["' else text
token = call('POST', '/login_', {'username': 'admin@muster.test', 'password': 'only-for-this-run'})
PY
cat "$work/api.py" - >"$work/fleet.py" <<'PY'
rows = lambda path: call('GET', path, token=token)['d']
fleet = call('POST', '/v7/application', {'app_name': 'nudged', 'organization': rows('/v7/organization?$select=id')[0]['id'], 'is_for__device_type': rows("/v7/device_type?$select=id&$filter=slug eq 'genericx86-64-ext'")[0]['id'], 'should_track_latest_release': False}, token)
service = call('POST', '/v7/service', {'application': fleet['id'], 'service_name': 'main'}, token)
releases = []
for n in range(3):
    at = '2026-01-01T00:00:0%dZ' % n
    release = call('POST', '/v7/release', {'belongs_to__application': fleet['id'], 'commit': '%040d' % n, 'status': 'running', 'source': 'local', 'composition': {'services': {'main': {'image': 'x'}}}, 'is_final': True, 'start_timestamp': at}, token)
    image = call('POST', '/v7/image', {'is_a_build_of__service': service['id'], 'start_timestamp': at, 'status': 'success', 'image_size': 4000000}, token)
    call('POST', '/v7/release_image', {'image': image['id'], 'is_part_of__release': release['id']}, token)
    call('PATCH', '/v7/release(%d)' % release['id'], {'status': 'success', 'end_timestamp': at}, token)
    releases.append(release['id'])
call('PATCH', '/v7/application(%d)' % fleet['id'], {'should_be_running__release': releases[0]}, token)
key = call('POST', '/api-key/application/%d/provisioning' % fleet['id'], {}, token)
json.dump({'fleet': fleet['id'], 'slug': fleet['slug'], 'releases': releases, 'key': key}, open(work + '/fleet.json', 'w'))
print(fleet['slug'], key)
PY
made=$(python3 "$work/fleet.py" "$work" "http://127.0.0.1:$port")
set -- $made
"$muster" simulate --server "http://127.0.0.1:$port" --fleet "$1" --provisioning-key "$2" --devices "$devices" --service-key "$service_key" --proxy-port "$proxy" --proxy-key "$Admin__Password" --poll-interval 900 --ramp-up 20 >"$work/devices.log" 2>&1 &
pids="$! $pids"
cat "$work/api.py" - >"$work/measure.py" <<'PY'
devices, fleet = int(sys.argv[3]), json.load(open(work + '/fleet.json'))
database = sqlite3.connect('file:%s/data/muster.db?mode=ro' % work, uri=True)
def until(condition):
    while not condition():
        time.sleep(0.5)
settled = lambda: call('GET', "/v7/device/$count?$filter=overall_status eq 'operational' and is_connected_to_vpn eq true", token=token)['d']
until(lambda: settled() == devices)
time.sleep(5)
def tell(what, since, column, table, of=None):
    at = sorted(row[0] - since for row in database.execute('SELECT %s FROM %s WHERE %s >= ?%s' % (column, table, column, ' AND device_id = %d' % of if of else ''), (since,)))
    at = at or [float('nan')]
    print('%s: %d devices, median %.0f ms, 99 %% %.0f ms, last %.0f ms' % (what, len(at), at[len(at) // 2], at[int(len(at) * .99)], at[-1]))
def change(what, path, body, of=None):
    since = time.time_ns() // 1000000
    call('PATCH', path, body, token)
    print('%s: answered after %d ms' % (what, time.time_ns() // 1000000 - since))
    time.sleep(8)
    tell('  looked at the target state', since, 'last_poll_at', 'device_contact', of)
    tell('  first word of the update on record', since, 'at', "(SELECT device_id, min(at) AS at FROM transition WHERE fact = 'update_status' AND at >= %d GROUP BY device_id)" % since, of)
    until(lambda: settled() == devices)
    time.sleep(5)
one = database.execute('SELECT min(id) FROM device').fetchone()[0]
change('one device pinned', '/v7/device(%d)' % one, {'is_pinned_on__release': fleet['releases'][1]}, one)
change('a fleet of %d gets a release' % devices, '/v7/application(%d)' % fleet['fleet'], {'should_be_running__release': fleet['releases'][2]})
PY
python3 "$work/measure.py" "$work" "http://127.0.0.1:$port" "$devices"
