#!/bin/bash
# Messages and pinned links between real daemons: there and back through NATs, once, seen by who watches; what is too long or no text is refused.
# test: timeout=180
. tests/net/lib.bash
lab <<'END'
seed none delay=5
ann  port-restricted delay=10
ben  full-cone delay=10
END
seed seed seed
member ann ann1 seed
member ben ben1 seed
await ann; await ben
out=$TMPDIR/out err=$TMPDIR/err
watching() { # watching NODE: what it sees, into NODE.seen
  $natlab exec "${HOST[$1]}" "$RINGLET" -d "$TMPDIR/$1" watch >"$TMPDIR/$1.seen" 2>&1 &
}
seen() { # seen NODE JQ-CONDITION: how many messages
  grep -h '"message"' "$TMPDIR/$1.seen" | jq -s "[.[] | select(.event == \"message\" and ($2))] | length"
}
saw() { [[ $(seen "$@") == 1 ]]; }
refused() { # refused STATUS WORDS NODE VERB...
  local status=0
  r "${@:3}" >"$out" 2>"$err" || status=$?
  [[ $status == "$1" ]] || bad "ringlet ${*:4:2} exits with $status, not $1: $(cut -c1-200 "$err")"
  grep -q "$2" "$err" || bad "ringlet ${*:4:2} does not say '$2': $(cut -c1-200 "$err")"
  [[ $(wc -l <"$err") == 1 ]] || bad "ringlet ${*:4:2}: not one line"
}
watching ann; watching ben
within 10 r ann lookup ben || fail "ann does not find ben"
ann_id=$(node_id ann) ben_id=$(node_id ben)

echo "== there and back"
r ann send ben "Grüße, \"ben\" \\ & \$HOME" --json >"$out"
jq -e --arg id "$ben_id" '.ok and .id == $id and .rtt_ms > 0 and (.path | IN("direct", "relayed", "routed"))' "$out" >/dev/null ||
  bad "send says $(<"$out")"
within 3 saw ben ".from == \"$ann_id\" and .name == \"ann\" and .text == \"Grüße, \\\"ben\\\" \\\\ & \$HOME\" and .at_ms > 0" ||
  bad "ben did not see it: $(cat "$TMPDIR/ben.seen")"
r ben send "$(ip4 ann)" "by address" >"$out"
grep -q '^taken by ann after .* ms, ' "$out" || bad "send says $(<"$out")"
r ben send "$ann_id" "by id" >/dev/null
long=$(printf 'x%.0s' {1..1024})
r seed send ann "$long" >/dev/null || bad "1024 bytes do not go"
within 3 saw ann ".text == \"by address\" and .from == \"$ben_id\"" || bad "ann did not see 'by address'"
within 3 saw ann '.text == "by id"' || bad "ann did not see 'by id'"
within 3 saw ann ".text == \"$long\" and .name == \"seed\"" || bad "ann did not see the long one"
r ann send ann "to myself" >/dev/null || bad "no message to oneself"
r ann call send '{"target":"ben","text":"by a program"}' --json | jq -e .ok >/dev/null || bad "call send failed"
within 3 saw ben '.text == "by a program"' || bad "ben did not see what a program sent"

echo "== to everybody"
r ann send --broadcast "moving at noon" --json >"$out"
jq -e '.ok and .reached == 2 and .lost == 0' "$out" >/dev/null || bad "send --broadcast says $(<"$out")"
within 3 saw ben ".text == \"moving at noon\" and .from == \"$ann_id\" and .name == \"ann\" and .broadcast" ||
  bad "ben did not see the broadcast"
[[ $(seen ann '.broadcast') == 0 ]] || bad "ann sees her own broadcast"
[[ $(r ben send --broadcast "thanks") == "taken by 2 other nodes" ]] || bad "the broadcast is not counted for people"
within 3 saw ann '.text == "thanks" and .broadcast' || bad "ann did not see ben's broadcast"
[[ $(seen ben '.text == "by a program" and .broadcast == false') == 1 ]] || bad "a message is no broadcast"
long=$(printf 'y%.0s' {1..1000})
r seed send --broadcast "$long" >/dev/null || bad "1000 bytes do not go to everybody"
within 3 saw ann ".text == \"$long\"" || bad "ann did not see the long broadcast"

echo "== refused"
refused 2 "1001 bytes: at most 1000" ann send --broadcast "x$long"
long=$(printf 'x%.0s' {1..1024})
refused 2 "goes to everybody" ann send ben --broadcast "x"
refused 2 "missing" ann send
for i in 1 2 3; do r ben send --broadcast "again $i" >/dev/null; done
refused 1 "too many broadcasts" ben send --broadcast "once too often"
refused 2 "1025 bytes: at most 1024" ann send ben "x$long"
refused 2 "one line" ann send ben $'two\nlines'
refused 2 "text is missing: see .ringlet send --help" ann send ben
refused 2 "missing" ann send ben ""
refused 1 "no node nobody" ann send nobody hello
r ann --json send ben "x$long" >"$out" && bad "too long, and fine?" || jq -e '.error.code == "usage"' "$out" >/dev/null || bad "$(<"$out")"
kill9 ben
refused 1 "did not answer\|no way to" ann send ben hello -W 2
refused 3 "no daemon\|not running\|daemon" ben send ann hello
start ben; await ben
within 20 r ann send ben "back again" -W 5 || bad "ben is back and gets nothing"
[[ $(seen ben true) == 4 && $(seen ann true) == 9 ]] ||
  bad "ben saw $(seen ben true) messages, ann $(seen ann true): not 4 and 9"

echo "== pinned links"
pinned() { r "$1" peers --json | jq -e --arg id "$2" '.[] | select(.id == $id) | .links | index("pinned")' >/dev/null; }
seed_id=$(node_id seed)
r ann link add ben --json >"$out" || bad "link add fails"
jq -e --arg id "$ben_id" '.ok and .id == $id and .name == "ben" and (.path | IN("direct", "relayed", "routed"))' "$out" >/dev/null ||
  bad "link add says $(<"$out")"
pinned ann "$ben_id" || bad "peers does not show the pinned link"
pinned ben "$ann_id" && bad "ben's end is pinned, too" || true
[[ $(r ann status --json | jq .links.pinned) == 1 ]] || bad "status does not count the pinned link"
grep -q "^pinned: ben, " <(r ann link add "$ben_id") || bad "link add by id, once more"
r ann link add seed >/dev/null
jq -e --arg b "$ben_id" --arg s "$seed_id" 'map(.id) | sort == ([$b, $s] | sort)' <(r ann link list --json) >/dev/null ||
  bad "link list says $(r ann link list --json)"
refused 2 "this node itself" ann link add ann
refused 1 "no node nobody" ann link add nobody -W 8
refused 2 "second word" ann link
r ann link drop seed >/dev/null
pinned ann "$seed_id" && bad "dropped, but still pinned" || true
refused 1 "no pinned link to seed" ann link drop seed
r ann stop >/dev/null; wait "${PID[ann]}" || true
start ann; await ann # it remembers
within 20 pinned ann "$ben_id" || bad "the pinned link is not there after a restart: $(r ann link list)"
kill9 ben
within 30 grep -q none <(r ann link list) || true
[[ $(r ann link list --json | jq length) == 1 ]] || bad "a peer's death ends the pin"
start ben; await ben
within 70 pinned ann "$ben_id" || bad "the pinned link does not come back after ben's restart"
r ann link drop "$ben_id" >/dev/null
[[ $(r ann link list --json) == "[]" ]] || bad "not dropped"
verdict
