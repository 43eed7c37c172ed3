#!/bin/bash
# Every verb against running daemons: exit statuses, JSON keys and types, targets by id, address and
# name, --json before and after the verb, -n, and what works with and without a daemon.
. tests/net/lib.bash
set +e # goes on after a failure, to list them all
lab <<'END'
seed none
ann  none
bob  none
new  none
END
out=$TMPDIR/out err=$TMPDIR/err

v() { # v STATUS NODE ARG...: run it; stdout is in $out, stderr in $err; wrong status: a failure
  local want=$1 got=0
  shift
  timeout 20 $natlab exec "${HOST[$1]}" "$RINGLET" -d "$TMPDIR/$1" "${@:2}" >"$out" 2>"$err" || got=$?
  WHAT="$1: ringlet ${*:2}"
  WHAT=${WHAT:0:100}
  [[ $got == "$want" ]] || { bad "$WHAT: exit status $got, not $want: $(head -c 300 "$out" "$err" | tr '\n' ' ')"; return 1; }
  [[ $want == 0 ]] || grep -q -- --json <<<"$*" || # an error is one line: what: what to do
    [[ $(wc -l <"$err") == 1 && $(<"$err") =~ ^ringlet:\ .+:\ .+ ]] || { bad "$WHAT: not 'ringlet: what: what to do': $(<"$err")"; return 1; }
}
j() { v "$@" && { jq -e . "$out" >/dev/null 2>&1 || bad "$WHAT: no JSON: $(head -c 200 "$out")"; }; } # with --json
is() { jq -e "$1" "$out" >/dev/null 2>&1 || bad "$WHAT: not $1: $(jq -c . "$out" 2>/dev/null | head -c 400)"; }
has() { # has PATH KEY:TYPE[|TYPE]...: what is at PATH in $out (each, if a list) has these keys
  local wrong
  wrong=$(jq -r --arg want "${*:2}" "[$1]"' | if length == 0 then "nothing there" else .[] end |
    if type != "object" then "not an object" else . as $o | $want | split(" ")[] | split(":") |
      .[0] as $k | (.[1] | split("|")) as $types |
      if ($o | has($k) | not) then "no \($k)"
      elif ($types | index($o[$k] | type)) == null then "\($k) is \($o[$k] | type)"
      else empty end end' "$out" 2>&1) || true
  [[ -z $wrong ]] || bad "$WHAT: $1: $(tr '\n' ',' <<<"$wrong")"
}
error() { # error CODE: the JSON failure
  has . error:object; has .error code:string message:string hint:string
  is ".error.code == \"$1\""
}

echo "== before there is a daemon"
HOST=([seed]=seed [ann]=ann [bob]=bob)
s=$($natlab addr seed)
j 0 seed create home --host seed --range 10.77.0.0/16 --ip $SEED_IP --advertise "$s:7464" --json
has . ok:boolean id:string ipv4:string ipv6:string; is '.ok and .ipv4 == "10.77.0.1"'
v 1 seed create home
j 1 seed create home --json; error exists
j 1 seed --json create home; error exists
v 3 seed status; v 3 seed peers; j 3 seed ping ann --json; error no-daemon
v 3 seed stop; v 3 seed reload
v 3 seed status --wait joined --timeout 1s
j 0 seed invite --json; has . ok:boolean token:string
j 0 seed --json invites; has '.[]' network:string; is length==1
v 0 seed config check; v 0 seed --version; v 0 seed --help
v 2 seed bogus; v 2 seed create; v 2 seed ping; v 2 seed status --bogus; v 2 seed invite --uses many
j 2 seed --json bogus; error usage
v 1 ann invite; v 1 ann join ringlet1rubbish; j 1 ann join --json ringlet1rubbish; error bad-token
for verb in create invite join run status peers members invites ping trace why lookup send watch leave reload stop log call; do
  v 0 seed $verb --help && grep -q '^example: .*ringlet' "$out" || bad "ringlet $verb --help has no example"
done
for verb in help "help ping" "config --help" "put --help"; do
  # shellcheck disable=SC2086 # words
  v 0 seed $verb && [[ $(<"$out") == usage:* ]] || bad "ringlet $verb is no help: $(head -n 1 "$out")"
done
v 0 seed link --help && [[ $(grep -Ec '^usage: .* link (add|drop|list)' "$out") == 3 ]] || bad "link --help: $(<"$out")"
v 0 seed log --help && grep -q ' link path ring .* drop' "$out" || bad "log --help does not list the trace classes: $(<"$out")"
v 0 seed create --help && grep -q -- '--l2.*not in this version' "$out" || bad "create --help: --l2 looks as if it worked"
v 0 seed put --help && ! grep -q '^example' "$out" || bad "put --help: an example of what fails"
v 1 ann join ringlet9whatever && grep -q "newer version" "$err" || bad "a token of a newer version: $(<"$err")"

echo "== the example of --help, typed as it stands"
example=$("$RINGLET" --help | sed -n 's/^example: //p')
RINGLET_DIR=$TMPDIR/example PATH=$(dirname "$RINGLET"):$PATH \
  $natlab exec new bash -c "$example; ringlet stop" >"$out" 2>"$TMPDIR/example.log"
grep -q '^ringlet1' "$out" || bad "example: no token: $(tail -n 3 "$out" "$TMPDIR/example.log")"

echo "== daemons"
start seed; await seed
v 0 seed invite --host ann; cp "$out" "$TMPDIR/token" # with a daemon, and a name
[[ $(wc -l <"$out") == 1 && $(<"$out") == ringlet1* ]] || bad "invite prints $(<"$out")"
v 0 ann join "$(<"$TMPDIR/token")"
v 0 ann join "$(<"$TMPDIR/token")" && grep -qi already "$out" "$err" || bad "joining twice does not say 'already': $(cat "$out" "$err")"
start ann
v 0 ann status --wait joined
v 0 seed invite; cp "$out" "$TMPDIR/token"
j 0 bob join --json "$(<"$TMPDIR/token")" --host bob; has . ok:boolean id:string ipv4:string ipv6:string
start bob # a name that is only joining: the first answer may take 10 s
j 0 ann ping bob -c 1 --json; is '.received == 1'
await bob
ann=$(ip4 ann) ann_id=$(node_id ann) seed_id=$(node_id seed) bob_id=$(node_id bob)
within 12 reach ann $SEED_IP || bad "no traffic between ann and seed"
within 12 reach bob "$ann" || bad "no traffic between bob and ann"

echo "== of oneself, and of nothing"
v 0 ann trace ann && grep -q 'this node itself' "$out" || bad "trace of oneself: $(<"$out")"
v 0 ann why ann && ! grep -q '^there' "$out" || bad "why, of oneself: $(<"$out")"
j 0 ann why ann --json; is .self
v 0 ann send ann hello && grep -q 'taken by ann, this node itself$' "$out" || bad "send to oneself: $(<"$out")"
v 2 ann log link,nosuch; grep -q ' link path ring .* drop' "$err" || bad "a wrong class: the right ones are not named: $(<"$err")"
v 0 ann link list && grep -q '^ID' "$out" || bad "link list, piped, has no header: $(<"$out")"
script -qec "'$RINGLET' -d '$TMPDIR/ann' link list" /dev/null >"$out" 2>&1 </dev/null
grep -q '^no pinned links' "$out" || bad "link list on a terminal: $(<"$out")"

echo "== looking"
for order in "--json status" "status --json"; do
  # shellcheck disable=SC2086 # two words
  j 0 ann $order
  has . id:string version:string state:string ring:object listen:array observed:array nat:object \
    networks:array links:object sessions:number uptime_s:number rx_bytes:number tx_bytes:number
  has .ring left:array right:array estimate:number
  has .nat mapping:string filtering:string gateway:string hairpin:string
  has '.networks[]' name:string id:string host:string range:string 'ipv4:string|null' ipv6:string device:string mtu:number mode:string
  has .links near:number far:number demand:number leaf:number pinned:number
  is '.state == "joined" and .networks[0].host == "ann" and .networks[0].mode == "l3" and .networks[0].mtu == 1380'
done
v 0 ann status --wait joined --timeout 2s
v 1 ann status --wait alone --timeout 1s
v 2 ann status --wait nonsense
j 0 ann peers --json; is 'length >= 1'
has '.[]' id:string 'network:string|null' 'name:string|null' 'ipv4:string|null' 'ipv6:string|null' links:array path:string \
  'endpoint:string|null' 'via:string|null' 'rtt_ms:number|null' 'mtu:number|null' rx_bytes:number tx_bytes:number since_s:number 'why:string|null'
is 'all(.[]; .path | IN("direct", "relayed", "routed", "none"))'
is 'all(.[]; (.path == "direct") == (.endpoint != null) and (.path == "relayed") == (.via != null))'
is 'all(.[]; all(.links[]; IN("near", "far", "demand", "leaf", "pinned")))'
j 0 ann members --json; has '.[]' id:string network:string 'name:string|null' 'ipv4:string|null' ipv6:string groups:array expires_s:number revoked:boolean up:boolean seen_s:number
is 'all(.[]; .up)'
v 0 ann members && grep -q '^ann .*this node' "$out" && grep -q '^bob .* now ' "$out" || bad "members do not tell who is there: $(<"$out")"
v 0 ann why bob && grep -q "^bob ($bob_id)$" "$out" && [[ $(grep -c 'answers, in use' "$out") == 1 ]] ||
  bad "why bob: not its name, or not the endpoint in use: $(<"$out")"
j 0 seed invites --json; has '.[]' network:string
for target in "$seed_id" $SEED_IP seed; do # by id, address, name
  j 0 ann ping "$target" -c 2 -i 0.1 --json
  has . id:string sent:number received:number rtt_ms:object 'path:string|null' 'hops:number|null' answers:array
  has .rtt_ms min:number avg:number max:number; has '.answers[]' seq:number 'rtt_ms:number|null' 'path:string|null'
  is ".id == \"$seed_id\" and .sent == 2 and .received == 2 and .path == \"direct\""
  j 0 ann lookup "$target" --json; has . id:string name:string ipv4:string ipv6:string source:string
  is ".id == \"$seed_id\" and .name == \"seed\" and .ipv4 == \"$SEED_IP\" and (.source | IN(\"certificate\", \"cache\", \"ring\"))"
  j 0 ann why "$target" --json
  has . id:string path:string verdict:string local:object remote:object tried:array 'next_s:number|null'
  has .local mapping:string filtering:string; has .remote mapping:string filtering:string
  j 0 ann trace "$target" --json; has . target:string ok:boolean hops:array; is .ok
  has '.hops[]' id:string 'name:string|null' 'rtt_ms:number|null'
done
v 0 ann ping seed -c 1 && grep -q 'direct' "$out" || bad "ringlet ping seed does not name the path"
j 0 ann ping ann -c 1 --json; is '.path == "none" and .received == 1' # to itself
j 0 ann ping "$ann" -c 1 --json; is '.path == "none"'
j 0 ann lookup ann --json; is '.source == "self"'
v 1 ann ping nobody -c 1 -W 1; v 1 ann why nobody; v 1 ann lookup nobody; j 1 ann --json trace nobody; error not-found
v 1 ann ping 10.77.254.253 -c 1 -W 1
j 0 ann call status --json; is .id==\"$ann_id\"
j 0 ann call ping '{"target":"seed","count":1}' --json; is '.received == 1'
v 1 ann call nonsense; v 2 ann call ping 'not json'

echo "== changing"
v 0 ann log debug; v 0 ann log info; v 2 ann log nonsense
v 0 ann reload
j 0 ann reload --json; is .ok
cp "$TMPDIR/ann/ringlet.conf" "$TMPDIR/conf"
sed -i '/^\(threads\|offload\) =/d; s/^\[node\]$/&\nthreads = 1/' "$TMPDIR/ann/ringlet.conf"
j 0 ann reload --json; is '.restart == []' # what it has by default
sed -i 's/^threads = 1$/threads = 3\noffload = no/' "$TMPDIR/ann/ringlet.conf"
j 0 ann reload --json; is '.restart == ["offload","threads"]'
cp "$TMPDIR/conf" "$TMPDIR/ann/ringlet.conf"; v 0 ann reload
$natlab exec ann "$RINGLET" -d "$TMPDIR/ann" watch --json >"$TMPDIR/watched" 2>&1 &
watcher=$!
j 0 seed create lan2 --range 10.88.0.0/16 --ip 10.88.0.1 --host seed --json; is '.ok and .ipv4 == "10.88.0.1"' # on a running daemon
v 1 seed create lan2
within 5 on seed ip -br address show to 10.88.0.1 && on seed ip -br address | grep -q 10.88.0.1 ||
  bad "the second network has no device with its address, without a restart"
j 0 seed status --json; is '[.networks[].name] | sort == ["home", "lan2"]'; is '[.networks[].device] | unique | length == 2'
v 2 seed invite
grep -q home "$err" && grep -q lan2 "$err" || bad "the ambiguous invite does not list the networks: $(<"$err")"
j 2 seed invite --json; error ambiguous
v 0 seed -n lan2 invite; cp "$out" "$TMPDIR/token"
v 1 seed -n nosuch invite
v 0 ann join - --host ann <"$TMPDIR/token"
within 10 on ann ping -n -q -c 1 -W 1 10.88.0.1 || bad "ann does not reach the second network, without a restart"
j 0 ann status --json; is '[.networks[].name] | sort == ["home", "lan2"]'
j 0 ann ping 10.88.0.1 -c 1 --json; is '.received == 1'
j 0 ann -n lan2 ping seed -c 1 --json; is '.received == 1'
j 0 ann leave lan2 --json; is .ok
j 0 ann status --json; is '[.networks[].name] == ["home"]'
v 1 ann leave nosuch
reach ann $SEED_IP >/dev/null || bad "leaving one network took the other"

echo "== ending"
j 0 bob stop --json; is .ok
wait "${PID[bob]}" && : || bad "bob's daemon ended with status $?"
v 3 bob status
grep -q '^{' "$TMPDIR/watched" || within 8 grep -q '^{' "$TMPDIR/watched" || bad "watch said nothing, although a peer stopped"
kill -0 $watcher || bad "watch ended: $(tail -n 1 "$TMPDIR/watched")"
cp "$TMPDIR/watched" "$out"; WHAT="ann: ringlet watch"; has . at_ms:number event:string
jq -c 'select(.event == "peer-down" and .name == "bob")' "$TMPDIR/watched" >"$out"; has . id:string 'why:string|null'
j 0 ann members --json; is 'any(.[]; .name == "bob" and (.up | not))'
v 0 ann members && grep -q '^bob .* ago ' "$out" || bad "bob has stopped, and members does not say so: $(<"$out")"
v 1 ann why bob; grep -q 'there is no session with bob: send it something first' "$err" || bad "why, of a member that has stopped: $(<"$err")"
v 1 ann ping bob -c 1; grep -q 'the ring does not find bob now: .*members' "$err" || bad "ping, of a member that has stopped: $(<"$err")"
j 1 ann ping "$bob_id" -c 1 --json; error not-found
j 3 bob watch --json; error no-daemon; [[ $(wc -l <"$out") == 1 ]] || bad "watch --json: the error is not one line, as events are"
for node in seed ann bob; do # neighbours came and went
  [[ $(grep -c "joined the ring" "$TMPDIR/$node.log") == 1 ]] || bad "$node joined the ring $(grep -c "joined the ring" "$TMPDIR/$node.log") times"
done
start bob; await bob
within 3 grep -q '"peer-up"' "$TMPDIR/watched" || bad "watch does not tell that bob is back"
kill $watcher; wait $watcher || true
jq -c 'select(.event == "peer-up" and .name == "bob")' "$TMPDIR/watched" >"$out"
WHAT="ann: ringlet watch"; has . id:string path:string 'endpoint:string|null' 'via:string|null'
is '.path == "direct" and .endpoint != null'
[[ $(wc -l <"$out") == 1 ]] || bad "$WHAT: bob is up more than once: $(<"$out")"
v 0 bob stop
HOST[dup]=bob # another node with ann's name
v 0 seed -n home invite; cp "$out" "$TMPDIR/token"
v 0 dup join - --host ann <"$TMPDIR/token"
start dup --no-tun
# the one of the two whose claim the record's root saw later; who has just come may be that root, and not know the other's yet
told_of_dup() { grep -q "the name ann is also held by" "$TMPDIR/dup.log" "$TMPDIR/ann.log"; }
within 20 told_of_dup || bad "nobody told ann and dup that they have one name: $(tail -n 3 "$TMPDIR/dup.log")"
v 0 dup stop
v 0 bob leave && grep -q 'the last one' "$out" || bad "leaving the last network: $(<"$out")" # without a daemon
kill9 seed
v 3 seed status # a socket that nobody serves
start seed; await seed
j 0 seed status --json; is '[.networks[].name] | sort == ["home", "lan2"]' # both are still there
verbs=$("$RINGLET" --help)
for verb in netcheck put claim get remove send revoke renew authority policy route link; do
  grep -q "^  $verb" <<<"$verbs" || echo "not yet: ringlet $verb"
done
verdict
