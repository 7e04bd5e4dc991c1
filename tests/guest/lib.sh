# SPDX-License-Identifier: GPL-2.0-only
# What the scenarios share; a scenario begins with `. /src/tests/guest/lib.sh`. POSIX sh, runs in the guest.
# shellcheck shell=sh

set -eu
tools=/src/tests/guest
work=$(mktemp -d)
trap 'finish' EXIT
trap 'exit 1' INT TERM
port=5000
stream=

say() {
	echo "--- $*"
}

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

# skip REASON: what a scenario cannot check here
skip() {
	echo "$*"
	exit 77
}

# at_exit: what a scenario overrides to put back what outlives it, in the peer above all
at_exit() {
	:
}

finish() {
	status=$?
	set +e
	[ -z "$stream" ] || kill "$stream" 2>/dev/null
	at_exit
	rm -rf "$work"
	exit $status
}

# equal WHAT EXPECTED SEEN
equal() {
	[ "$2" = "$3" ] || fail "$1: expected $2, seen $3"
}

# within WHAT LOW HIGH SEEN
within() {
	[ "$4" -ge "$2" ] && [ "$4" -le "$3" ] || fail "$1: expected $2 to $3, seen $4"
}

# refused COMMAND...: it must fail
refused() {
	! "$@" >"$work/refused" 2>&1 || fail "$* was not refused: $(cat "$work/refused")"
}

centiseconds() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

# wait_for SECONDS WHAT COMMAND...: polls, and fails by saying WHAT was waited for and what COMMAND printed last
wait_for() {
	seconds=$1 what=$2
	shift 2
	end=$(($(centiseconds) + seconds * 100))
	until "$@" >"$work/wait" 2>&1; do
		[ "$(centiseconds)" -lt $end ] || fail "$what: not within $seconds s; last: $(cat "$work/wait")"
		sleep 0.05
	done
}

# sees EXPECTED COMMAND...: true when COMMAND prints EXPECTED; else prints what it printed. For wait_for.
sees() {
	expected=$1
	shift
	seen=$("$@" 2>&1) || :
	[ "$seen" = "$expected" ] || {
		echo "seen $seen, not $expected"
		return 1
	}
}

# idle SECONDS: percent of its processors' time that the guest has nothing to do
idle() {
	set -- "$1" $(sed -n 's/^cpu //p' /proc/stat)
	was=$5 all=$(($2 + $3 + $4 + $5 + $6 + $7 + $8))
	sleep "$1"
	set -- $(sed -n 's/^cpu //p' /proc/stat)
	echo $((100 * ($4 - was) / ($1 + $2 + $3 + $4 + $5 + $6 + $7 - all)))
}

# messages: lines in the kernel's log
messages() {
	dmesg | wc -l
}

# --- the interface

carrier() {
	cat "/sys/class/net/$IFACE/carrier"
}

wait_carrier() {
	wait_for 10 "carrier $1" sees "$1" carrier
}

queues() {
	set -- /sys/class/net/$IFACE/queues/$1-*
	echo $#
}

# channels: the current number that ethtool -l tells
channels() {
	ethtool -l "$IFACE" | sed -n '/^Current/,$s/^Combined:[[:space:]]*//p'
}

# ring rx|tx [Pre-set|Current]: a line of ethtool -g
ring() {
	ethtool -g "$IFACE" | sed -n "/^${2:-Current}/,/^TX:/s/^$(echo "$1" | tr rtx RTX):[[:space:]]*//p"
}

# statistic NAME: a line of ethtool -S
statistic() {
	ethtool -S "$IFACE" | sed -n "s/^ *$1: //p"
}

# feature NAME: on or off
feature() {
	ethtool -k "$IFACE" | sed -n "s/^[[:space:]]*$1: \([a-z]*\).*/\1/p"
}

# A link that went down loses its IPv6 addresses.
address() {
	ip addr replace "$ADDR4/24" dev "$IFACE"
	ip addr replace "$ADDR6/64" dev "$IFACE" nodad
}

pings() {
	ping -q -n -i 0.05 -c 3 -W 2 "$PEER4" >"$work/ping" || fail "no ping: $(cat "$work/ping")"
	ping -q -n -i 0.05 -c 3 -W 2 "$PEER6" >"$work/ping" || fail "no IPv6 ping: $(cat "$work/ping")"
}

