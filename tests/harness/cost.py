# SPDX-License-Identifier: GPL-2.0-only
"""tests/run cost: guest instructions per packet.

Under -icount one guest instruction is one tick of the emulator's counter, whatever the machine
does, and an idle processor executes none. Received frames are made inside the device, as fast as
receive sections come free; sent ones by the kernel's pktgen.
"""

import time

import vm
from common import HARNESS, Stop, note

PACKETS = 100_000
# A string copy counts as one instruction a byte unless the guest's kernel does not use it.
CPU = "max,erms=off,fsrm=off"
PKTGEN = """
modprobe pktgen
cd /proc/net/pktgen
echo rem_device_all > kpktgend_0
echo "add_device $IFACE" > kpktgend_0
for line in "count {count}" "pkt_size {size}" "delay 0" "clone_skb 0" "dst $PEER4" "dst_mac $PEER_MAC"; do
	echo "$line" > $IFACE
done
"""
START = "echo start > /proc/net/pktgen/pgctrl"
ROWS = (
    # name, how, arguments
    ("transmit, pktgen, no xmit_more", "send", (60, 1514)),
    ("receive, unknown EtherType", "raw", (60, 1514)),
    ("receive, UDP to a closed port", "udp", (60,)),
    ("XDP_DROP", "drop", (60, 1514)),
    ("XDP_PASS, unknown EtherType", "pass", (60, 1514)),
)


def _sh(guest, script):
    status, out, err = guest.exec(["sh", "-ec", script], timeout=120)
    if status:
        raise Stop(f"in the guest: {script}: {(err or out).strip()}", HARNESS)
    return out


def _send(guest, size, packets):
    """The second of two runs: the first fills the guest's allocators."""
    _sh(guest, PKTGEN.format(count=packets, size=size))
    _sh(guest, START)
    # Metered in the device: an idle guest runs through its timers as fast as the machine can.
    guest.host(["do", "meter", str(size)])
    _sh(guest, START)
    counters = guest.host_get("counters")
    sent = counters["meter-packets"]
    if sent < packets:
        raise Stop(f"the device saw {sent} of {packets} packets", HARNESS)
    return counters["meter-instructions"] / sent


def _receive(guest, size, kind, packets):
    """Likewise."""
    _generate(guest, size, kind, packets)
    return _generate(guest, size, kind, packets)


def _generate(guest, size, kind, packets):
    words = f"do generate {packets} {size} {kind}"
    if kind == "udp":
        words += f" {guest.network.peer4} {guest.network.guest4}"
    status, _, err = guest.host(words.split())
    if status:
        raise Stop(f"host {words}: {err.strip()}", HARNESS)
    limit = time.monotonic() + 120
    while guest.host_get("counters")["generator-running"]:
        if time.monotonic() > limit:
            raise Stop("the guest did not take the generated frames in time", HARNESS)
        time.sleep(0.05)
    return guest.host_get("counters")["generator-instructions"] / packets


def _xdp(guest, size, verdict, packets):
    output = bytearray()
    program = ["/src/tests/guest/xdprun", guest.env["IFACE"], verdict]
    wait = guest.start(program, (output.extend, output.extend))
    limit = time.monotonic() + 30
    while b"attached" not in output:
        if time.monotonic() > limit:
            raise Stop(f"no XDP program: {output.decode(errors='replace').strip()}", HARNESS)
        time.sleep(0.05)
    try:
        return _receive(guest, size, "raw", packets)
    finally:
        _sh(guest, "pkill -f guest/[x]dprun")    # the brackets: not this very shell
        wait()


def _measure(guest, how, size, packets):
    if how == "send":
        return _send(guest, size, packets)
    if how in ("drop", "pass"):
        return _xdp(guest, size, how, packets)
    return _receive(guest, size, how, packets)


def run(files, kernel, driver, packets):
    """Print the table for one driver; 0 when all of it could be measured."""
    guest = vm.boot(
        files,
        vm.tap_network(),
        timeout=900,
        driver=driver,
        kernel=kernel,
        cpus=1,
        queues=1,
        icount=True,
        cpu=CPU,
        mitigations=True,
    )
    note(f"tests/run: {files['release']} is up after {guest.boot_seconds:.1f} s")
    try:
        print(
            f"instructions per packet, {driver} driver, {files['release']}, one processor, "
            f"{packets} packets a run"
        )
        print(f"{'':34} {'60 bytes':>10} {'1514 bytes':>10}", flush=True)
        for name, how, sizes in ROWS:
            values = {size: _measure(guest, how, size, packets) for size in sizes}
            cells = [f"{round(values[n]) if n in values else '-':>10}" for n in (60, 1514)]
            print(f"{name:34} {' '.join(cells)}", flush=True)
    finally:
        guest.close()
    return 0
