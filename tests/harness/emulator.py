# SPDX-License-Identifier: GPL-2.0-only
"""The emulator: where it is, what it can be told, and its command line."""

import functools
import os
import re
import subprocess

import sriov
from common import HARNESS, TESTS, USAGE, Stop, note, usage

DIRS = ("/usr/share/qemu", "/usr/share/seabios")
# Without string instructions, which QEMU does byte for byte, and a fifth level of page tables: guests are quicker.
CPU = "max,erms=off,fsrm=off,la57=off"
INSTANCE = "7d3c1b9%s-2f64-4e55-9c0e-1a2b3c4d5e6f"
NVSP = ("1", "2", "4", "5", "6", "6.1")
# What real hosts are like, as settings of the NIC and, with vmbus. in front, of the bus. The versions
# are those that guests on such hosts report; what else is not known of one is as the device has it.
PROFILES = {
    "ws2012r2": {
        "vmbus.version": "3.0",
        "nvsp": "5",
        "queues": "8",
        "csum-udp4": "off",
        "csum-tcp6": "off",
        "csum-udp6": "off",
        "lso6": "off",
        "rsc": "off",
        "table-at": "28",
    },
    "ws2016": {
        "vmbus.version": "4.0",
        "nvsp": "6",
        "queues": "8",
        "rsc": "off",
        "table-at": "40",
        "table-field": "28",
    },
    "ws2019": {"vmbus.version": "5.0", "nvsp": "6.1", "queues": "16", "table-at": "40"},
    "azure": {"vmbus.version": "5.3", "nvsp": "6.1", "queues": "64", "table-at": "40"},
}
ADDRESSED_BY = {"id", "netdev", "instanceid", "vf", "vf-slot"}  # the harness finds the device by these
OWN_OPTION = {"queues", "nvsp"}  # what a boot waits for depends on these
VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")


_path = None


def use(found):
    """What path() answers from now on."""
    global _path
    _path = found


def path():
    """The emulator: $HV_QEMU, or the one that tests/host/build makes."""
    if not _path:
        use(_find())
    return _path