# flood DATAGRAMS: small ones, of 100 flows
flood() {
	python3 - "$PEER4" "$1" <<'END'
import socket
import sys

flows = []
for port in range(30000, 30100):
    flows.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    flows[-1].bind(("", port))
for n in range(int(sys.argv[2])):
    flows[n % 100].sendto(b"flood", (sys.argv[1], 9))
END
}

# --- the host

# counter NAME [nicN]: one that the NIC, or the other one, has as a whole
counter() {
	host ${2:+"$2"} counters | sed -n "s/^ \"$1\": \([0-9]*\),*$/\1/p"
}

# per_channel NAME: its values, channel 0 first
per_channel() {
	host counters | awk -v name="\"$1\":" '
		$1 == "\"channel\":" { channel = $2 + 0; if (channel >= n) n = channel + 1 }
		$1 == name { value = $2 + 0 }
		$1 ~ /^}/ { found[channel] = value }
		END { for (i = 0; i < n; i++) print found[i] }'
}

# sum: of the numbers on stdin
sum() {
	awk '{ total += $1 } END { printf "%.0f\n", total }'
}

sections_are_back() {
	host counters >"$work/counters"
	total=$(sed -n 's/^ "rx-sections": \([0-9]*\).*/\1/p' "$work/counters")
	sees "$total" sed -n 's/^ "rx-sections-free": \([0-9]*\).*/\1/p' "$work/counters"
}

# vf_iface [SLOT]: the interface of the PCI NIC in slot 7, or that one
vf_iface() {
	ls "/sys/bus/pci/devices/$(cat "/sys/bus/pci/slots/${1:-7}/address").0/net"
}

# --- a VLAN, number 5

there4=198.51.100.1 here4=198.51.100.2 there6=2001:db8:5::1 here6=2001:db8:5::2
vlanpeer=
vlan_by=

# vlan_peer: the peer has there4 and there6 in it from now on, until vlan_over
vlan_peer() {
	peer $tools/vlanpeer tap0 tap5 0xa005 >"$work/tags" 2>&1 &
	vlanpeer=$!
	wait_for 5 "the peer's VLAN" grep -q ready "$work/tags"
	peer ip link set tap5 address 02:00:00:00:00:05 up
	peer ip addr add $there4/24 dev tap5
	peer ip addr add $there6/64 dev tap5 nodad
}

# vlan_device: here4 and here6 are a VLAN device's, beneath which the stack puts LRO off; until vlan_gone
vlan_device() {
	vlan_by=device
	ip link add link "$IFACE" name vlan5 type vlan id 5
	ip addr add $here4/24 dev vlan5
	ip addr add $here6/64 dev vlan5 nodad
	ip link set vlan5 up
}

# vlan_by_tc: they are the NIC's own, and tc takes tags off what comes, and puts them on what goes to the peer's
# addresses; LRO stays as it is, so that coalesced frames can have a tag. Until vlan_gone
vlan_by_tc() {
	vlan_by=tc
	mac=$(cat "/sys/class/net/$IFACE/address")
	tc qdisc add dev "$IFACE" clsact
	tc filter add dev "$IFACE" ingress pref 1 protocol 802.1Q flower vlan_id 5 vlan_prio 5 action vlan pop pass
	# what is counted here has another tag, and there none
	tc filter add dev "$IFACE" ingress pref 2 protocol 802.1Q flower action vlan pop pass
	tc filter add dev "$IFACE" ingress pref 3 protocol ip flower dst_ip $here4 action pass
	tc filter add dev "$IFACE" ingress pref 4 protocol ipv6 flower dst_ip $here6 action pass
	tc filter add dev "$IFACE" egress pref 3 protocol ip flower dst_ip $there4 action vlan push id 5
	tc filter add dev "$IFACE" egress pref 4 protocol ipv6 flower dst_ip $there6 action vlan push id 5
	ip addr add $here4/24 dev "$IFACE"
	ip addr add $here6/64 dev "$IFACE" nodad
	# questions for addresses would have no tag
	ip neigh replace $there4 lladdr 02:00:00:00:00:05 dev "$IFACE"
	ip neigh replace $there6 lladdr 02:00:00:00:00:05 dev "$IFACE"
	peer ip neigh replace $here4 lladdr "$mac" dev tap5
	peer ip neigh replace $here6 lladdr "$mac" dev tap5
}

