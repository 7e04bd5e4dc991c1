# SPDX-License-Identifier: GPL-2.0-only
"""The PCI NICs that play VFs: the slots that they are plugged into, and how they come and go.

Each belongs to a synthetic NIC, and has its number.
"""

import dataclasses
import re

from common import usage

KINDS = ("vmxnet3", "e1000e")
NICS = 6
# Without it the firmware's tables name the slot, and not its number.
NATIVE_HOTPLUG = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"


@dataclasses.dataclass(frozen=True)
class Vf:
    kind: str
    slot: int = 7  # the number of its slot, which a guest takes for the VF's serial
    plugged: bool = False  # from the start


def parse(words):
    """What --vf and scenarios have: for each NIC KIND[,slot=N][,plugged], or - for one without a slot."""
    if len(words) > NICS:
        raise usage(f"vf {' '.join(words)}: more than {NICS} NICs")
    return tuple(None if word == "-" else _parse(word) for word in words)


def _parse(text):
    kind, *options = text.split(",")
    if kind not in KINDS:
        raise usage(f"vf {text}: {kind} is not one of {', '.join(KINDS)}")
    found = {}
    for option in options:
        slot = re.fullmatch(r"slot=(\d{1,4})", option)
        if option == "plugged":
            found["plugged"] = True
        elif slot and int(slot[1]) < 8192:
            found["slot"] = int(slot[1])
        else:
            raise usage(f"vf {text}: {option} is neither plugged nor slot=N, N below 8192")
    return Vf(kind, **found)


def port(number):
    """What a NIC must know of the place of its VF."""
    return {"vf": f"vfnet{number}", "vf-slot": f"vfport{number}"}


def _device(number, kind, mac):
    place = {"id": f"vf{number}", "bus": f"vfport{number}", "netdev": f"vfnet{number}"}
    return {"driver": kind, **place, "mac": mac, "romfile": ""}


def arguments(number, vf, mac):
    """QEMU's: the slot, and the VF if it is in it. They come behind the NIC, whose port it takes."""
    argv = ["-device", f"pcie-root-port,id=vfport{number},chassis={number + 1},slot={vf.slot}"]
    if vf.plugged:
        device = _device(number, vf.kind, mac)
        argv += ["-device", ",".join([device.pop("driver"), *map("=".join, device.items())])]
    return argv


def plug(qmp, number, kind, mac):
    qmp.command("device_add", _device(number, kind, mac))


def press(qmp, number):
    """The slot's button, which asks the guest to let the VF go; it has 5 seconds for second thoughts."""
    qmp.command("device_del", {"id": f"vf{number}"})


def set_link(qmp, number, up):
    """The VF's own cable."""
    qmp.command("set_link", {"name": f"vf{number}", "up": up})
