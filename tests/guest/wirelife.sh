# SPDX-License-Identifier: GPL-2.0-only
# The recordings `wire*`: what a driver sends, for hosts of different versions and offers. POSIX sh, runs in the guest.
# shellcheck shell=sh

. /src/tests/guest/record.sh

line=0

# sent WHAT: what the guest sent since the last time
sent() {
	echo "--- $1"
	host wire >"$work/wire"
	tail -n +$((line + 1)) "$work/wire" | $tools/wiretext
	line=$(wc -l <"$work/wire")
}

sent "before" >"$work/before"
quietly modprobe hv_netvsc
IFACE=eth0
wait_for 10 "the interface" test -e /sys/class/net/$IFACE
echo 1 >/proc/sys/net/ipv6/conf/$IFACE/disable_ipv6
sleep 1
sent "load"
# Without a group Debian's driver sets the filter once or three times, as IPv4's group comes after its work or before.
quietly ip maddress add 01:00:5e:00:00:63 dev $IFACE
quietly ip link set $IFACE up
wait_carrier 1
sent "up"
quietly ip link set $IFACE promisc on
sleep 0.2
sent "promiscuous"
quietly ip link set $IFACE promisc off
sleep 0.2
sent "not promiscuous"
quietly ip maddress add 01:00:5e:00:00:99 dev $IFACE
sleep 0.2
sent "a group"
quietly ip maddress del 01:00:5e:00:00:99 dev $IFACE
sleep 0.2
tell ip link set $IFACE mtu 9000
settles
sleep 0.5
sent "MTU 9000"
tell ethtool -L $IFACE combined 2
settles
sleep 0.5
sent "2 channels"
tell ethtool -G $IFACE rx 1000 tx 100
settles
sleep 0.5
sent "1000 and 100 sections"
tell ethtool -G $IFACE tx 10
settles
sleep 0.5
sent "10 sections" >"$work/before"
tell ethtool -G $IFACE tx 9
sent "9 sections, which are 10"
tell ethtool -K $IFACE lro off
sent "no LRO"
tell ethtool -K $IFACE rx off tx off
sent "no checksums"
tell ethtool -X $IFACE equal 2
sent "a table"
tell ethtool -X $IFACE hkey "$(seq -f %02g -s : 10 49)"
sent "a key"
quietly ip link set $IFACE down
sent "down"
quietly ip link set $IFACE address 02:00:00:00:00:77
sent "another address"
quietly ip link set $IFACE up
wait_carrier 1
sent "up again"
unloads
sent "unload"