# tags_were_right: of all that came since vlan_by_tc
tags_were_right() {
	for pref in 2 3 4; do
		tc -s filter show dev "$IFACE" ingress pref $pref
	done >"$work/filters"
	equal "frames with another tag, without one in IPv4, in IPv6" "0 0 0" \
		"$(sed -n 's/.* bytes \([0-9]*\) pkt.*/\1/p' "$work/filters" | xargs)"
}

vlan_gone() {
	case $vlan_by in
	device) ip link del vlan5 ;;
	tc)
		tc qdisc del dev "$IFACE" clsact
		ip addr del $here4/24 dev "$IFACE"
		ip addr del $here6/64 dev "$IFACE"
		;;
	esac
	vlan_by=
}

vlan_over() {
	vlan_gone
	[ -z "$vlanpeer" ] || kill "$vlanpeer"
	vlanpeer=
}

# --- a kernel with kmemleak

leaks=/sys/kernel/debug/kmemleak

# leaks_on_demand: kmemleak looks for leaks only when told to
leaks_on_demand() {
	[ -e $leaks ] || fail "the kernel has no kmemleak"
	echo scan=off >$leaks
}

# no_leaks: what has no owner twice in a row, and was there for 5 seconds, is lost
no_leaks() {
	say "a scan for leaks"
	echo scan >$leaks
	sleep 6
	echo scan >$leaks
	cat $leaks >"$work/leaks"
	[ ! -s "$work/leaks" ] || fail "$(cat "$work/leaks")"
}

# --- TCP

# transfer send|recv BYTES [OPTION...]: from or to the guest, between PEER and us, every byte compared on arrival
transfer() {
	way=$1 bytes=$2
	shift 2
	[ "$way" = send ] && there=recv || there=send
	port=$((port + 1))
	peer $tools/tcpxfer --listen "$@" $there "${to:-$PEER4}" $port "$bytes" >"$work/there" 2>&1 &
	server=$!
	$tools/tcpxfer "$@" "$way" "${to:-$PEER4}" $port "$bytes" ||
		fail "the guest's end: $way $bytes bytes; the peer's end: $(cat "$work/there")"
	wait $server || fail "the peer's end: $(cat "$work/there")"
	cat "$work/there"
}

# A TCP connection that carries data both ways, compared on arrival, while a scenario changes something.
# stream_start [SECONDS]: that each end pauses between two sends, so that it leaves the processors to others
stream_start() {
	port=$((port + 1))
	peer $tools/tcpstream --pause "${1:-0}" --listen "$PEER4" $port >"$work/stream.peer" 2>&1 &
	stream_peer=$!
	$tools/tcpstream --pause "${1:-0}" "$PEER4" $port >"$work/stream" 2>&1 &
	stream=$!
	moved="0 0"
	stream_moves
}

stream_runs() {
	[ ! -s "$work/stream" ] && [ ! -s "$work/stream.peer" ] ||
		fail "the stream ended: $(cat "$work/stream" "$work/stream.peer")"
}

# moved_since BYTES: the stream went on by so much, both ways, since the last time that it had
moved_since() {
	set -- "$1" $moved $(ss -Htin dst "$PEER4" dport = $port |
		sed -n 's/.*bytes_acked:\([0-9]*\).*bytes_received:\([0-9]*\).*/\1 \2/p')
	echo "acknowledged $2 -> ${4:-?}, received $3 -> ${5:-?}"
	[ $# = 5 ] && [ $4 -ge $(($2 + $1)) ] && [ $5 -ge $(($3 + $1)) ]
}

moved_or_over() {
	moved_since "$1" || [ -s "$work/stream" ] || [ -s "$work/stream.peer" ]
}

# stream_moves: wait until fresh data has passed both ways
stream_moves() {
	stream_runs
	wait_for 20 "data both ways in the stream" moved_or_over 100000
	stream_runs
	moved=$(sed 's/.*-> \(.*\),.*-> /\1 /' "$work/wait")
}

# stream_stop: what each end sent, the other one got, and nothing came wrong
stream_stop() {
	stream_runs
	kill "$stream"
	wait "$stream" || fail "the stream's end in the guest: $(cat "$work/stream")"
	stream=
	wait $stream_peer || fail "the stream's end in the peer: $(cat "$work/stream.peer")"
	equal "the stream's bytes" "$(cat "$work/stream")" \
		"$(sed 's/sent \(.*\) received \(.*\)/sent \2 received \1/' "$work/stream.peer")"
	say "stream: $(cat "$work/stream")"
}
