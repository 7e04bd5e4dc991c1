# SPDX-License-Identifier: GPL-2.0-only
"""What tests of the VF share: the module that plays one, the data path, the kernel's log."""

import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

from framelib import interface
from xdplib import address, equal, host, ours, pings, read, run, wait_carrier, wait_for, within

MODULE = "/run/hv/testvf.ko"
PARAMETERS = "/sys/module/testvf/parameters"
OPEN, MTU, ADDRESS, PROG, RSS, VLAN, SEND = (1 << bit for bit in range(7))     # of testvf's refuse
SLOT = 7


def vf_name(slot=SLOT):
    """The interface of what is in a slot, or None."""
    found = glob.glob(f"/sys/bus/pci/devices/{read(f'/sys/bus/pci/slots/{slot}/address')}.0/net/*")
    return os.path.basename(found[0]) if found else None


def path():
    """The data path, as the host has it: 1 is by the VF."""
    return host()["vf-path"]


def vf(*words):
    """What the host is to do about the VF."""
    run("host", "vf", *map(str, words))


def audit():
    """How often each kind was seen."""
    return {item["kind"]: item["count"] for item in json.loads(run("host", "audit"))}


def wrong():
    """Packets that the guest sent on the wrong path: by the VF, by the synthetic one."""
    counters = host()
    return counters["wrong-path-vf"], counters["wrong-path-synthetic"]


def by(way):
    """Pings take this path, 1 is the VF, and no other."""
    was = host()
    pings()
    now = host()
    equal("path", way, now["vf-path"])
    counts = {name: now[name] - was[name] for name in ("vf-tx-packets", "wrong-path-vf", "wrong-path-synthetic")}
    within("pings by the VF", 6 * way, 1000 * way, counts.pop("vf-tx-packets"))
    equal("on the wrong path", [0, 0], list(counts.values()))


def wait_by(way, seconds=10):
    """The host has switched to this path, and so has the interface."""
    wait_path(way, seconds)
    by(way)


def wait_path(vf, seconds=10):
    wait_for(f"the {'VF' if vf else 'synthetic'} path", lambda: path() == vf, seconds)


def load(**parameters):
    """testvf takes the PCI function in the slot; its address is the interface's unless told."""
    parameters.setdefault("mac", permanent())
    run("insmod", MODULE, *(f"{name}={value}" for name, value in parameters.items()))
    return vf_name()


def unload():
    run("rmmod", "testvf")


def refuse(bits):
    write(f"{PARAMETERS}/refuse", bits)


def permanent():
    return run("ethtool", "-P", interface()).split()[-1]


def told(name):
    """What testvf was told, a line of its ethtool -S."""
    return int(re.search(rf"^ *{name}: (\d+)$", run("ethtool", "-S", vf_name()), re.M)[1])


def master():
    """The VF's, or None."""
    link = f"/sys/class/net/{vf_name()}/master"
    return os.path.basename(os.readlink(link)) if os.path.exists(link) else None


def of(name, what):
    return read(f"/sys/class/net/{name}/{what}")


def both(what):
    """An attribute of the interface and of its VF."""
    return of(interface(), what), of(vf_name(), what)


def flags(name):
    """Those that `ip link` tells."""
    return set(re.search(r"<(.*?)>", run("ip", "link", "show", "dev", name))[1].split(","))


def wants(name, what):
    """How many want it so: promiscuity or allmulti."""
    return json.loads(run("ip", "-j", "-d", "link", "show", "dev", name))[0][what]


class Log:
    """What the kernel says from now on."""

    def __init__(self):
        self._lines = []
        # each read is a record, and what has been overwritten since the last one an error
        self._kmsg = os.fdopen(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)
        self._kmsg.seek(0, os.SEEK_END)

    def lines(self):
        """As dmesg has them."""
        while record := self._kmsg.read(8192):
            head, _, text = record.decode(errors="replace").partition(";")
            self._lines.append(f"[{int(head.split(',')[2]) / 1e6:12.6f}] {text.splitlines()[0]}")
        return self._lines

    def count(self, text):
        return sum(text in line for line in self.lines())

    def expect(self, text, times=1):
        equal(f"lines with {text!r}", times, self.count(text))


class Pings:
    """Pings that go on, while a test changes something."""

    def __init__(self, interval=0.02):
        words = ["ping", "-n", "-D", "-i", str(interval), os.environ["PEER4"]]
        # pylint: disable-next=consider-using-with
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self._first = ""
        while "icmp_seq=1 " not in self._first:
            self._first = self._process.stdout.readline() or sys.exit("FAIL: no first ping")

    def stop(self):
        """(answers, how many were lost before the last one, the longest time without any)."""
        time.sleep(0.5)
        self._process.send_signal(signal.SIGINT)
        said = self._first + self._process.communicate()[0]
        found = re.findall(r"^\[([\d.]+)\] .*icmp_seq=(\d+) ", said, re.M)
        times = [float(when) for when, _ in found]
        seen = {int(number) for _, number in found}
        return len(seen), max(seen) - len(seen), max(b - a for a, b in zip(times, times[1:]))


def rtnl_seconds():
    """How long it takes to get RTNL, and to give it back."""
    began = time.monotonic()
    run("ip", "link", "set", "lo", "up")
    return time.monotonic() - began


def netvsc_device():
    return os.path.realpath(f"/sys/class/net/{interface()}/device")


def netvsc_is_back(device):
    """The driver is there again: find its interface, which may have another name, and bring it up."""
    wait_for("an interface", lambda: os.path.exists(f"{device}/net") and os.listdir(f"{device}/net"))
    os.environ["IFACE"] = os.listdir(f"{device}/net")[0]
    run("ip", "link", "set", interface(), "up")
    run("ip", "addr", "replace", os.environ["ADDR4"] + "/24", "dev", interface())
    address()
    wait_carrier()


def pci_address(slot=SLOT):
    """Of the function in a slot, whether it is there or not."""
    return read(f"/sys/bus/pci/slots/{slot}/address") + ".0"


def pci_remove(slot=SLOT):
    write(f"/sys/bus/pci/devices/{pci_address(slot)}/remove", 1)


def pci_rescan():
    write("/sys/bus/pci/rescan", 1)


def write(name, value):
    with open(name, "w", encoding="ascii") as f:
        f.write(str(value))


def comes():
    """As on known hosts, the association first and the VF a second later."""
    run("host", "vf", "associate", str(SLOT))
    time.sleep(1)
    run("host", "vf", "plug")
    wait_path(1, 20)


def goes(how):
    """Its slot is switched off; or somebody pulls it; or the host forgets it first."""
    if how == "pull":
        run("host", "vf", "pull")
    else:
        if how == "forget":
            run("host", "vf", "forget")
            if ours():      # Debian's stays on the path until the VF goes
                wait_path(0)
        write(f"/sys/bus/pci/slots/{SLOT}/power", 0)
    wait_path(0)
    wait_for("an empty slot", lambda: not vf_name() and not host()["vf-plugged"], 20)


def quietly(*words):
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
