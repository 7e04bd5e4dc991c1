# SPDX-License-Identifier: GPL-2.0-only
# What the scenarios `offloads-*` share, for hosts that offer different things. POSIX sh, runs in the guest.
# shellcheck shell=sh
# What is sent is another each time. A scenario's argument is the seed that an earlier run told, to have it again:
# `tests/run boot [--profile P] [--host KEY=VALUE] -- /src/tests/scenarios/NAME SEED`.

. /src/tests/guest/lib.sh

seed=${1:-$(shuf -i 1-999999999 -n 1)}
server= vlanpeer=
lro=$(feature large-receive-offload)
at_exit() {
	say "the seed was $seed"
	[ -z "$server" ] || kill $server
	[ -z "$vlanpeer" ] || kill "$vlanpeer"
	[ ! -e /sys/class/net/vlan5 ] || ip link del vlan5
	peer ethtool -K tap0 gro on
	host do rsc hold 0
	for name in $toggled; do
		ethtool -K "$IFACE" "$name" on >/dev/null
	done
	# which the stack puts off where there is a VLAN
	ethtool -K "$IFACE" lro "$lro"
}

toggled=
for name in rx-checksumming tx-checksum-ipv4 tx-checksum-ipv6 tx-scatter-gather tx-tcp-segmentation tx-tcp6-segmentation \
	tx-generic-segmentation; do
	[ "$(feature "$name")" = off ] || toggled="$toggled $name"
done

# expected: does the guest's kernel leave segments to be cut, and packets to be summed up, of IPv4 and IPv6: 0 or 1 each
expected() {
	for name in tx-tcp-segmentation tx-checksum-ipv4 tx-tcp6-segmentation tx-checksum-ipv6; do
		feature $name
	done | xargs | sed 's/on/1/g; s/off/0/g'
}

# goes [ADDRESS4 ADDRESS6]: TCP and UDP there and back, compared; each packet at the peer is as it left here, and the
# driver got them as ethtool -k says
goes() {
	[ $# = 2 ] || set -- "$PEER4" "$PEER6"
	port=$((port + 1))
	peer $tools/echoxfer serve $port "$@" >"$work/server" 2>&1 &
	server=$!
	$tools/wiresegments "$IFACE" out $port >"$work/here" 2>"$work/pieces" &
	here=$!
	peer $tools/wiresegments tap0 in $port >"$work/there" 2>"$work/there.pieces" &
	there=$!
	for file in server here there; do
		wait_for 20 "$file: $(cat "$work/$file")" grep -q ready "$work/$file"
	done
	$tools/echoxfer ask $port 16 12 $((seed + port)) "$@" || fail "not what was sent came back: $(cat "$work/server")"
	wait $here || fail "$(cat "$work/pieces")"
	wait $there || fail "$(cat "$work/there.pieces")"
	kill $server
	server=
	diff "$work/here" "$work/there" >"$work/diff" ||
		fail "not what was sent, in $(wc -l <"$work/here") packets: $(head -n 6 "$work/diff")"
	! grep WRONG "$work/here" || fail "wrong already when it left"
	say "$(wc -l <"$work/here") packets; in the guest $(cat "$work/pieces")"
	equal "cut, unsummed" "$(expected)" "$(awk '{ print ($2 > 0) " " ($4 > 0) " " ($6 > 0) " " ($8 > 0) }' "$work/pieces")"
}

# without FEATURE...: off for what follows, those that are there
without() {
	say "without $*"
	for name; do
		[ "$(feature "$name")" = off ] || ethtool -K "$IFACE" "$name" off >/dev/null
	done
}

with_all() {
	for name in $toggled; do
		ethtool -K "$IFACE" "$name" on >/dev/null
	done
}

# vlan: from now on both ends have addresses in VLAN 5: there4 and there6, here4 and here6
vlan() {
	there4=198.51.100.1 here4=198.51.100.2 there6=2001:db8:5::1 here6=2001:db8:5::2
	peer $tools/vlanpeer tap0 tap5 0xa005 >"$work/tags" 2>&1 &
	vlanpeer=$!
	wait_for 5 "the peer's VLAN" grep -q ready "$work/tags"
	peer ip addr add $there4/24 dev tap5
	peer ip addr add $there6/64 dev tap5 nodad
	peer ip link set tap5 up
	ip link add link "$IFACE" name vlan5 type vlan id 5
	ip addr add $here4/24 dev vlan5
	ip addr add $here6/64 dev vlan5 nodad
	ip link set vlan5 up
}

# refuses_wrong_sums: of TCP, UDP and IPv4, with a tag and without
refuses_wrong_sums() {
	$tools/badsums "$ADDR4" "$PEER4" 0 "$ADDR6" "$PEER6" 0 $here4 $there4 5 $here6 $there6 5
}

# coalesces: the host does what the guest lets it, and nothing else than before comes out of it
coalesces() {
	host do rsc hold 2
	frames=$(counter rsc-packets)
	goes
	refuses_wrong_sums
	frames=$(($(counter rsc-packets) - frames))
	say "$frames coalesced frames"
	case $(feature large-receive-offload) in
	on) [ $frames -ge 20 ] || fail "hardly coalesced" ;;
	*) equal "coalesced frames" 0 $frames ;;
	esac
	host do rsc hold 0
}

peer ethtool -K tap0 gro off
