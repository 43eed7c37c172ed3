#!/bin/bash
# Starts that must fail: each says in one line what is wrong and what to do, exits as promised, and
# changes nothing in the state directory.
. tests/net/lib.bash
set +e # goes on after a failure, to list them all
lab <<'END'
seed none
two  none
three none
four none
END
HOST=([seed]=seed [good]=two [other]=two [thief]=three)
s=$($natlab addr seed)
sums() { (cd "$1" && find . -type f ! -name lock -print0 | sort -z | xargs -0r sha256sum; find . ! -type f ! -name control.sock | sort) 2>/dev/null; }

# refused STATUS TEXT DIR COMMAND...: it ends by itself with STATUS, one line of stderr that matches
# TEXT, and DIR is as before
refused() {
  local want=$1 text=$2 dir=$3 got=0 before line
  shift 3
  before=$(sums "$dir")
  on "$place" timeout 10 "$@" >"$TMPDIR/out" 2>"$TMPDIR/err" || got=$?
  line=$(grep -v '^20[0-9-]*T' "$TMPDIR/err") # lines of the log begin with the time
  if [[ $got == 124 ]]; then bad "$WHAT: it runs: $(tail -n 1 "$TMPDIR/err")"; return; fi
  [[ $got == "$want" ]] || bad "$WHAT: exit status $got, not $want"
  [[ $(wc -l <<<"$line") == 1 && $line =~ ^ringlet:\ .+:\ .+ ]] || bad "$WHAT: not 'ringlet: what: what to do': $line"
  [[ $line =~ $text ]] || bad "$WHAT: nothing like '$text' in: $line"
  [[ $(sums "$dir") == "$before" ]] || bad "$WHAT: files were changed: $(diff <(echo "$before") <(sums "$dir") | tr '\n' ' ')"
  printf '%-34s %s\n' "$WHAT" "$line"
}
fresh() { rm -rf "$TMPDIR/bad"; cp -a "$TMPDIR/good" "$TMPDIR/bad"; } # a good state directory, to be spoilt
bad_run() { refused 1 "$1" "$TMPDIR/bad" "$RINGLET" -d "$TMPDIR/bad" run; }

r seed create home --host seed --range 10.77.0.0/16 --ip $SEED_IP --advertise "$s:7464" >/dev/null || fail create
r seed invite >"$TMPDIR/t1"; r seed invite >"$TMPDIR/t3"
r good join "$(<"$TMPDIR/t1")" --host good >/dev/null || fail join
start seed; await seed || exit 1

echo "== taken"
place=seed
WHAT="two daemons on one directory"; refused 1 '(already|another|runs)' "$TMPDIR/seed" "$RINGLET" -d "$TMPDIR/seed" run
WHAT="create: port in use"; refused 1 -- "$TMPDIR/new" "$RINGLET" -d "$TMPDIR/new" create other
grep -q -- --listen "$TMPDIR/err" || bad "$WHAT: does not name --listen"
[[ ! -e $TMPDIR/new/identity ]] || bad "$WHAT: it wrote an identity"
fresh; sed -i 's/^listen = .*/listen = 0.0.0.0:7464/' "$TMPDIR/bad/ringlet.conf"
WHAT="run: port in use"; bad_run 7464
place=two
on two ip address add 10.77.200.1/16 dev lo
fresh; WHAT="range collides with an address"; bad_run '10\.77\.200\.1'
on two ip address del 10.77.200.1/16 dev lo
on two ip route add 10.77.64.0/18 via "$s" dev "$(on two ip -j route get "$s" | jq -r '.[0].dev')" onlink
fresh; WHAT="range collides with a route"; bad_run '10\.77\.64\.0'
on two ip route del 10.77.64.0/18

