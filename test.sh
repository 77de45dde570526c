#!/usr/bin/env bash
# Builds everything and runs every test. The last line is "N passed, N failed"; exit code 0 only when all passed.
# Needs the .NET SDK 10, PostgreSQL's binaries (each run starts a private server), Node.js with npm (real balena clients, the
# pages' libraries), Chromium (the pages), OpenVPN with network namespaces (the tunnels), OpenSSH (what goes through them).
# As root on Debian it installs all but the first when they are missing.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

passed=0 failed=0
finish() {
  [ ! -f "${results:-}/failed" ] || cat "$results/failed"
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}
fail() { echo "FAILED: $1"; failed=$((failed + 1)); }
missing() { fail "$1"; finish; }

have_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
have_npm() { command -v node >/dev/null && command -v npm >/dev/null; }
have_chromium() { [ -x /usr/bin/chromium ]; }
have_openvpn() { [ -x /usr/sbin/openvpn ] && [ -x /usr/sbin/ip ] && [ -x /usr/sbin/nft ] && [ -x /usr/bin/python3 ]; }
have_openssh() { [ -x /usr/sbin/sshd ] && [ -x /usr/bin/ssh ] && compgen -G '/usr/lib/*/libnss_wrapper.so' >/dev/null; }

dotnet --version >/dev/null 2>&1 || missing "the .NET SDK 10 is missing (https://dotnet.microsoft.com/download)"
dotnet --list-runtimes | grep -q '^Microsoft.AspNetCore.App 10\.' || missing "the ASP.NET Core 10 runtime is missing"

wanted=()
have_postgres || wanted+=(postgresql)
have_npm || wanted+=(nodejs npm)
have_chromium || wanted+=(chromium fonts-dejavu-core)
have_openvpn || wanted+=(openvpn iproute2 nftables python3)
have_openssh || wanted+=(openssh-server openssh-client libnss-wrapper)
if [ "${#wanted[@]}" -gt 0 ]; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${wanted[*]}"
    { DEBIAN_FRONTEND=noninteractive apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${wanted[@]}"; } </dev/null >/tmp/muster-apt.log 2>&1 ||
      tail -n 5 /tmp/muster-apt.log
  fi
  have_postgres || missing "PostgreSQL is missing: apt-get install postgresql"
  have_npm || missing "Node.js is missing: apt-get install nodejs npm"
  have_chromium || missing "Chromium is missing: apt-get install chromium"
  have_openvpn || missing "OpenVPN or its tools are missing: apt-get install openvpn iproute2 nftables python3"
  have_openssh || missing "OpenSSH or its tools are missing: apt-get install openssh-server openssh-client libnss-wrapper"
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# The clients' packages are the longest wait of all and need no processor: fetched while the rest is built and tested.
tests/clients/run.sh --list >"$results/clients.log" 2>&1 </dev/null &
clients=$!

echo "Building"
if ! dotnet build Muster.slnx --configuration Release --nologo --verbosity quiet </dev/null; then
  fail "the build"
  finish
fi

# One project of tests.
run_tests() {
  "tests/$1/bin/Release/net10.0/$1" --progress off --ansi off --timeout 60m \
    --results-directory "$results" --report-xunit-trx --report-xunit-trx-filename "$1.trx" </dev/null
}

# Adds what the report of a project counts. A run that ends without a report is one failure.
count_tests() {
  local name=$1 code=$2 report="$results/$1.trx" counters
  counters=$(grep -o '<Counters [^>]*>' "$report" 2>/dev/null)
  if [ -z "$counters" ]; then
    fail "$name ended with code $code and no report"
    return
  fi
  local p f
  p=$(sed -n 's/.* passed="\([0-9]*\)".*/\1/p' <<<"$counters")
  f=$(sed -n 's/.* failed="\([0-9]*\)".*/\1/p' <<<"$counters")
  passed=$((passed + p)) failed=$((failed + f))
  # Once more, where whoever reads only the end of a long log sees it.
  [ "$f" -eq 0 ] || grep -o '<UnitTestResult [^>]*outcome="Failed"' "$report" | sed 's/.*testName="\([^"]*\)".*/FAILED: \1/' >>"$results/failed"
  [ "$f" -gt 0 ] || [ "$code" -eq 0 ] || fail "$name ended with code $code"
}

# Side by side: the end-to-end tests run one after another and mostly wait, for time-outs, clients and pages.
echo "Testing: Muster.Tests and Muster.EndToEnd.Tests, and checking the format"
{ tail --pid="$clients" -f /dev/null; run_tests Muster.EndToEnd.Tests; } >"$results/end-to-end.log" 2>&1 &
end_to_end=$!
dotnet format Muster.slnx --no-restore --verify-no-changes --verbosity quiet >"$results/format.log" 2>&1 </dev/null &
format=$!
run_tests Muster.Tests
count_tests Muster.Tests $?
if wait "$format"; then
  passed=$((passed + 1))
else
  cat "$results/format.log"
  fail "dotnet format --verify-no-changes"
fi
wait "$end_to_end"
code=$?
wait "$clients" || tail -n 5 "$results/clients.log"
cat "$results/end-to-end.log"
count_tests Muster.EndToEnd.Tests "$code"
finish
