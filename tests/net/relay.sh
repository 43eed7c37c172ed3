#!/bin/bash
# Two nodes that only reach a third: their traffic goes through it, and everybody says so; when the
# straight way opens, it is taken. Then the straight way closes under traffic: the third again.
. tests/net/lib.bash
lab <<'END'
seed none delay=15
ann  port-restricted delay=10
ben  full-cone delay=10
END
$natlab cut ann ben
seed seed seed
member ann ann1 seed
member ben ben1 seed
await ann; await ben
ann=$(ip4 ann) ben=$(ip4 ben) relay=$(node_id seed)

echo "== cut from the start"
within 12 reach ann "$ben" || fail "ann does not reach ben through the seed"
within 12 reach ben "$ann" || fail "ben does not reach ann through the seed"
stream ann "$ben" 6
relayed() { [[ $(path ann ben) == relayed && $(path ben ann) == relayed ]]; }
if within 8 relayed; then
  [[ $(peer ann ben via) == "$relay" ]] || bad "ann: via $(peer ann ben via), not the seed's id $relay"
  [[ $(peer ben ann via) == "$relay" ]] || bad "ben: via $(peer ben ann via), not the seed's id $relay"
  r ann ping ben -c 2 -i 0.2 | tee "$TMPDIR/out"
  grep -q 'relayed by seed' "$TMPDIR/out" || bad "ringlet ping does not say 'relayed by seed'"
  r ann peers >"$TMPDIR/out"
  grep -q 'relayed by seed$' "$TMPDIR/out" || bad "ringlet peers does not say 'relayed by seed'"
  r ann why ben >"$TMPDIR/out" # only the seed sees them
  grep -q 'of unknown kind (too few peers see it)' "$TMPDIR/out" && grep -q '^mapping unknown here and there: two peers' "$TMPDIR/out" ||
    bad "why does not say why it cannot tell the NATs' kinds: $(<"$TMPDIR/out")"
  [[ $(peer ann ben via_name) == seed ]] || bad "peers --json: via_name is '$(peer ann ben via_name)'"
  r ann ping ben -c 1 --json | jq -e '.path == "relayed" and .answers[0].path == "relayed"' >/dev/null ||
    bad "ringlet ping --json: path is not relayed"
else
  bad "not relayed: ann says '$(path ann ben)', ben '$(path ben ann)'"
  r ann ping ben -c 2 -i 0.2 || bad "ringlet ping through the seed"
fi
[[ $(peer ann ben endpoint) == null ]] || bad "an endpoint, although not direct: $(peer ann ben endpoint)"
silence ann
echo "through the seed: $answered of $sent answered, longest silence $gap ms"
[[ $answered -ge $((sent * 9 / 10)) ]] || bad "lost $((sent - answered)) of $sent through the seed"

echo "== healed"
$natlab heal
t=$(now_ms)
stream ann "$ben" 4
if within 20 direct ann ben; then echo "direct after $(($(now_ms) - t)) ms"; else bad "not direct 20 s after the cut was healed"; fi
silence ann
echo "meanwhile: $answered of $sent answered, longest silence $gap ms"
[[ $answered -ge $((sent * 9 / 10)) ]] || bad "lost $((sent - answered)) of $sent while the path changed"
[[ $(peer ann ben via),$(peer ann ben via_name) == null,null ]] ||
  bad "via $(peer ann ben via), $(peer ann ben via_name), although direct"

echo "== cut under traffic, which one side sends"
stream ann "$ben" 10
sleep 1
$natlab cut ann ben
silence ann
echo "$answered of $sent answered, longest silence $gap ms"
[[ $gap -lt 8000 ]] || bad "no traffic after the direct path was cut"
$natlab heal
verdict
