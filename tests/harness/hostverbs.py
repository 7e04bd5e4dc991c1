# SPDX-License-Identifier: GPL-2.0-only
"""`host VERB...`: a running emulator's properties, for the guest and for the harness."""

import json

from common import USAGE, Stop
from qmp import QmpError

NIC = "/machine/peripheral/nic0"
BUS = "/machine/peripheral/vmbus0"
# what the emulator writes: its stderr, and the record of the control traffic, if there is one
FILES = {"log": "qemu.log", "wire": "wire"}
VERBS = (
    "get PROP, set PROP VALUE, counters, audit, do WORDS..., vmbus-do WORDS..., link up|down, log,"
    " wire;"
    " PROP may be vmbus.PROP"
)


def _target(name):
    return (BUS, name[6:]) if name.startswith("vmbus.") else (NIC, name)


def get(qmp, name):
    path, prop = _target(name)
    return qmp.command("qom-get", {"path": path, "property": prop})


def put(qmp, name, value):
    path, prop = _target(name)
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


def _act(qmp, read, words):
    verb, rest = (words or [""])[0], words[1:]
    if verb == "get" and len(rest) == 1:
        return _show(get(qmp, rest[0]))
    if verb == "set" and len(rest) == 2:
        return put(qmp, rest[0], _parse(rest[1]))
    if verb == "counters" and not rest:
        return _show(get(qmp, "counters"))
    if verb == "audit" and not rest:
        return _show(get(qmp, "vmbus.audit"))
    if verb in ("do", "vmbus-do") and rest:
        return put(qmp, "do" if verb == "do" else "vmbus.do", " ".join(rest))
    if verb == "link" and rest in (["up"], ["down"]):
        return put(qmp, "link", rest == ["up"])
    if verb in FILES and not rest:
        return read(FILES[verb])
    raise ValueError


def run(qmp, read, words):
    """(status, stdout, stderr) of a verb; read(NAME) returns a file of the emulator."""
    try:
        return 0, _act(qmp, read, list(words)) or "", ""
    except ValueError:
        return USAGE, "", f"host: the verbs are: {VERBS}\n"
    except (QmpError, Stop, FileNotFoundError) as e:
        return 1, "", f"host: {e}\n"
