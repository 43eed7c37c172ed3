#!/bin/bash
# tests/determinism.sh [--update] - does the same seed give the same run, whatever compiled it?
# Builds the simulator with gcc and clang at -O0 and -O3 (build/det) and runs one small scenario with joins, loss, NATs, look-ups, a
# kill, leaving, a partition, churn and hostile nodes, with fake and with real cryptography, twice each, the second time without AVX2 and FMA.
# All 16 runs must have the same hash and the same counts of datagrams, and the hash must be that of tests/determinism.expected: it
# changes only when the protocol or the simulator does. --update writes that file, if all runs agree.
set -euo pipefail
cd "$(dirname "$0")/.."
expected=tests/determinism.expected
out=build/det
ways="gcc-O0 gcc-O3 clang-O0 clang-O3"
unset MAKEFLAGS MFLAGS MAKELEVEL SAN FUZZ
mkdir -p "$out"

cat >"$out/scenario.sim" <<'SIM'
nodes 60
network regions 6 loss 2% bandwidth 20Mbit
clock skew 3h
nat none 40% full-cone 15% restricted 10% port-restricted 15% symmetric 10% upnp 5% udp-blocked 5%
at 0s   join all over 5s seeds 3
at 15s  lookups 200 over 10s
at 20s  kill 20%
at 25s  leave 10% over 5s
at 32s  partition 30% 30% for 10s
at 45s  churn weibull median 30s for 5s
at 50s  churn pareto median 30s leave 50% for 5s
at 50s  hostile 10% lie for 5s
at 52s  hostile 10% misroute for 5s
at 53s  hostile 5% flood for 3s
end 60s
SIM

# one compiler a time and core; only what changed is compiled again
xargs -n 1 -P 2 bash -c 'make -s say= B='"$out"'/$0 CC=${0%-*} OPT=-${0#*-} '"$out"'/$0/ringlet-sim' <<<"${ways// /$'\n'}"

run() { # way, crypto, environment... -> "way crypto hash datagrams"
  local json
  json=$(env "${@:3}" "$out/$1/ringlet-sim" "$out/scenario.sim" --seed 5 --crypto "$2" --json -) || true
  printf '%s %s %s %s %s\n' "$1" "$2" "$(grep -o '"hash":"[0-9a-f]*"' <<<"$json" || echo none)" \
    "$(grep -o '"datagrams":{[^}]*}' <<<"$json" || echo none)" "${3:+without AVX2, FMA}"
}
masked=GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-AVX512F
export out masked
export -f run
for way in $ways; do
  for crypto in fake real; do printf '%s\n' "$way $crypto" "$way $crypto $masked"; done
done | xargs -P 2 -L 1 bash -c 'run "$@"' run | sort >"$out/runs"

failed=0
[[ $(wc -l <"$out/runs") == 16 ]] || failed=1
[[ $(awk '{print $3, $4}' "$out/runs" | sort -u | wc -l) == 1 ]] || failed=1
grep -q none "$out/runs" && failed=1
now=$(awk '{print $3}' "$out/runs" | sort -u)
if [[ $failed == 1 ]]; then
  echo "DIFFERS  these runs should be the same:"
  cut -c-220 "$out/runs"
elif [[ ${1:-} == --update ]]; then
  echo "$now" >"$expected"
elif [[ $now != "$(cat "$expected" 2>/dev/null)" ]]; then
  echo "CHANGED  not as in $expected; if that is meant: tests/determinism.sh --update"
  diff "$expected" <(echo "$now") || true
  failed=1
fi
[[ $failed == 0 ]] && echo "16 runs the same: $now"
exit $failed
