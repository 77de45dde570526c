#!/usr/bin/env bash
# Figures of the OpenVPN gateway: idle traffic of one device, throughput of one tunnel, a silent cut. Makes two network namespaces, runs the
# built `muster` in one and a stock openvpn client in the other, and removes all of it. As root; needs openvpn, nftables, python3.
#   bench/cloudlink-openvpn.sh [SECONDS]      how long the idle traffic is counted (default 120)
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-120} muster=$PWD/src/Muster.Server/bin/Release/net10.0/muster
work=$(mktemp -d) gw=bench-$$-gw dev=bench-$$-dev
cleanup() {
  for ns in $dev $gw; do
    ip netns pids $ns 2>/dev/null | xargs -r kill -KILL 2>/dev/null || true
    ip netns del $ns 2>/dev/null || true
  done
  rm -rf "$work"
}
trap cleanup EXIT
json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }

ip netns add $gw; ip netns add $dev
ip link add eth0 netns $gw type veth peer name eth0 netns $dev
for i in 1 2; do
  ns=$([ $i = 1 ] && echo $gw || echo $dev)
  ip -n $ns link set lo up; ip -n $ns addr add 10.79.255.$i/30 dev eth0; ip -n $ns link set eth0 up
done
api=http://10.79.255.1:8080
ip netns exec $gw "$muster" serve --urls $api --data "$work/data" --Admin:Email=a@muster.test --Admin:Password=correct-horse-7 --Cloudlink:OpenVpn:Port=443 >"$work/muster.log" 2>&1 &
call() { ip netns exec $dev curl -fsS -H 'Content-Type: application/json' "$@"; }
until call $api/readyz >/dev/null 2>&1; do sleep 0.2; done
until grep -q 'gateway listens' "$work/muster.log"; do sleep 0.1; done
token=$(call $api/login_ -d '{"username":"a@muster.test","password":"correct-horse-7"}' | tr -d '"')
auth=(-H "Authorization: Bearer $token")
organization=$(call "${auth[@]}" "$api/v7/organization?\$select=id" | json 'd["d"][0]["id"]')
type=$(call "${auth[@]}" "$api/v7/device_type?\$select=id&\$filter=slug%20eq%20'generic-amd64'" | json 'd["d"][0]["id"]')
fleet=$(call "${auth[@]}" $api/v7/application -d "{\"app_name\":\"bench\",\"organization\":$organization,\"is_for__device_type\":$type}" | json 'd["id"]')
provisioning=$(call "${auth[@]}" $api/api-key/application/$fleet/provisioning -d '{}' | tr -d '"')
uuid=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
key=$(call -H "Authorization: Bearer $provisioning" $api/device/register -d "{\"application\":$fleet,\"uuid\":\"$uuid\",\"device_type\":\"generic-amd64\"}" | json 'd["api_key"]')
call -H "Authorization: Bearer $key" $api/os/v1/config >"$work/os.json"
json 'd["services"]["openvpn"]["ca"]' <"$work/os.json" >"$work/ca.crt"
printf '%s\n%s\n' "$uuid" "$key" >"$work/vpn-auth"
json 'd["services"]["openvpn"]["config"]' <"$work/os.json" | sed -E "s#/etc/openvpn/ca.crt#$work/ca.crt#; s#/var/volatile/vpn-auth#$work/vpn-auth#; /^(up|up-restart|down|user|group)( |\$)/d" >"$work/client.conf"
ip netns exec $dev openvpn --config "$work/client.conf" --connect-retry 5 120 >"$work/client.log" 2>&1 &
until grep -q 'Initialization Sequence Completed' "$work/client.log"; do sleep 0.1; done

sleep 5
count() { ip netns exec $dev cat /sys/class/net/eth0/statistics/{rx,tx}_bytes | paste -sd+ | bc; }
packets() { ip netns exec $dev cat /sys/class/net/eth0/statistics/{rx,tx}_packets | paste -sd+ | bc; }
b=$(count) p=$(packets)
sleep "$seconds"
b=$(($(count) - b)) p=$(($(packets) - p))
echo "idle: $b bytes in $p frames in $seconds s: $((b * 3600 / seconds)) bytes per hour (Ethernet), $(((b - 14 * p) * 3600 / seconds)) (IP)"

dd if=/dev/urandom of="$work/file" bs=1M count=256 status=none
(cd "$work" && exec ip netns exec $dev python3 -m http.server 80 >/dev/null 2>&1) &
sleep 1
for i in 1 2 3; do
  ip netns exec $gw curl -fsS -o /dev/null -p -x "$api" -U "a:$token" -w 'throughput: %{speed_download} bytes/s, first byte after %{time_starttransfer} s\n' "http://$uuid.balena:80/file"
done
ip netns exec $gw curl -fsS -o /dev/null -w 'the same without a tunnel: %{speed_download} bytes/s\n' "http://10.79.255.2:80/file"

connected() { ip netns exec $gw curl -fsS "${auth[@]}" "$api/v7/device(uuid='$uuid')?\$select=is_connected_to_vpn" | json 'd["d"][0]["is_connected_to_vpn"]'; }
cut=$(date +%s.%N)
ip netns exec $dev nft 'add table inet cut; add chain inet cut in { type filter hook input priority 0; policy drop; }; add chain inet cut out { type filter hook output priority 0; policy drop; }'
while [ "$(connected)" = True ]; do sleep 0.2; done
echo "silent cut: down after $(echo "$(date +%s.%N) - $cut" | bc) s (keepalive 60 s)"
