#!/bin/bash
# Started as root, the daemon becomes `nobody` with two capabilities, and still does its work: the
# state directory lies below one that only root may enter, networks and devices come and go, the
# host's address changes, what it remembers is written.
. tests/net/lib.bash
lab <<'END'
seed none addrs=2
ann  port-restricted
END
mkdir -m 700 "$TMPDIR/root" # HOST and logs are below $TMPDIR, the state is not
HOST=([root/seed]=seed [root/ann]=ann1)
s=$($natlab addr seed)
n=root/seed a=root/ann
state=$TMPDIR/root/ann
r $n create home --host seed --range 10.77.0.0/16 --ip $SEED_IP --advertise "$s:7464" >/dev/null
sed -i 's/^\[node\]$/&\nuser = nobody/' "$TMPDIR/$n/ringlet.conf"
r $n config check >/dev/null || fail "user = nobody is refused"
r $n invite >"$TMPDIR/token"
r $a join - --host ann <"$TMPDIR/token" >/dev/null
sed -i 's/^\[node\]$/&\nuser = nobody/' "$state/ringlet.conf"
chown root:root "$TMPDIR/root"; chmod 700 "$TMPDIR/root"
written() { stat -c %Y.%i "$state/peers" 2>/dev/null || echo none; }
before=$(written)
start $n; await $n
start $a; await $a
ann=$(ip4 $a)
within 10 reach $a $SEED_IP || fail "no traffic"

