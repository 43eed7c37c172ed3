#!/bin/bash
# tests/sim/reports.sh - what ringlet-sim writes beside its summary: samples and distributions as CSV, pictures of them; what it refuses before it
# starts; what it says when it is stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
sim=$PWD/build/ringlet-sim
failed=0
bad() { echo "FAILED  $*"; failed=1; }

cat >"$out/small.sim" <<'SIM'
nodes 40
network matrix three.txt loss 1%
at 0s  join all over 5s seeds 3
at 20s lookups 200 over 10s
at 32s kill 10%
end 60s
SIM
printf '0 40 90 # home\n40 0 120\n90 120 3\n' >"$out/three.txt"

# --csv: every file, with the numbers of the summary
"$sim" "$out/small.sim" --csv "$out/csv" --json "$out/json" >"$out/log" || bad "$(cat "$out/log")"
for f in samples hops latency stretch upkeep links; do
  [[ $(wc -l <"$out/csv/$f.csv") -gt 1 ]] || bad "$f.csv has no rows"
  awk -F, 'NR == 1 { n = NF } NF != n { exit 1 }' "$out/csv/$f.csv" || bad "$f.csv is ragged"
done
[[ $(wc -l <"$out/csv/samples.csv") -gt 300 ]] || bad "few samples: $(wc -l <"$out/csv/samples.csv")"
[[ $(tail -n 1 "$out/csv/samples.csv" | cut -d, -f2) == 36 ]] || bad "36 live at the end: $(tail -n 1 "$out/csv/samples.csv")"
[[ $(tail -n 1 "$out/csv/hops.csv") == "$(jq .hops.max "$out/json"),100.0000" ]] || bad "hops.csv ends with $(tail -n 1 "$out/csv/hops.csv")"
asked=$(awk -F, 'NR > 1 { n += $4 } END { print n }' "$out/csv/samples.csv")
[[ $asked == "$(jq .lookups.sent "$out/json")" ]] || bad "$asked look-ups in samples.csv, $(jq .lookups.sent "$out/json") in the JSON"

# the summary: no blanks at ends of lines, also where nothing was dropped, nor speeds as 1e+03
printf 'nodes 1\nat 0s join all over 1s seeds 1\nend 60s\n' >"$out/one.sim"
"$sim" "$out/one.sim" >>"$out/log" || bad "one node: $(cat "$out/log")"
grep -q '^drops    none$' "$out/log" || bad "drops, where there are none: $(grep ^drops "$out/log")"
! grep -E ' $|e[+][0-9]' "$out/log" || bad "the summary has blanks at ends of lines, or 1e+03"

# --plots: pictures, or a clear word before the run
if command -v gnuplot >/dev/null; then
  "$sim" "$out/small.sim" --plots "$out/plots" >"$out/log" 2>&1 || bad "$(cat "$out/log")"
  for f in hops latency stretch lookups ring traffic upkeep links; do
    grep -q '<path' "$out/plots/$f.svg" || bad "$f.svg shows nothing"
    xmllint --noout "$out/plots/$f.svg" 2>/dev/null || python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$out/plots/$f.svg" ||
      bad "$f.svg is no XML"
  done
else
  bad "gnuplot is not installed: make deps"
fi
status=0
said=$(PATH=/nonexistent "$sim" "$out/small.sim" --plots "$out/none" 2>&1) || status=$?
[[ $status == 2 && $said == *"gnuplot is not installed"* ]] || bad "without gnuplot: status $status, $said"

# refused before the start
refused() { # text of the message, arguments...
  local status=0 said
  said=$("$sim" "${@:2}" 2>&1) || status=$?
  [[ $status == 2 && $said == *"$1"* ]] || bad "$*: status $status, $said"
}
refused "4000000 nodes need" "$out/small.sim" --nodes 4000000
refused "1 to 4000000" "$out/small.sim" --nodes 4000001
refused "no such setting, but: loss reach latency bandwidth lookahead trace limits.links" "$out/small.sim" --set nosuch=1
refused "no such setting, but: loss" "$out/small.sim" --set limits.nosuch=1
refused "--set loss=much: it wants a share" "$out/small.sim" --set loss=much
refused "--set limits.links=70000: it wants a number up to 65535" "$out/small.sim" --set limits.links=70000
refused "--set trace=ring,nosuch: it wants classes, with commas between, or all: node hello link" "$out/small.sim" --set trace=ring,nosuch
printf '0 40\n40\n' >"$out/three.txt"
refused "$out/three.txt:2: 1 values, the first line has 2" "$out/small.sim"
rm "$out/three.txt"
refused "$out/small.sim:2: $out/three.txt: No such file" "$out/small.sim"

# ^C: the summary so far
printf 'nodes 200\nat 0s join all over 10s seeds 3\nat 23h kill 10%%\nend 24h\n' >"$out/long.sim"
status=0
timeout -s INT 2 "$sim" "$out/long.sim" --json "$out/stopped" >"$out/log" 2>&1 || status=$?
[[ $status == 130 || $status == 124 ]] || bad "stopped: status $status"
grep -q ' 82800 s kill 10%: not begun$' "$out/log" || bad "stopped: what has not begun: $(grep kill "$out/log")"
grep -q 'stopped before its end' "$out/log" || bad "stopped: $(head -n 1 "$out/log")"
[[ $(jq .stopped "$out/stopped") == true && $(jq ".sim_s > 0" "$out/stopped") == true ]] || bad "the JSON of a stopped run"
exit $failed
