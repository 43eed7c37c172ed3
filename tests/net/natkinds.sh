#!/bin/bash
# Every kind of NAT against a fixed partner behind a port-restricted one, and the symmetric kinds
# against each other and against the cones: who reaches whom, and who gets a direct path.
#
# Traffic must flow between all. Must be direct: what simple hole punching can do, without predicting
# or spraying ports and without port mapping. The other pairs are listed as they are, so that progress
# shows. Where UDP is blocked, TCP to the seed's port 443 has to do.
. tests/net/lib.bash
lab <<'END'
seed  none
pub   none
par   port-restricted            # the partner
fc    full-cone
re    restricted
pr    port-restricted
li    linux
up    upnp
isp   cgn
home  port-restricted behind=isp # two NATs
sym   symmetric
symb  symmetric
seq   symmetric-seq
seqb  symmetric-seq
block udp-blocked
END
HOST[seed]=seed
s=$($natlab addr seed)
r seed create home --host seed --range 10.77.0.0/16 --ip $SEED_IP --listen 0.0.0.0:7464 --listen 0.0.0.0:443 \
  --advertise "$s:7464" --advertise "$s:443" >/dev/null
start seed; await seed
nodes="pub par fc re pr li up home sym symb seq seqb block"
for node in $nodes; do
  member $node "$([[ $node == pub ]] && echo pub || echo ${node}1)" seed
done
declare -A ip=()
ip[seed]=$SEED_IP
for node in $nodes; do
  ip[$node]=$(jq -r '.networks[0].ipv4' < <(r "$node" status --json))
  await $node
done

# A pair a line: from, to, and whether the path must be direct.
pairs="pub par direct
fc par direct
re par direct
pr par direct
li par direct
up par direct
home par direct
home fc direct
sym fc direct
sym re direct
seq fc direct
seq re direct
sym pub direct
seq pub direct
sym par -
seq par -
seq seqb -
seq sym -
sym symb -
block seed direct
block pub -
block par -"

while read -r a b _; do
  $natlab exec "${HOST[$a]}" ping -D -n -i 0.2 -w 20 "${ip[$b]}" >"$TMPDIR/$a-$b.ping" 2>&1 &
  PID[ping-$a-$b]=$!
done <<<"$pairs"
sleep 2
open() { # the pairs that should be direct and are not
  local a b want
  while read -r a b want; do
    if [[ $want == direct ]] && ! direct "$a" "$b"; then echo "$a-$b"; fi
  done <<<"$pairs"
}
all_direct() { [[ -z $(open) ]]; }
within 12 all_direct || true
sleep 2
while read -r a b _; do kill -INT "${PID[ping-$a-$b]}" 2>/dev/null || true; wait "${PID[ping-$a-$b]}" || true; done <<<"$pairs"

printf '%-14s %-9s %-9s %-11s %-9s %s\n' PAIR THERE BACK ANSWERED FIRST VERDICT
while read -r a b want; do
  there=$(path "$a" "$b"); back=$(path "$b" "$a")
  got=$(grep -c 'bytes from' "$TMPDIR/$a-$b.ping" || true)
  sent=$(awk '/packets transmitted/ { print $1 }' "$TMPDIR/$a-$b.ping")
  first=$(awk '/bytes from/ { split($6, s, "="); printf "%.1f s", (s[2] - 1) * 0.2; exit }' "$TMPDIR/$a-$b.ping")
  verdict=fine
  if [[ $want == direct ]]; then
    [[ $there == direct && $back == direct ]] || verdict="NOT DIRECT"
  elif [[ $there != direct || $back != direct ]]; then
    verdict="not direct yet"
  fi
  [[ $got -gt 0 ]] || verdict="NO TRAFFIC"
  printf '%-14s %-9s %-9s %-11s %-9s %s\n' "$a-$b" "${there:--}" "${back:--}" "$got of ${sent:-0}" "${first:--}" "$verdict"
  case $verdict in NOT* | NO*) bad "$a-$b: $verdict: $(r "$a" why "${ip[$b]}" 2>&1 | sed -n '2p;/^[0-9a-z]* [0-9]*\./p')" ;; esac
done <<<"$pairs"
[[ $(peer block seed endpoint) == tcp:*:443 ]] || bad "where UDP is blocked, the seed is reached at $(peer block seed endpoint)"
verdict