echo "== missing"
fresh; WHAT="no /dev/net/tun"
refused 1 'tun' "$TMPDIR/bad" unshare -m sh -c 'mount -t tmpfs none /dev/net && exec "$@"' sh "$RINGLET" -d "$TMPDIR/bad" run
mkdir "$TMPDIR/empty"; WHAT="empty state directory"; refused 1 '(create|join)' "$TMPDIR/empty" "$RINGLET" -d "$TMPDIR/empty" run
WHAT="no state directory"; refused 1 '(create|join)' "$TMPDIR/nosuch" "$RINGLET" -d "$TMPDIR/nosuch" run
fresh; sed -i 's/^\[node\]$/&\nuser = nosuchuser/' "$TMPDIR/bad/ringlet.conf"; WHAT="no such user"; bad_run nosuchuser

echo "== not writable"
fresh; WHAT="state directory read-only"
refused 1 '(writable|write|read-only|Read-only)' "$TMPDIR/bad" unshare -m sh -c 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"' "$TMPDIR/bad" "$RINGLET" -d "$TMPDIR/bad" run
WHAT="plain user, root's directory"
cp "$RINGLET" "$TMPDIR/ringlet"; chmod 755 "$TMPDIR/ringlet"; chmod 711 "$TMPDIR"
refused 1 '(permission|Permission|root|owner)' "$TMPDIR/bad" setpriv --reuid=nobody --regid=nogroup --clear-groups "$TMPDIR/ringlet" -d "$TMPDIR/bad" run --no-tun

# in-full SOURCE COMMAND...: with a copy of SOURCE in a full $TMPDIR/full; status 98: a file was changed
mkdir "$TMPDIR/full"
cat >"$TMPDIR/in-full" <<'END'
full=$TMPDIR/full
sums() { (cd "$full" && find . -type f ! -name lock ! -name fill | sort | xargs sha256sum); }
mount -t tmpfs -o size=128k none "$full" && cp -a "$1/." "$full" || exit 99
shift
head -c 1000000 /dev/zero >"$full/fill" 2>/dev/null
before=$(sums)
"$@"
status=$?
[ "$before" = "$(sums)" ] || exit 98
exit $status
END
cp -a "$TMPDIR/seed" "$TMPDIR/founder"; rm -f "$TMPDIR/founder/control.sock"
for verb in invite "create second --range 10.88.0.0/16"; do
  WHAT="disk full: ${verb%% *}"
  # shellcheck disable=SC2086 # words
  refused 1 '(space|room)' "$TMPDIR/founder" unshare -m sh "$TMPDIR/in-full" "$TMPDIR/founder" \
    "$RINGLET" -d "$TMPDIR/full" $verb
done
WHAT="disk full: join"
mkdir "$TMPDIR/nothing"
refused 1 '(space|room)' "$TMPDIR/nothing" unshare -m sh "$TMPDIR/in-full" "$TMPDIR/nothing" \
  "$RINGLET" -d "$TMPDIR/full" join "$(<"$TMPDIR/t3")"

echo "== damaged"
for file in identity overlay networks/home/certificate; do
  for how in cut flip empty; do
    fresh
    case $how in
      cut) truncate -s -9 "$TMPDIR/bad/$file" ;;
      empty) : >"$TMPDIR/bad/$file" ;;
      flip) sed -i '$s/[a-z]\(.\{8\}\)$/0\1/' "$TMPDIR/bad/$file"; cmp -s "$TMPDIR/bad/$file" "$TMPDIR/good/$file" && tr 'a-y' 'b-z' <"$TMPDIR/good/$file" >"$TMPDIR/bad/$file" ;;
    esac
    WHAT="damaged ($how): $file"; bad_run "$(basename $file)"
    WHAT="damaged ($how), join: $file"; refused 1 "$(basename $file)" "$TMPDIR/bad" "$RINGLET" -d "$TMPDIR/bad" join "$(<"$TMPDIR/t3")"
  done
done
fresh; rm "$TMPDIR/bad/identity"; WHAT="identity missing"; bad_run identity
fresh; cp "$TMPDIR/seed/identity" "$TMPDIR/bad/identity"; WHAT="somebody else's identity"; bad_run '(identity|certificate)'

