# SPDX-License-Identifier: GPL-2.0-only
"""`host VERB...`: a running emulator's properties, for the guest and for the harness."""

import json
import re
import time

import emulator
import sriov
from common import USAGE, Stop
from qmp import QmpError

NIC = "/machine/peripheral/nic"
BUS = "/machine/peripheral/vmbus0"
# what the emulator writes: its stderr, and the record of the control traffic, if there is one
FILES = {"log": "qemu.log", "wire": "wire"}
SLOT_SECONDS = 10
VERBS = (
    "get PROP, set PROP VALUE, counters, audit, do WORDS..., vmbus-do WORDS..., link up|down, log,"
    " wire,"
    " vf plug [KIND [MAC]], vf press, vf link up|down, vf WORDS...;"
    " PROP may be vmbus.PROP; nicN in front means another NIC than nic0"
)


def _target(name, number):
    return (BUS, name[6:]) if name.startswith("vmbus.") else (f"{NIC}{number}", name)


def get(qmp, name, number=0):
    path, prop = _target(name, number)
    return qmp.command("qom-get", {"path": path, "property": prop})


def put(qmp, name, value, number=0):
    path, prop = _target(name, number)
    qmp.command("qom-set", {"path": path, "property": prop, "value": value})


def _parse(word):
    try:
        return json.loads(word)
    except ValueError:
        return word


def _show(value):
    if isinstance(value, str):
        return value + "\n"
    if isinstance(value, (dict, list)):
        return json.dumps(value, indent=1) + "\n"
    return json.dumps(value) + "\n"


def _act(qmp, read, vfs, words):
    nic = re.fullmatch(r"nic(\d)", (words or [""])[0])
    number = int(nic[1]) if nic else 0
    verb, *rest = words[1:] if nic else words
    if verb == "get" and len(rest) == 1:
        return _show(get(qmp, rest[0], number))
    if verb == "set" and len(rest) == 2:
        return put(qmp, rest[0], _parse(rest[1]), number)
    if verb == "counters" and not rest:
        return _show(get(qmp, "counters", number))
    if verb == "audit" and not rest:
        return _show(get(qmp, "vmbus.audit"))
    if verb in ("do", "vmbus-do") and rest:
        return put(qmp, "do" if verb == "do" else "vmbus.do", " ".join(rest), number)
    if verb == "link" and rest in (["up"], ["down"]):
        return put(qmp, "link", rest == ["up"], number)
    if verb in FILES and not rest:
        return read(FILES[verb])
    if verb == "vf" and rest:
        return _act_vf(qmp, number, vfs, *rest)
    raise ValueError


def _act_vf(qmp, number, vfs, verb, *rest):
    if verb == "plug" and len(rest) <= 2:
        if not any(vfs[number : number + 1]):
            raise QmpError("the NIC has no slot for a VF")
        _wait_for_slot(qmp, number)
        defaults = (vfs[number].kind, emulator.guest_mac(number))
        return sriov.plug(qmp, number, *rest, *defaults[len(rest) :])
    if verb == "press" and not rest:
        return sriov.press(qmp, number)
    if verb == "link" and rest in (("up",), ("down",)):
        return sriov.set_link(qmp, number, rest == ("up",))
    return put(qmp, "do", " ".join(["vf", verb, *rest]), number)


def _wait_for_slot(qmp, number):
    """A guest takes a second to switch off a slot whose VF was pulled; what is in it then would go as well."""
    end = time.monotonic() + SLOT_SECONDS
    while (now := get(qmp, "counters", number))["vf-slot-on"] and not now["vf-plugged"]:
        if time.monotonic() > end:
            raise QmpError(f"the guest does not switch the empty slot off within {SLOT_SECONDS} s")
        time.sleep(0.05)


def run(qmp, read, vfs, words):
    """(status, stdout, stderr) of a verb; read(NAME) returns a file of the emulator, vfs are Spec's."""
    try:
        return 0, _act(qmp, read, vfs, list(words)) or "", ""
    except ValueError:
        return USAGE, "", f"host: the verbs are: {VERBS}\n"
    except (QmpError, Stop, FileNotFoundError) as e:
        return 1, "", f"host: {e}\n"
