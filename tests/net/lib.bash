# tests/net/lib.bash - what the tests of real daemons share; sourced by them.
#
# Given by the runner: RINGLET, NATLAB_PREFIX, TMPDIR; by whoever wants it, THREADS: of each daemon. A node of these tests has one name: that of
# its state directory ($TMPDIR/NAME), its host name, and, through HOST, its place in the laboratory.
# A failed test prints why, and the tails of all daemons' logs; the laboratory and everything in it
# is removed however the test ends.
set -euo pipefail
shopt -s inherit_errexit

: "${RINGLET:?}" "${NATLAB_PREFIX:?}" "${TMPDIR:?}"
natlab=tests/natlab/natlab
SEED_IP=10.77.0.1
declare -A HOST=() PID=()
FAILED=() # what failed, to be said at the end

finish() {
  local status=$? log logs=("$TMPDIR"/*.log) line
  trap - EXIT INT TERM
  $natlab down || status=1
  if [[ $status != 0 && $status != 77 ]]; then
    for log in "${logs[@]}"; do
      [[ ! -s $log ]] || { echo "--- $(basename "$log")"; tail -n $((3 + 30 / ${#logs[@]})) "$log"; }
    done
    [[ ${#FAILED[@]} -gt 0 ]] || FAILED=("exit status $status of: ${BASH_COMMAND}")
    for line in "${FAILED[@]}"; do echo "FAILED: $line"; done
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() { FAILED+=("$*"); exit 1; }                                # ends the test
bad() { FAILED+=("$*"); echo "FAILED: $*"; }                       # goes on; `verdict` ends it
verdict() { [[ ${#FAILED[@]} == 0 ]] || exit 1; }
now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo "${t%???}"; }

lab() { cat >"$TMPDIR/lab.spec"; $natlab up "$TMPDIR/lab.spec"; } # the spec on standard input
on() { $natlab exec "$@"; }                                       # on HOST COMMAND...
r() { on "${HOST[$1]}" "$RINGLET" -d "$TMPDIR/$1" "${@:2}"; }     # r NODE VERB...

seed() { # seed NODE HOST: makes network "home" on a public host, and starts it
  HOST[$1]=$2
  r "$1" create home --host "$1" --range 10.77.0.0/16 --ip $SEED_IP \
    --advertise "$($natlab addr "$2"):7464" >/dev/null
  start "$1"
  await "$1"
}
member() { # member NODE HOST INVITER: joins with an invite of INVITER, and starts
  HOST[$1]=$2
  r "$3" invite >"$TMPDIR/token"
  r "$1" join - --host "$1" <"$TMPDIR/token" >/dev/null
  start "$1"
}
start() { # start NODE [OPTION...]: its daemon, in the background
  # A plain command, not a function: $! is then the daemon itself, for natlab and ip only exec.
  local own=()
  [[ -z ${THREADS:-} || " ${*:2}" == *' --threads'* ]] || own=(--threads "$THREADS")
  $natlab exec "${HOST[$1]}" "$RINGLET" -d "$TMPDIR/$1" run "${own[@]}" "${@:2}" \
    >>"$TMPDIR/$1.log" 2>&1 &
  PID[$1]=$!
}
restart() { # restart NODE...: all of them end, then all start
  local node
  for node; do kill "${PID[$node]}"; wait "${PID[$node]}" || true; done
  for node; do start "$node"; done
  for node; do await "$node"; done
}
await() { # await NODE [STATE]: until it has joined
  r "$1" status --wait "${2:-joined}" --timeout 15s >/dev/null || fail "$1 is not ${2:-joined}"
}
kill9() { # kill9 NODE
  local status=0
  [[ $(readlink "/proc/${PID[$1]}/exe") == "$(readlink -f "$RINGLET")" ]] || fail "$1's daemon is not there"
  kill -9 "${PID[$1]}"
  wait "${PID[$1]}" 2>/dev/null || true
  r "$1" status >/dev/null 2>&1 || status=$?
  [[ $status == 3 ]] || fail "$1 was killed, but 'ringlet status' exits with $status"
}
within() { # within SECONDS COMMAND...: whether it succeeds in that time; tried ten times a second
  local end=$(($(now_ms) + $1 * 1000))
  until "${@:2}" >/dev/null 2>&1; do
    [[ $(now_ms) -lt $end ]] || return 1
    sleep 0.1
  done
}
listens() { [[ -n $(on "${HOST[$1]}" ss -Hln "$3" "sport = :$2") ]]; } # listens NODE PORT -t|-u
ip4() { r "$1" status --json | jq -r '.networks[0].ipv4'; }
node_id() { r "$1" status --json | jq -r .id; }
peer() { r "$1" peers --json | jq -r --arg n "$2" --arg k "$3" '.[] | select(.name == $n) | .[$k]'; } # peer A B KEY
path() { peer "$1" "$2" path; }                                       # path A B: of A to B
direct() { [[ $(path "$1" "$2") == direct && $(path "$2" "$1") == direct ]]; } # both ways
reach() { on "${HOST[$1]}" ping -n -q -c 1 -W "${3:-1}" "$2"; }       # reach NODE ADDRESS

# couple KIND [PUBLIC...]: a seed, other public members, ann behind a port-restricted NAT and ben behind
# one of KIND, all joined, and a direct path between ann and ben. Sets $ann and $ben, their addresses.
couple() {
  local node
  {
    printf '%s none delay=5\n' seed "${@:2}"
    printf '%s delay=10\n' "ann port-restricted" "ben $1"
  } | lab
  seed seed seed
  for node in "${@:2}"; do member "$node" "$node" seed; done
  member ann ann1 seed
  member ben ben1 seed
  for node in "${@:2}" ann ben; do await "$node"; done
  ann=$(ip4 ann) ben=$(ip4 ben)
  within 12 reach ben "$ann" || fail "no traffic at all"
  within 15 direct ann ben || fail "no direct path to begin with"
}
direct_again() { # direct_again SINCE_MS: ann and ben, by the address that ann's router has now
  if within 15 direct ann ben; then
    echo "direct again, $(peer ben ann endpoint)"
    [[ $(peer ben ann endpoint) == "$($natlab addr ann):"* ]] ||
      bad "ben uses $(peer ben ann endpoint), ann's router has $($natlab addr ann)"
  else
    bad "not direct again after $(($(now_ms) - $1)) ms: '$(path ann ben)'"
  fi
}

stream() { # stream NODE ADDRESS SECONDS: ten pings a second in the background; then `silence NODE`
  $natlab exec "${HOST[$1]}" ping -D -n -i 0.1 -c "$(($3 * 10))" "$2" >"$TMPDIR/$1.ping" 2>&1 &
  PID[ping-$1]=$!
}
# silence NODE: waits for its stream, and sets sent, answered and gap, the longest time without an
# answer, in ms
silence() {
  wait "${PID[ping-$1]}" || true
  read -r sent answered gap < <(awk '
    /bytes from/ { t = substr($1, 2) * 1000; seq = substr($6, 10)
                   if (last && t - last > gap) gap = t - last
                   last = t }
    /packets transmitted/ { sent = $1; got = $4 }
    END { if ((sent - seq) * 100 > gap) gap = (sent - seq) * 100
          printf "%d %d %d\n", sent, got, gap }' "$TMPDIR/$1.ping")
}