def _find():
    own = os.environ.get("HV_QEMU")
    if own:
        if not os.access(own, os.X_OK):
            raise usage(f"HV_QEMU={own} cannot be executed")
        return own
    try:
        done = subprocess.run(
            [f"{TESTS}/host/build"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    except OSError as e:
        raise Stop(f"tests/host/build: {e.strerror}") from None
    if done.returncode in (USAGE, HARNESS):
        raise SystemExit(done.returncode)  # it said why
    lines = done.stdout.decode().strip().splitlines()
    if done.returncode or not lines:
        raise Stop(f"tests/host/build ended with status {done.returncode}")
    return lines[-1]


@functools.lru_cache(None)
def properties(device):
    """The names of a device's properties; None if this emulator has no such device."""
    done = subprocess.run(
        [path(), "-device", f"{device},help"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    text = done.stdout.decode()
    names = frozenset(re.findall(r"^\s+([\w.-]+)=<", text, re.MULTILINE))
    return names or None


def has_netvsc():
    return properties("hv-netvsc") is not None


def profile(name):
    """The settings of a real host; none without a name."""
    if not name:
        return {}
    if name not in PROFILES:
        raise usage(f"profile {name}: not one of {', '.join(PROFILES)}")
    return PROFILES[name]


def check_settings(settings):
    """settings: KEY=VALUE of --host, as a dict. What values a key takes is for the emulator to say:
    see refusal()."""
    if settings and not has_netvsc():
        raise usage(f"{path()} has no hv-netvsc: it takes no --host")
    for key in settings:
        device, name = ("vmbus-bridge", key[6:]) if key.startswith("vmbus.") else ("hv-netvsc", key)
        if name in ADDRESSED_BY:
            raise usage(f"--host {key}: the harness needs its own value there")
        if name in OWN_OPTION:
            raise usage(f"--host {key}: it has an option of its own")
        if key == "do":
            raise usage("--host do: not a setting but a command, for `host do` in the guest")
        if name not in properties(device):
            raise usage(f"--host {key}: {device} has no such setting")


def refusal(spec, log):
    """Why the emulator did not take what --host says, in its own words; None if that is not it."""
    for device in nic_devices(spec)[1::2]:
        _, found, reason = log.partition(f"-device {device}: ")
        if found and spec.host:
            words = " ".join(f"{key}={value}" for key, value in spec.host.items())
            return f"--host {words}: {reason.splitlines()[0]}"
    return None


def is_on(settings, key):
    """A switch of the NIC that is on unless settings turn it off. QEMU knows these words."""
    return settings.get(key, "on") not in ("off", "no", "false", "n")


def virtiofsd():
    for name in VIRTIOFSD:
        if os.access(name, os.X_OK):
            return name
    raise usage("virtiofsd is not installed: run tests/setup")


def _join(first, options):
    return ",".join([first, *(f"{k}={v}".replace(",", ",,") for k, v in options.items())])


def guest_mac(number):
    return f"00:15:5d:01:02:{3 + number:02x}"


def nic_devices(spec):
    if not has_netvsc():
        note("tests/run: this emulator has no hv-netvsc: a virtio NIC stands in for it")
        return ["-device", f"virtio-net-pci,netdev=net0,mac={guest_mac(0)},romfile="]
    nic = {"queues": spec.queues, "nvsp": spec.nvsp}
    bus = {"id": "vmbus0", **({"wirelog": "wire"} if spec.wire else {})}
    for key, value in spec.settings().items():
        if key.startswith("vmbus."):
            bus[key[6:]] = value
        else:
            nic[key] = value
    devices = ["-device", _join("vmbus-bridge", bus)]
    for number in range(spec.nics()):
        own = {
            "id": f"nic{number}",
            "netdev": f"net{number}",
            "mac": guest_mac(number),
            "instanceid": INSTANCE % "abcdef"[number],
        }
        if any(spec.vfs[number : number + 1]):
            own.update(sriov.port(number))
        devices += ["-device", _join("hv-netvsc", {**own, **nic})]
    return devices


def _vf_devices(spec):
    found = ["-global", sriov.NATIVE_HOTPLUG] if spec.vfs else []
    for number, vf in enumerate(spec.vfs):
        if vf:
            found += sriov.arguments(number, vf, guest_mac(number))
    return found


def command_line(spec, files, initramfs, run_dir, shares, netdevs):
    accel = ["-accel", "tcg,thread=multi"]
    if spec.icount:
        accel = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
    append = (
        "console=ttyS0 net.ifnames=0 panic=-1 loglevel=7 random.trust_cpu=on"
        # QEMU translates code again that it meets at another address, that is each program at each start
        " tsc=reliable no_timer_check norandmaps "
        + ("" if spec.mitigations else "mitigations=off ")
        + " ".join(f"hv.{tag}" for tag in shares)
        + " "
    )
    argv = [
        path(),
        "-machine",
        "q35,usb=off,memory-backend=ram",
        *accel,
        "-cpu",
        spec.cpu or CPU,
        "-smp",
        str(spec.cpus),
        "-m",
        str(spec.memory),
        "-object",
        f"memory-backend-memfd,id=ram,size={spec.memory}M,share=on",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-no-shutdown",
        "-rtc",
        "base=utc",
        "-chardev",
        f"file,id=console,path={run_dir}/console",
        "-serial",
        "chardev:console",
        "-qmp",
        f"unix:{run_dir}/qmp,server=on,wait=off",
        "-kernel",
        files["kernel"],
        "-initrd",
        initramfs,
        "-append",
        append,
        "-drive",
        f"file={files['disk']},format=raw,if=none,id=root,snapshot=on,cache=unsafe",
        "-device",
        "virtio-blk-pci,drive=root",
        "-chardev",
        f"socket,id=agent,path={run_dir}/agent,server=on,wait=off",
        "-device",
        "virtio-serial-pci",
        "-device",
        "virtserialport,chardev=agent,name=hv.agent",
        *(word for netdev in netdevs for word in ("-netdev", netdev)),
        *nic_devices(spec),
        *_vf_devices(spec),
    ]
    for directory in DIRS:
        argv += ["-L", directory]
    for tag in shares:
        argv += [
            "-chardev",
            f"socket,id=fs-{tag},path={run_dir}/fs-{tag}",
            "-device",
            f"vhost-user-fs-pci,chardev=fs-{tag},tag={tag}",
        ]
    return argv
