# SPDX-License-Identifier: GPL-2.0-only
"""tests/run cost: guest instructions per packet.

Under -icount one guest instruction is one tick of the emulator's counter, whatever the machine
does, and an idle processor executes none. Received frames are made inside the device, as fast as
receive sections come free; sent ones by the kernel's pktgen.
"""

import time

import driver
import vm
from common import HARNESS, Stop, note
from progress import Progress

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
SIZES = (60, 1514)
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


def _settled(once):
    """What a run takes. The first of three fills the guest's allocators; of the others the lower one:
    what else the guest does at times only adds to it."""
    once()
    return min(once(), once())


def _send(guest, size, packets):
    _sh(guest, PKTGEN.format(count=packets, size=size))
    return _settled(lambda: _transmit(guest, size, packets))


def _transmit(guest, size, packets):
    # Metered in the device: an idle guest runs through its timers as fast as the machine can.
    guest.host(["do", "meter", str(size)])
    _sh(guest, START)
    counters = guest.host_get("counters")
    sent = counters["meter-packets"]
    if sent < packets:
        raise Stop(f"the device saw {sent} of {packets} packets", HARNESS)
    return counters["meter-instructions"] / sent


def _receive(guest, size, kind, packets):
    return _settled(lambda: _generate(guest, size, kind, packets))


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
    # a frame that the host has coalesced is not for a program like this one
    _sh(guest, "ethtool -K $IFACE lro off")
    output = bytearray()
    program = ["/src/tests/guest/xdprun", guest.env["IFACE"], verdict]
    wait = guest.start(program, (output.extend, output.extend))
    limit = time.monotonic() + 30
    while b"attached" not in output:
        if b"Operation not supported" in output:
            note(f"tests/run: no native XDP in this driver: {verdict} not measured")
            wait()
            return None
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


def _rows(files, kernel, name, packets):
    """{(row, size): instructions per packet} of a driver, in a guest of its own."""
    guest = vm.boot(
        files,
        vm.tap_network(),
        timeout=900,
        driver=name,
        kernel=kernel,
        cpus=1,
        queues=1,
        icount=True,
        cpu=CPU,
        mitigations=True,
    )
    note(
        f"tests/run: {files['release']} is up after {guest.boot_seconds:.1f} s, "
        + driver.describe(guest.spec, files)
    )
    try:
        # Else what the guest goes on to do behind its boot is counted; idle seconds pass at once.
        _sh(guest, "sync; sleep 40")
        values = {}
        for row, how, sizes in ROWS:
            with Progress(f"{name}: {row}"):
                for size in sizes:
                    values[row, size] = _measure(guest, how, size, packets)
        return values
    finally:
        guest.close()


def _print_table(found):
    """found: the values of each driver. With two of them, the first one's part of the second."""
    names = list(found)
    heads = [f"{name} {size}" for size in SIZES for name in names]
    if len(names) == 2:
        heads = [h for at, size in enumerate(SIZES) for h in (*heads[2 * at : 2 * at + 2], "ratio")]
    print(f"{'':34}" + "".join(f" {head:>10}" for head in heads))
    for row, _, sizes in ROWS:
        cells = []
        for size in SIZES:
            values = [found[name].get((row, size)) for name in names]
            cells += ["-" if value is None else f"{value:.0f}" for value in values]
            if len(names) == 2:
                cells.append("-" if None in values else f"{values[0] / values[1]:.2f}")
        print(f"{row:34}" + "".join(f" {cell:>10}" for cell in cells), flush=True)


def run(files, kernel, names, packets):
    """Print the table of some drivers, one beside the other; 0 when all could be measured."""
    found = {name: _rows(files, kernel, name, packets) for name in names}
    print(
        f"guest instructions per packet of so many bytes, {' and '.join(names)} hv_netvsc, "
        f"{files['release']}, one processor, {packets} packets a run"
    )
    _print_table(found)
    return 0
