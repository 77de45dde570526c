#!/bin/sh
# Target-state polls that are answered 304: rate, and CPU of the server per request. Needs wrk and python3 (Debian packages).
# bench/polls.sh [DEVICES] [SECONDS]
set -eu
cd "$(dirname "$0")/.."
devices=${1:-100000} seconds=${2:-5} port=18399
work=$(mktemp -d /tmp/muster-polls-XXXXXX)
server=src/Muster.Server/bin/Release/net10.0/muster
dotnet build src/Muster.Server -c Release -v q --nologo >/dev/null
pid=
stop() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }; pid=; }
trap 'stop; rm -rf "$work"' EXIT

start() {
    Admin__Password=only-for-this-run "$server" serve --urls "http://127.0.0.1:$port" --data "$work/data" >"$work/log" 2>&1 &
    pid=$!
    until curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; do kill -0 "$pid"; sleep 0.2; done
}

# The schema and the catalogue are the server's; the devices are written beneath it.
start; stop
python3 - "$work" "$devices" <<'PY'
import hashlib, sqlite3, sys, uuid
work, devices = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(f'{work}/data/muster.db')
one = lambda sql: db.execute(sql).fetchone()[0]
org, kind = one('SELECT min(id) FROM organization'), one('SELECT min(id) FROM device_type')
fleet_type = one('SELECT min(id) FROM fleet_type WHERE needs_paid_plan = 0')
db.execute("INSERT INTO actor (id, kind) VALUES (1000000, 'fleet')")
db.execute("INSERT INTO fleet (id, actor_id, uuid, name, slug, organization_id, device_type_id, fleet_type_id, created_at, modified_at) VALUES (1, 1000000, 'polls', 'polls', 'polls', ?, ?, ?, 0, 0)", (org, kind, fleet_type))
uuids = [uuid.uuid4().hex for _ in range(devices)]
db.executemany("INSERT INTO actor (id, kind) VALUES (?, 'device')", ((1000001 + i,) for i in range(devices)))
db.executemany("INSERT INTO device (actor_id, uuid, name, fleet_id, device_type_id, created_at, modified_at) VALUES (?, ?, ?, 1, ?, 0, 0)", ((1000001 + i, u, f'd{i}', kind) for i, u in enumerate(uuids)))
db.executemany("INSERT INTO api_key (actor_id, key_hash, roles, created_at, modified_at) VALUES (?, ?, 'device-api-key', 0, 0)", ((1000001 + i, hashlib.sha256(('key' + u).encode()).digest()) for i, u in enumerate(uuids)))
db.commit()
open(f'{work}/uuids', 'w').write('\n'.join(uuids))
PY
start
# A sample of them has polled once and knows its version.
python3 - "$work" "$port" <<'PY'
import http.client, sys
work, port = sys.argv[1], int(sys.argv[2])
known, connection = open(f'{work}/known', 'w'), http.client.HTTPConnection('127.0.0.1', port)
for device in open(f'{work}/uuids').read().split()[:2000]:
    connection.request('GET', f'/device/v3/{device}/state', headers={'Authorization': f'Bearer key{device}'})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
    known.write(f"{device} {answer.headers['ETag']}\n")
PY
cat >"$work/poll.lua" <<LUA
local known, i = {}, 0
init = function()
    for line in io.lines('$work/known') do
        local device, version = line:match('(%S+) (.+)')
        known[#known + 1] = wrk.format('GET', '/device/v3/' .. device .. '/state', { ['Host'] = 'localhost', ['Authorization'] = 'Bearer key' .. device, ['If-None-Match'] = version })
    end
end
request = function() i = i % #known + 1 return known[i] end
LUA
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
wrk -t1 -c32 -d2 -s "$work/poll.lua" "http://127.0.0.1:$port" >/dev/null
before=$(ticks)
wrk -t1 -c32 -d"$seconds" -s "$work/poll.lua" "http://127.0.0.1:$port" >"$work/out"
after=$(ticks)
grep -E 'Requests/sec|Latency|Non-2xx' "$work/out"
requests=$(grep -oE '[0-9]+ requests in' "$work/out" | cut -d' ' -f1)
echo "CPU of the server: $(( (after - before) * 10000 / requests )) µs per request; load average: $(cut -d' ' -f1 /proc/loadavg)"
