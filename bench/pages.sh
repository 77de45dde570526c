#!/usr/bin/env bash
# The Devices page with many devices, in Chromium: first page, changed filter, the same with 50 transitions a second, and
# the server's memory for each open page, as docs/benchmarks.md lists them. All traffic stays on loopback.
#   bench/pages.sh [DEVICES [PAGES]]
# Needs Debian's chromium. Takes about three minutes for 100,000 devices.
set -euo pipefail
cd "$(dirname "$0")/.."
devices=${1:-100000} pages=${2:-50}
work=$(mktemp -d /tmp/muster-pages-XXXXXX)
trap 'rm -rf "$work"' EXIT
export Admin__Email=admin@muster.test Admin__Password=only-for-this-run
dotnet build bench/Muster.Bench -c Release -v q --nologo >/dev/null
src/Muster.Server/bin/Release/net10.0/muster seed --devices "$devices" --fleets 20 --lived --data "$work/data" | tail -n 1
bench/Muster.Bench/bin/Release/net10.0/Muster.Bench pages --data "$work/data" --devices "$devices" --pages "$pages"
