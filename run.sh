#!/usr/bin/env bash
# Builds Muster and runs it: http://127.0.0.1:8080, data in ./data.
#   ./run.sh                  the server
#   ./run.sh --demo 50        and a simulated, living fleet of fifty devices
#   ./run.sh --urls https://0.0.0.0:8443 --data /var/lib/muster --database "Host=…"      (./run.sh --help)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
command -v dotnet >/dev/null || { echo "run.sh: the .NET SDK 10 is missing (https://dotnet.microsoft.com/download)" >&2; exit 1; }

out="$here/artifacts/muster"
dotnet publish "$here/src/Muster.Server" --configuration Release --output "$out" --nologo --verbosity quiet >&2
exec "$out/muster" serve "$@"
