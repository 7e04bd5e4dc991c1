# SPDX-License-Identifier: GPL-2.0-only
"""What tests of the VF share: the module that plays one, the data path, the kernel's log."""

import glob
import json
import os
import re
import subprocess
import time

from framelib import interface
from xdplib import equal, host, read, run, wait_for

MODULE = "/run/hv/testvf.ko"
PARAMETERS = "/sys/module/testvf/parameters"
OPEN, MTU, ADDRESS, PROG, RSS, VLAN = (1 << bit for bit in range(6))     # of testvf's refuse
SLOT = 7


def vf_name(slot=SLOT):
    """The interface of what is in a slot, or None."""
    found = glob.glob(f"/sys/bus/pci/devices/{read(f'/sys/bus/pci/slots/{slot}/address')}.0/net/*")
    return os.path.basename(found[0]) if found else None


def path():
    """The data path, as the host has it: 1 is by the VF."""
    return host()["vf-path"]


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
    with open(f"{PARAMETERS}/refuse", "w", encoding="ascii") as f:
        f.write(str(bits))


def permanent():
    return run("ethtool", "-P", interface()).split()[-1]


def told(name):
    """What testvf was told, a line of its ethtool -S."""
    return int(re.search(rf"^ *{name}: (\d+)$", run("ethtool", "-S", vf_name()), re.M)[1])


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
        self._at = len(self._all())

    @staticmethod
    def _all():
        return run("dmesg").splitlines()

    def lines(self):
        return self._all()[self._at:]

    def count(self, text):
        return sum(text in line for line in self.lines())

    def expect(self, text, times=1):
        equal(f"lines with {text!r}", times, self.count(text))


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
            wait_path(0)
        with open(f"/sys/bus/pci/slots/{SLOT}/power", "w", encoding="ascii") as f:
            f.write("0")
    wait_path(0)
    wait_for("an empty slot", lambda: not vf_name() and not host()["vf-plugged"], 20)


def quietly(*words):
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
