#!/usr/bin/env bash
# A storm after an outage of ours: devices hold tunnels over WebSocket, the server is killed and started again, all come back
# at once, and what the server said of them all the while is compared with what they really did.
#   bench/cloudlink-storm.sh [DEVICES]
# Loopback, about four minutes. Needs curl and python3.
set -euo pipefail
cd "$(dirname "$0")/.."
devices=${1:-1000}
dotnet build src/Muster.Server -c Release -v q --nologo >/dev/null
url=http://127.0.0.1:18393
work=$(mktemp -d /tmp/muster-storm-XXXXXX)
muster=src/Muster.Server/bin/Release/net10.0/muster
export Admin__Password=only-for-this-run
server= fleet=
stop() { for pid in $fleet $server; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; }
trap 'stop; rm -rf "$work"' EXIT
serve() {
  "$muster" serve --urls "$url" --data "$work/data" --Presence:PollIntervalFloor 00:00:30 >>"$work/log" 2>&1 &
  server=$!
  until curl -sf "$url/readyz" >/dev/null; do kill -0 "$server"; sleep 0.1; done
}

serve
login() { curl -s "$url/login_" -H 'Content-Type: application/json' -d "{\"username\":\"admin@muster.local\",\"password\":\"$Admin__Password\"}"; }
curl -sf -o /dev/null "$url/v7/application" -H "Authorization: Bearer $(login)" -H 'Content-Type: application/json' \
  -d '{"app_name": "storm", "organization": 1, "is_for__device_type": 1}'
"$muster" simulate --server "$url" --fleet "admin/storm" --devices "$devices" --email admin@muster.local --password "$Admin__Password" \
  --cloudlink websocket --poll-interval 60 --ramp-up 20 --duration 200 --no-logs --verify --report "$work/report.json" >"$work/devices" 2>&1 &
fleet=$!
sleep 75
kill -9 "$server"
wait "$server" 2>/dev/null || true
began=$(date +%s%N)
serve
sessions() { curl -s "$url/metrics" | awk '/^muster_cloudlink_sessions/ { sum += $2 } END { print int(sum) }'; }
back=0
while [ "$back" -lt "$devices" ] && [ $(( $(date +%s%N) - began )) -lt 90000000000 ]; do back=$(sessions); sleep 0.2; done
echo "killed and started again: $back of $devices devices hold tunnels again $(( ($(date +%s%N) - began) / 1000000 )) ms after the end of the old process"
wait "$fleet" && code=0 || code=$?
fleet=
tail -n 12 "$work/devices"
python3 - "$work/data/muster.db" <<'PY'
import collections, sqlite3, sys
rows = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute("select device_id, to_value from transition where fact = 'cloudlink' order by id").fetchall()
said = collections.defaultdict(list)
for device, to in rows:
    said[device].append(to)
print("told of tunnels:", dict(collections.Counter(" ".join(words) for words in said.values())))
PY
exit "$code"