echo "== ringlet.conf"
conf() { # conf WHAT LINE TEXT: the line goes to the end of section [node], whose number is named
  fresh
  sed -i "s/^\[node\]\$/&\n$2/" "$TMPDIR/bad/ringlet.conf"
  WHAT=$1; bad_run "ringlet\.conf:$(grep -n -- "^$2\$" "$TMPDIR/bad/ringlet.conf" | head -n 1 | cut -d: -f1).*$3"
  WHAT="$1 (config check)"; refused 1 'ringlet\.conf:[0-9]+' "$TMPDIR/bad" "$RINGLET" -d "$TMPDIR/bad" config check
}
conf "wrong key" "colour = red" colour
conf "wrong value" "port-mapping = perhaps" "(perhaps|port-mapping)"
conf "wrong address" "listen = 300.1.2.3:99" 300.1.2.3
conf "wrong port" "listen = 0.0.0.0:99999" 99999
conf "no key at all" "rubbish" ""
fresh; printf "[network typo]\nmtu = 1300\n" >>"$TMPDIR/bad/ringlet.conf"
WHAT="section of no network (config check)"; refused 1 "network typo" "$TMPDIR/bad" "$RINGLET" -d "$TMPDIR/bad" config check
fresh; sed -i "s/^\[node\]\$/&\nuser = nosuchuser/" "$TMPDIR/bad/ringlet.conf"
WHAT="user who is not there (config check)"; refused 1 "no user nosuchuser" "$TMPDIR/bad" "$RINGLET" -d "$TMPDIR/bad" config check

echo "== tokens"
join() { WHAT=$1; refused 1 "$2" "$4" "$RINGLET" -d "$4" join "$3"; }
mkdir "$TMPDIR/t"; t=$(<"$TMPDIR/t3")
join "token: rubbish" token rubbish "$TMPDIR/t"
join "token: cut" token "${t:0:200}" "$TMPDIR/t"
join "token: one letter changed" token "${t:0:120}$([[ ${t:120:1} == a ]] && echo b || echo a)${t:121}" "$TMPDIR/t"
join "token: of a newer version" token "ringlet9${t:8}" "$TMPDIR/t"
cat >"$TMPDIR/later.c" <<'END'
#define _GNU_SOURCE /* the calendar is two days ahead */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *t)
{
    int e = (int)syscall(SYS_clock_gettime, id, t);
    if (id == CLOCK_REALTIME) t->tv_sec += 2 * 86400;
    return e;
}
END
gcc -shared -fPIC -o "$TMPDIR/later.so" "$TMPDIR/later.c" || bad "no library for a later date"
WHAT="token: expired"; refused 1 expired "$TMPDIR/t" env LD_PRELOAD="$TMPDIR/later.so" "$RINGLET" -d "$TMPDIR/t" join "$t"
WHAT="token: nothing on stdin"; refused 2 token "$TMPDIR/t" sh -c '"$0" -d "$1" join - </dev/null' "$RINGLET" "$TMPDIR/t"
r other create other --listen 0.0.0.0:7998 --advertise "$s:7998" >/dev/null || bad "a second overlay beside the first"
r other invite >"$TMPDIR/t4"
fresh; join "token: of another overlay" overlay "$(<"$TMPDIR/t4")" "$TMPDIR/bad"

# Its only seed is not there: that is said once, and meanwhile the rest of this test goes on.
HOST[lost]=four
r lost join "$(<"$TMPDIR/t4")" --seed nosuch.invalid:7464 >/dev/null || bad "lost: join"
start lost --no-tun

