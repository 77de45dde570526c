#!/usr/bin/env bash
# Builds Muster and runs it: http://127.0.0.1:8080, data in ./data.
#   ./run.sh                  the server
#   ./run.sh --demo 50        and a simulated, living fleet of fifty devices
#   ./run.sh --urls https://0.0.0.0:8443 --data /var/lib/muster --database "Host=…"      (./run.sh --help)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
command -v dotnet >/dev/null || { echo "run.sh: the .NET SDK 10 is missing (https://dotnet.microsoft.com/download)" >&2; exit 1; }
if ! command -v npm >/dev/null; then
  # The pages' libraries come from npm at build.
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing nodejs npm" >&2
    { DEBIAN_FRONTEND=noninteractive apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends nodejs npm; } </dev/null >/tmp/muster-apt.log 2>&1 || tail -n 5 /tmp/muster-apt.log >&2
  fi
  command -v npm >/dev/null || { echo "run.sh: Node.js with npm is missing (apt-get install nodejs npm)" >&2; exit 1; }
fi

out="$here/artifacts/muster"
dotnet publish "$here/src/Muster.Server" --configuration Release --output "$out" --nologo --verbosity quiet >&2
exec "$out/muster" serve "$@"
