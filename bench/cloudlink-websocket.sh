#!/usr/bin/env bash
# Figures of tunnels over WebSocket, as docs/benchmarks.md lists them: memory of the server for each idle session, bytes on
# the wire of an idle one, and how much one tunnel carries. Server and devices are two processes in a network namespace of
# their own, so that nothing else is counted.
#   bench/cloudlink-websocket.sh [SESSIONS [SECONDS]]
# Needs root (unshare), iproute2, curl and python3. The sessions are bounded by `ulimit -n`.
set -euo pipefail
cd "$(dirname "$0")/.."
sessions=${1:-10000} seconds=${2:-120}
if [ "${INSIDE:-}" != yes ]; then
  dotnet build src/Muster.Server -c Release -v q --nologo >/dev/null
  INSIDE=yes exec unshare --net "$0" "$sessions" "$seconds"
fi
ip link set lo up
ulimit -n "$(ulimit -Hn)"
port=18391 url=http://127.0.0.1:18391
work=$(mktemp -d /tmp/muster-tunnels-XXXXXX)
muster=src/Muster.Server/bin/Release/net10.0/muster
export Admin__Password=only-for-this-run
server= devices=
stop() { for pid in $devices $server; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; }
trap 'stop; rm -rf "$work"' EXIT

"$muster" seed --devices "$sessions" --lived --data "$work/data" | tail -n 1
"$muster" serve --urls "$url" --data "$work/data" --Cloudlink:LoginsPerSecond 1000 >"$work/log" 2>&1 &
server=$!
until curl -sf "$url/readyz" >/dev/null; do kill -0 "$server"; sleep 0.1; done
rss() { awk '/VmRSS/ { print $2 }' "/proc/$server/status"; }
heap() { curl -s "$url/metrics" | awk '/^dotnet_gc_last_collection_heap_size_bytes\{/ { sum += $2 } END { print int(sum / 1024) }'; }
# One packet on loopback is received once.
octets() { awk '/^IpExt:/ { if (seen++) print $8; }' /proc/net/netstat; }
ticks() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }

# Warm: code is compiled, pools are there.
"$muster" simulate load polls --server "$url" --devices "$sessions" --connections 32 --duration 5 >/dev/null
"$muster" simulate load tunnels --server "$url" --devices 200 --duration 5 >/dev/null
sleep 15
before=$(rss) heap_before=$(heap)
"$muster" simulate load tunnels --server "$url" --devices "$sessions" --duration 100000 >"$work/devices" 2>&1 &
devices=$!
until grep -q open "$work/devices"; do kill -0 "$devices"; sleep 0.5; done
cat "$work/devices"
sleep 45
after=$(rss) heap_after=$(heap)
echo "memory: resident $before KB before, $after KB with $sessions sessions: $(( (after - before) * 1024 / sessions )) bytes each (managed heap at the last collection: $heap_before KB, $heap_after KB)"

bytes=$(octets) cpu=$(ticks)
sleep "$seconds"
bytes=$(( $(octets) - bytes )) cpu=$(( $(ticks) - cpu ))
echo "idle for $seconds s: $(( bytes * 3600 / seconds / sessions )) bytes (IP) per hour and device, both ways together; server CPU $(( cpu * 10 / seconds )) ms per second"
echo "connections established: $(ss -Htn state established "( sport = :$port )" | wc -l)"

python3 - "$url" "$port" <<'PY'
import hashlib, json, os, socket, sys, time, urllib.request
url, port = sys.argv[1], int(sys.argv[2])
uuid = hashlib.sha256(b'1/0/0').hexdigest()[:32]
def call(path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {'Content-Type': 'application/json'})
    return urllib.request.urlopen(request).read().decode()
token = call('/login_', {'username': 'admin@muster.local', 'password': os.environ['Admin__Password']})
def tunnel(to):
    import base64
    s = socket.create_connection(('127.0.0.1', port))
    name = f'{uuid}.balena:{to}'
    auth = base64.b64encode(f'admin:{token}'.encode()).decode()
    s.sendall(f'CONNECT {name} HTTP/1.1\r\nHost: {name}\r\nProxy-Authorization: Basic {auth}\r\n\r\n'.encode())
    head = b''
    while not head.endswith(b'\r\n\r\n'):
        head += s.recv(1)
    assert b' 200 ' in head, head
    return s
for name, to in (('from the device', 19), ('to the device', 9)):
    s, count, began, block = tunnel(to), 0, time.perf_counter(), bytes(65536)
    while time.perf_counter() - began < 6:
        count += len(s.recv(1 << 20)) if to == 19 else s.send(block)
    print(f'throughput {name}: {count / (time.perf_counter() - began) / 1e6:.0f} MB/s')
    s.close()
PY
