# SPDX-License-Identifier: GPL-2.0-only
# What the scenarios `offloads-*` share, for hosts that offer different things. POSIX sh, runs in the guest.
# shellcheck shell=sh
# What is sent is another each time. A scenario's argument is the seed that an earlier run told, to have it again:
# `tests/run boot [--profile P] [--host KEY=VALUE] -- /src/tests/scenarios/NAME SEED`.

. /src/tests/guest/lib.sh

seed=${1:-$(shuf -i 1-999999999 -n 1)}
server=
lro=$(feature large-receive-offload)
at_exit() {
	say "the seed was $seed"
	[ -z "$server" ] || kill $server
	vlan_over
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

# serves ADDRESS...: what comes for them at the peer goes back, until `unserved`
serves() {
	port=$((port + 1))
	peer $tools/echoxfer serve $port "$@" >"$work/server" 2>&1 &
	server=$!
	wait_for 60 "the peer's program" grep -q ready "$work/server"
}

unserved() {
	kill $server
	server=
}

# asks ADDRESS...: TCP and UDP there and back, compared
asks() {
	$tools/echoxfer ask $port 16 12 $((seed + port)) "$@" ||
		fail "not what was sent came back: $(cat "$work/server")"
}

# goes [ADDRESS4 ADDRESS6]: TCP and UDP there and back, compared; each packet at the peer is as it left here, and the
# driver got them as ethtool -k says
goes() {
	[ $# = 2 ] || set -- "$PEER4" "$PEER6"
	serves "$@"
	$tools/wiresegments "$IFACE" out $port >"$work/here" 2>"$work/pieces" &
	here=$!
	peer $tools/wiresegments tap0 in $port >"$work/there" 2>"$work/there.pieces" &
	there=$!
	for file in here there; do
		wait_for 60 "$file: $(cat "$work/$file")" grep -q ready "$work/$file"
	done
	asks "$@"
	wait $here || fail "$(cat "$work/pieces")"
	wait $there || fail "$(cat "$work/there.pieces")"
	unserved
	diff "$work/here" "$work/there" >"$work/diff" ||
		fail "not what was sent, in $(wc -l <"$work/here") packets: $(head -n 6 "$work/diff")"
	! grep WRONG "$work/here" || fail "wrong already when it left"
	say "$(wc -l <"$work/here") packets; in the guest $(cat "$work/pieces"), at the peer $(cat "$work/there.pieces")"
	equal "cut, unsummed" "$(expected)" "$(awk '{ print ($2 > 0) " " ($4 > 0) " " ($6 > 0) " " ($8 > 0) }' "$work/pieces")"
	cat "$work/there.pieces" >>"$work/left"
}

# by_device: all that ever came to the peer, its kernel had nothing left to do on
by_device() {
	equal "left to the peer's kernel" "cut 0 unsummed 0 cut 0 unsummed 0" "$(sort -u "$work/left")"
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

# refuses_wrong_sums: of TCP, UDP and IPv4, with a tag and without
refuses_wrong_sums() {
	$tools/badsums "$ADDR4" "$PEER4" 0 "$ADDR6" "$PEER6" 0 $here4 $there4 0xa005 $here6 $there6 0xa005
}

# coalesces: the host does what the guest lets it, with a tag and without, and nothing else than before comes out of it
coalesces() {
	host do rsc hold 2
	vlan_by_tc
	for address in "$PEER4" "$PEER6" $there4 $there6; do
		serves "$address"
		frames=$(counter rsc-packets) segments=$(counter rsc-segments)
		asks "$address"
		frames=$(($(counter rsc-packets) - frames)) segments=$(($(counter rsc-segments) - segments))
		unserved
		say "$segments segments in $frames coalesced frames"
		case $lro in
		# the largest send alone has more segments than that
		on) [ $frames -ge 3 ] && [ $segments -ge 40 ] || fail "$address: hardly coalesced" ;;
		*) equal "coalesced frames" 0 $frames ;;
		esac
	done
	refuses_wrong_sums
	tags_were_right
	vlan_gone
	host do rsc hold 0
}

# real_host: all of this on a host that is like a real one
real_host() {
	say "what the host is left to do: $(expected); LRO $lro"
	goes
	vlan_peer
	say "as the host coalesces"
	coalesces
	say "in a VLAN"
	vlan_device
	goes $there4 $there6
	refuses_wrong_sums
}

peer ethtool -K tap0 gro off