echo "== used up"
# What is there when somebody was refused: certificate, identity and configuration as before.
kept() { (cd "$TMPDIR/$1" && sha256sum identity overlay ringlet.conf networks/home/certificate); }
over() { [[ ! -e /proc/$1 || $(cut -d ' ' -f 3 "/proc/$1/stat") == Z ]]; }
# ended NODE STATUS TEXT: its daemon ends by itself, within 30 s, with one line that matches TEXT
ended() {
  local status=0 line
  within 30 over "${PID[$1]}" || { bad "$1: it goes on"; return; }
  wait "${PID[$1]}" || status=$?
  line=$(grep -v '^20[0-9-]*T' "$TMPDIR/$1.log" | grep -v '^ringlet: ready$')
  [[ $status == "$2" ]] || bad "$1: exit status $status, not $2"
  [[ $(wc -l <<<"$line") == 1 && $line =~ ^ringlet:\ .+:\ .+ && $line =~ $3 ]] || bad "$1: not one line like '$3': $line"
  printf '%-34s %s\n' "$1" "$line"
}
alive() { ! over "${PID[$1]}" || bad "$1: its daemon has ended"; within 15 reach "$1" $SEED_IP || bad "$1: cannot reach the seed"; }
slot_of() { r "$1" status --json | jq -r '.networks[0] | "\(.slot) \(.slot_state)"'; }
held() { [[ $(slot_of "$1") == ${2:-[0-9]}" held" ]]; }
spent() { [[ $(r seed invites --json | jq -r --arg u "$1" '[.[] | select(.uses == ($u | tonumber)) | .spent] | max') == "$2" ]]; }
HOST+=([first]=four [second]=three [third]=three)

# Used twice: offline nobody can know, it is the network that refuses the second.
start good; await good
within 15 held good 0 || bad "good: its slot is not held: $(slot_of good)"
alive good
r thief join "$(<"$TMPDIR/t1")" --host thief >/dev/null || bad "the second use of a token, offline: exit status $?"
before=$(kept thief)
start thief --no-tun
ended thief 1 "used up: its slot is held by $(node_id good): .*new invite"
[[ $(kept thief) == "$before" ]] || bad "thief: files were changed"
: >"$TMPDIR/thief.log"; start thief --no-tun # as often as it likes
ended thief 1 'used up'
alive good
within 5 spent 1 1 || bad "invites: spent is $(r seed invites --json | jq -c '[.[].spent]')"
shows_refused() { r good members | grep -q '^thief .* refused '; }
within 5 shows_refused || bad "members do not tell that the thief is refused: $(r good members)"
[[ $(r good members --json | jq -r '.[] | select(.name == "seed") | .slot_state') == null ]] || bad "members: the seed is on no invite"

# A token for two: the third is told so when it has looked at both slots.
r seed invite --uses 2 >"$TMPDIR/t5"
for n in first second; do
  r $n join "$(<"$TMPDIR/t5")" --host $n >/dev/null || bad "$n: join"
  [[ $(stat -c %a "$TMPDIR/$n/networks/home/invite") == 600 ]] || bad "$n: the invite's key can be read by others"
done
start first; start second --no-tun
for n in first second; do
  within 30 held $n || bad "$n: its slot is not held: $(slot_of $n)"
done
[[ $(slot_of first) != "$(slot_of second)" ]] || bad "both have slot $(slot_of first)"
r third join "$(<"$TMPDIR/t5")" --host third >/dev/null || bad "third: join"
before=$(kept third)
start third --no-tun
ended third 1 'used up: its slots are held by others'
[[ $(kept third) == "$before" ]] || bad "third: files were changed"
within 5 spent 2 2 || bad "invites: spent is $(r seed invites --json | jq -c '[.[].spent]')"
alive good; alive first
within 15 r second ping seed -c 1 || bad "second: cannot ping the seed"

# With another invite the refused one gets in, where it is.
r third join "$(<"$TMPDIR/t5")" | grep -q already || bad "the same token once more: not 'already'"
r seed invite >"$TMPDIR/t6"
r third join "$(<"$TMPDIR/t6")" --host third >/dev/null || bad "third: join with a new token"
: >"$TMPDIR/third.log"; start third --no-tun
within 30 held third || bad "third, with a new invite: $(slot_of third)"

echo "== nobody answers"
silent() { grep -c "warn  no seed answers: $s:7998, nosuch\.invalid:7464 (a name without an address): is a daemon" "$TMPDIR/lost.log"; }
within 15 silent || bad "lost does not say that its seeds are silent: $(<"$TMPDIR/lost.log")"
[[ $(silent) == 1 ]] || bad "lost says it $(silent) times"
grep -q 'no seed answers' "$TMPDIR"/{seed,good,first,second}.log && bad "who has sessions says that no seed answers"
verdict