echo "== who it is"
for node in $n $a; do
  status=/proc/${PID[$node]}/status
  uid=$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "$status")
  [[ $uid == "$(id -u nobody) $(id -u nobody) $(id -u nobody) $(id -u nobody)" ]] || bad "$node: Uid is $uid, not nobody's"
  [[ $(awk '/^Gid:/ { print $2 }' "$status") == "$(id -g nobody)" ]] || bad "$node: Gid is not nobody's"
  [[ -z $(awk '/^Groups:/ { print $2 }' "$status") ]] || bad "$node: it still has groups"
  # CAP_NET_BIND_SERVICE is 10, CAP_NET_ADMIN 12; effective and permitted, nothing to inherit
  for set in CapEff CapPrm; do
    caps=$((16#$(awk -v k="$set:" '$1 == k { print $2 }' "$status")))
    [[ $caps == $((1 << 10 | 1 << 12)) ]] || bad "$node: $set is $(printf %x $caps), not 1400"
  done
  for set in CapInh CapAmb; do
    caps=$((16#$(awk -v k="$set:" '$1 == k { print $2 }' "$status")))
    [[ $caps == 0 ]] || bad "$node: $set is $(printf %x $caps)"
  done
  [[ $(awk '/^NoNewPrivs:/ { print $2 }' "$status") == 1 ]] || bad "$node: no_new_privs is not set"
done
[[ $(stat -c %a "$state/identity") == 600 && $(stat -c %a "$state/control.sock") == 600 ]] ||
  bad "identity and control.sock: modes $(stat -c %a "$state/identity" "$state/control.sock" | tr '\n' ' ')"
[[ $(stat -c %U "$state/identity" "$state/ringlet.conf" | tr '\n' ' ') == "nobody root " ]] ||
  bad "identity and ringlet.conf are $(stat -c %U "$state/identity" "$state/ringlet.conf" | tr '\n' ' ')"
[[ $(stat -c %U:%a "$TMPDIR/root") == root:700 ]] || bad "the parent directory was changed"

echo "== who may ask it"
cp "$RINGLET" "$TMPDIR/ringlet"; chmod 755 "$TMPDIR/ringlet"
status=0
$natlab exec ann1 setpriv --reuid=daemon --regid=daemon --clear-groups "$TMPDIR/ringlet" -d "$state" status >"$TMPDIR/out" 2>&1 || status=$?
[[ $status != 0 ]] || bad "another user may ask the daemon"

echo "== a network is added"
r $n create lan2 --host seed --range 10.88.0.0/16 --ip 10.88.0.1 >/dev/null || bad "create on a daemon that has dropped"
within 5 on seed ip -br address show to 10.88.0.1/16 || bad "create: no device"
[[ $(on seed ip -br address) == *10.88.0.1* ]] || bad "create: no address on a device"
[[ -s $TMPDIR/$n/networks/lan2/authority ]] || bad "create: no files"
r $n -n lan2 invite >"$TMPDIR/token" || bad "invite on a daemon that has dropped"
r $a join - --host ann <"$TMPDIR/token" >/dev/null || bad "join on a daemon that has dropped"
has_lan2() { [[ $(on ann1 ip -br address) == *10.88.* ]]; }
within 5 has_lan2 || bad "join: no device with an address"
r $a leave lan2 >/dev/null || bad "leave on a daemon that has dropped"
gone_lan2() { ! has_lan2; }
within 5 gone_lan2 || bad "leave: the address is still there"

echo "== the host's address changes"
on ann ip address add 192.168.77.1/24 dev lan
dev=$(on ann1 ip -j route get 1.1.1.1 | jq -r '.[0].dev')
on ann1 sh -c "ip address flush dev $dev scope global && ip address add 192.168.77.11/24 dev $dev && ip route replace default via 192.168.77.1"
within 15 reach $a $SEED_IP || bad "no traffic after the address changed"

echo "== the cable is out, and in again"
on ann1 ip link set "$dev" down
sleep 1
on ann1 ip link set "$dev" up
on ann1 ip route replace default via 192.168.77.1
within 20 reach $a $SEED_IP || bad "no traffic after the link was down"

echo "== reload, and what is remembered"
sed -i 's/^\[node\]$/&\nlog = debug/' "$state/ringlet.conf"
r $a reload >/dev/null || bad "reload"
kill -HUP "${PID[$a]}"
sleep 0.5
kill -0 "${PID[$a]}" || fail "SIGHUP ended the daemon"
reach $a $SEED_IP >/dev/null || bad "no traffic after reload"
r $a stop >/dev/null || bad "stop"
wait "${PID[$a]}" || bad "the daemon ended with status $?"
after=$(written)
[[ $after != none && $after != "$before" ]] || bad "peers was not written by the daemon that has dropped ($before, $after)"
[[ $(on ann1 ip -br link) != *ring0* ]] || bad "the device is still there after stop"
start $a; await $a
within 10 reach $a $SEED_IP || bad "no traffic after its second start, with files that are nobody's"

echo "== a daemon that was taken over chooses its user"
r $a stop >/dev/null || bad "stop"
wait "${PID[$a]}" || true
[[ $(stat -c %U "$state/ringlet.conf") == nobody ]] || bad "the daemon's own ringlet.conf is not its own"
refused() { # refused USER: as root it does not start with that
  sed -i "s/^user = .*/user = $1/" "$state/ringlet.conf"
  status=0
  timeout 10 $natlab exec ann1 "$RINGLET" -d "$state" run >"$TMPDIR/out" 2>&1 || status=$?
  [[ $status == 1 ]] && grep -q "not believed" "$TMPDIR/out" || bad "user = $1 of nobody's file: status $status: $(tail -n 2 "$TMPDIR/out")"
}
refused root
refused daemon
# a verb of root's that rewrites the file does not make it root's
r $n -n lan2 invite >"$TMPDIR/token"
r $a join - --host ann <"$TMPDIR/token" >/dev/null || bad "join without a daemon"
[[ $(stat -c %U "$state/ringlet.conf") == nobody ]] || bad "root's join made nobody's ringlet.conf root's"
refused root
chown root "$state/ringlet.conf"
sed -i "s/^user = .*/user = daemon/" "$state/ringlet.conf"
start $a; await $a
[[ $(stat -c %U "/proc/${PID[$a]}") == daemon || $(awk '/^Uid:/ { print $3 }' "/proc/${PID[$a]}/status") == $(id -u daemon) ]] ||
  bad "user = daemon of root's file is not taken"
verdict
