# SPDX-License-Identifier: GPL-2.0-only
"""tests/run demo: what a newcomer sees first."""

import re
import socket
import subprocess

import hostverbs
import sandbox
import vm
from common import GUEST, HARNESS, Stop, note
from progress import Progress
from qmp import QmpError

BYTES = 100_000_000
OFFLOADS = {
    "tx-checksumming": "tx checksum",
    "rx-checksumming": "rx checksum",
    "scatter-gather": "sg",
    "tcp-segmentation-offload": "tso",
    "generic-receive-offload": "gro",
    "receive-hashing": "rxhash",
}


def run(files):
    """In the sandbox with a tap; where that is not allowed, with QEMU's user network."""
    if sandbox.contained(sandbox.make_tap, network=True) == 0:
        return sandbox.contained(lambda: _demo(files, vm.tap_network()), network=True)
    note(
        "tests/run: no taps here: using QEMU's user network; the peer is this machine itself"
    )
    return sandbox.contained(
        lambda: _demo(files, vm.user_network()), network=False, private=True, required=False
    )


def _step(text):
    print(f"--- {text}", flush=True)


def _demo(files, network):
    guest = None
    try:
        _step(f"booting Debian's kernel {files['release']} on the emulated host")
        with Progress("booting"):
            guest = vm.boot(files, network, timeout=240, load=False)
        print(f"up after {guest.boot_seconds:.1f} s")
        rows = _show(guest)
        warnings = guest.console.new_warnings()
        audit = guest.audit()
        violations = [i for i in audit if i["class"] == "violation"]
        promises = len(audit) - len(violations)
        rows += [
            ("kernel warnings", str(len(warnings))),
            ("violations", f"{len(violations)} (and {promises} kinds of broken promises)"),
        ]
        _step("summary")
        for name, value in rows:
            print(f"{name:18} {value}")
        for item in audit:
            print(f"{item['class']}: {item['kind']} (section {item['section']}): {item['first']}")
        status = 1 if audit or warnings else 0
    except Stop as e:
        console, log = vm.last_logs()
        note(f"tests/run: {e}\n---- console\n" + "\n".join(console.splitlines()[-40:]))
        note(f"---- emulator\n{log.strip()}\n----")
        status = e.status
    if guest:
        guest.close()
    return status


def _sh(guest, script):
    status, out, err = guest.exec(["sh", "-ec", script])
    if status:
        raise Stop(f"in the guest: {script}: {(err or out).strip()}", HARNESS)
    return out.strip()


def _show(guest):
    _step(
        "loading the NIC's driver by its alias: modprobe $(cat /sys/bus/vmbus/devices/*/modalias)"
    )
    guest.set_up_network(load=True)
    iface = guest.env["IFACE"]
    print(_sh(guest, f"ip -br addr show {iface}"))
    _step(f"pinging the peer, {guest.network.peer4}")
    print(_sh(guest, "ping -c 3 -i 0.2 $PEER4 | tail -n 2"))
    _step(f"moving {BYTES // 10**6} MB of TCP each way, every byte compared on arrival")
    rates = [_transfer(guest, "send", "recv"), _transfer(guest, "recv", "send")]
    return _table(guest, iface, rates)


def _transfer(guest, here, there):
    """One transfer; `there` is what the guest does. The guest connects: any network will do."""
    program = f"{GUEST}/tcpxfer"
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = str(s.getsockname()[1])
    with open(program, encoding="utf-8") as f:
        source = f.read()
    bind = "0.0.0.0" if guest.network.netdevs[0].startswith("tap") else "127.0.0.1"
    server = subprocess.Popen(
        ["/usr/bin/python3", "-B", program, "--listen", "--ready", here, bind, port, str(BYTES)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        server.stdout.readline()
        with Progress(f"guest: {there}"):
            status, out, err = guest.exec(
                ["python3", "-c", source, there, guest.network.peer4, port, str(BYTES)]
            )
        if status:
            raise Stop(f"the transfer failed: {err.strip()}")
        if server.wait(30):
            raise Stop("the peer's end of the transfer failed")
    finally:
        server.kill()
        server.wait()
    print("guest: " + out.strip(), flush=True)
    return re.search(r"[\d.]+ MB/s", out)[0]


def _per_queue(stats, way):
    found = re.findall(rf"^ *{way}_?(?:queue_)?(\d+)_packets: (\d+)", stats, re.MULTILINE)
    return (
        " ".join(f"{count}" for _, count in sorted(found, key=lambda pair: int(pair[0])))
        or "not told"
    )


def _nvsp(guest):
    try:
        number = hostverbs.get(guest.monitor, "counters")["nvsp"]
    except (QmpError, KeyError):
        return f"at most {guest.spec.nvsp}"
    return f"{number >> 16}.{number & 0xffff}"


def _table(guest, iface, rates):
    info = dict(
        line.split(": ", 1)
        for line in _sh(guest, f"ethtool -i {iface}").splitlines()
        if ": " in line
    )
    stats = _sh(guest, f"ethtool -S {iface}")
    features = _sh(guest, f"ethtool -k {iface}")
    on = [
        short
        for name, short in OFFLOADS.items()
        if re.search(rf"^{name}: on", features, re.MULTILINE)
    ]
    return [
        ("kernel", _sh(guest, "uname -r")),
        ("driver", f"{info['driver']} ({_sh(guest, 'modinfo -n ' + info['driver'])})"),
        (
            "network",
            "tap in a namespace" if guest.network.netdevs[0].startswith("tap") else "QEMU user",
        ),
        ("NVSP version", _nvsp(guest)),
        ("queues", _sh(guest, f"ls -d /sys/class/net/{iface}/queues/rx-* | wc -l")),
        ("peer to guest", rates[0]),
        ("guest to peer", rates[1]),
        ("rx packets, queues", _per_queue(stats, "rx")),
        ("tx packets, queues", _per_queue(stats, "tx")),
        ("offloads", " ".join(on)),
    ]
