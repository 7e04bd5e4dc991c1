# SPDX-License-Identifier: GPL-2.0-only
# What recordings share: they print what a user sees of a driver, and `tests/run same` compares it. Nothing in them
# checks anything. A recording begins with `. /src/tests/guest/record.sh`. POSIX sh, runs in the guest.
# shellcheck shell=sh

. /src/tests/guest/lib.sh
exec 2>&1

# tell COMMAND...: what it prints, and how it ends if not well
tell() {
	"$@" || echo "[status $?]"
}

# run COMMAND...: the same, below the command itself
run() {
	echo "\$ $*"
	tell "$@"
}

# quietly COMMAND...: what is part of the way and not of the recording
quietly() {
	"$@" >"$work/quietly" 2>&1 || fail "$*: $(cat "$work/quietly")"
}

# value FILE: its lines behind its name, or why it has none
value() {
	printf '%s: ' "${1##*/}"
	cat "$1" 2>"$work/value" | tr '\n' ' ' || :
	sed 's/.*: //' "$work/value" | tr '\n' ' '
	echo
}

# log_from_here, said: the kernel's lines about the NIC and its driver since then, with their levels
log_from_here() {
	log=$(messages)
}

said() {
	echo "kernel:"
	dmesg -x | tail -n +$((log + 1)) |
		grep -iE "\] .*(hv_|hyperv|vmbus|netvsc|$IFACE|tx timeout|warn|bug)" |
		sed -E 's/^[a-z]+ *:([a-z]+) *: \[ *[0-9.]*\] /    \1: /' || :
	log_from_here
}

# settles: what a change of the session leaves behind it is over
settles() {
	wait_carrier "${1:-1}"
	sleep 0.3
}

# numbered: as loads are counted, so are the numbers of interfaces
numbered() {
	sed -E 's/^[0-9]+: /N: /'
}

# unloads: and leaves the bus
unloads() {
	quietly rmmod hv_netvsc
}

# counted: numbers that depend on traffic and time are not to be compared
counted() {
	sed -E 's/(: *)[0-9]+$/\1N/'
}

log_from_here
