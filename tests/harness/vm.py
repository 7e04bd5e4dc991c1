# SPDX-License-Identifier: GPL-2.0-only
"""One boot: QEMU, its virtio-fs daemons, the agent's connection; inside sandbox.contained()."""

import asyncio
import concurrent.futures
import dataclasses
import os
import shutil
import signal
import subprocess
import time

import emulator
import hostverbs
import sandbox
import sriov
from agent import Agent
from common import ROOT, TIMEOUT, Stop, usage
from console import Console
from qmp import Qmp, QmpError

GUEST_PATH = "/run/hv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TAP_NETDEV = "tap,id=net%d,ifname=tap%d,script=no,downscript=no,vhost=off"


class GuestGone(Stop):
    """The guest powered off, reset, panicked, or its emulator ended."""


class OutOfTime(Stop):
    def __init__(self, message="out of time"):
        super().__init__(message, TIMEOUT)


@dataclasses.dataclass(frozen=True)
class Spec:
    """What makes one boot different from another."""

    kernel: str = "6.12"
    driver: str = "ours"
    load: bool = True  # else the NIC's driver is left alone, and no interface is waited for
    cpus: int = 4
    queues: int = 4
    nvsp: str = "6.1"
    profile: str = None  # of emulator.PROFILES; host, queues and nvsp win over it
    host: dict = dataclasses.field(default_factory=dict)
    vfs: tuple = ()  # of sriov.Vf: for each NIC a slot and what is in it, or None
    icount: bool = False
    cpu: str = None
    mitigations: bool = False  # of the guest's kernel: off is faster, on is what users run
    memory: int = 1024
    wire: bool = False  # keep a record of the control traffic, for `host wire`

    def key(self):
        return (
            self.kernel,
            self.driver,
            self.load,
            self.cpus,
            self.queues,
            self.nvsp,
            self.profile or "",
            self.vfs,
            tuple(sorted(self.host.items())),
        )

    def nics(self):
        return len(self.vfs) or 1

    def settings(self):
        """All of the host but what makes every boot different: the profile's, and those beside it."""
        own = {"queues": str(self.queues), "nvsp": self.nvsp, **self.host}
        return {**emulator.profile(self.profile), **own}

    def place(self):
        """The host in a few words."""
        words = [self.profile] if self.profile else []
        words += [f"{key}={value}" for key, value in self.host.items()]
        return " ".join([f"nvsp {self.nvsp}", *words])

    def slowness(self):
        """How much longer than usual its scenarios may take."""
        return 4 if self.kernel == "debug" else 1

    def expected_queues(self):
        """Subchannels came with NVSP 5, and a guest asks for them only to spread by RSS."""
        several = emulator.has_netvsc() and float(self.nvsp) >= 5
        if several and emulator.is_on(self.settings(), "rss"):
            return min(self.cpus, self.queues)
        return 1


@dataclasses.dataclass(frozen=True)
class Network:
    """The peer's side: a tap in this namespace for each NIC, or QEMU's user network."""

    netdevs: tuple
    peer_mac: str = ""
    peer4: str = "192.0.2.1"
    guest4: str = "192.0.2.2"
    peer6: str = "2001:db8::1"
    guest6: str = "2001:db8::2"

    def env(self):
        return {
            "ADDR4": self.guest4,
            "ADDR6": self.guest6,
            "PEER4": self.peer4,
            "PEER6": self.peer6,
            "PEER_MAC": self.peer_mac,
        }


def tap_network(count=1):
    for number in range(count):
        sandbox.make_tap(number)
    netdevs = tuple(TAP_NETDEV % (number, number) for number in range(count))
    return Network(netdevs, peer_mac=sandbox.PEER_MAC)


def user_network():
    return Network(
        netdevs=("user,id=net0",),
        peer_mac="52:55:0a:00:02:02",
        peer4="10.0.2.2",
        guest4="10.0.2.15",
        peer6="fec0::2",
        guest6="fec0::15",
    )


class Vm:
    """A booted guest. Use boot()."""

    _count = 0

    def __init__(self, spec, files, network, share=None, deadline=None):
        Vm._count += 1
        self.spec, self.network = spec, network
        self.started = time.monotonic()
        self._deadline = deadline or self.started + 300
        self._dir = f"{sandbox.run_dir}/{Vm._count}"
        self._dead = None
        self.tainted = False  # a command ran out of its time, in the guest or in the emulator
        self._agent = self._qmp = None
        self._processes = []
        self.env = {
            **network.env(),
            "PATH": GUEST_PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "IFACE": "",
        }
        os.makedirs(self._dir)
        self.console = Console(f"{self._dir}/console")
        # Without a private root virtiofsd would not be allowed its sandbox either.
        shares = {"src": "/src"} if sandbox.private else {}
        if share:
            sandbox.bind(share, "/share")
            shares["share"] = "/share"
        try:
            self._start(files, shares)
            self._wait_for_agent()
            self.set_up_network()
            self.boot_seconds = time.monotonic() - self.started
        except BaseException:
            self.close()
            raise

    def _spawn(self, argv, log):
        with open(f"{self._dir}/{log}", "ab") as err:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=err,
                stderr=err,
                cwd=self._dir,
                env={**os.environ, "TMPDIR": self._dir},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _start(self, files, shares):
        for tag, source in shares.items():
            self._spawn(
                [
                    emulator.virtiofsd(),
                    f"--socket-path={self._dir}/fs-{tag}",
                    "-o",
                    f"source={source}",
                    "-o",
                    "sandbox=chroot",
                    "-o",
                    "cache=auto",
                    "--thread-pool-size=1",
                ],
                f"fs-{tag}.log",
            )
        for tag in shares:
            self._wait_for_file(f"fs-{tag}", f"fs-{tag}.log")
        initramfs = self._initramfs(files[self.spec.driver])
        argv = emulator.command_line(
            self.spec, files, initramfs, self._dir, shares, self.network.netdevs
        )
        self._spawn(argv, "qemu.log")
        self._wait_for_file("qmp", "qemu.log")
        self._wait_for_file("agent", "qemu.log")
        try:
            self._qmp = Qmp(f"{self._dir}/qmp", self._on_event)
        except (QmpError, OSError):
            self._processes[-1].wait()  # it is about to end, and then its log is complete
            raise self._not_started("qemu.log") from None
        self._agent = Agent(f"{self._dir}/agent", self._serve)

    def _initramfs(self, files):
        """The driver's; where there may be VFs, with the module that plays one."""
        if not self.spec.vfs or "vf" not in files:
            return files["initramfs"]
        with open(f"{self._dir}/initramfs", "wb") as whole:
            for name in ("initramfs", "vf"):
                with open(files[name], "rb") as part:
                    shutil.copyfileobj(part, whole)
        return whole.name

    def _wait_for_file(self, name, log):
        while not os.path.exists(f"{self._dir}/{name}"):
            if self._processes[-1].poll() is not None:
                raise self._not_started(log)
            self._check_time()
            time.sleep(0.01)

    def _not_started(self, log):
        text = self._log(log).strip()
        refusal = emulator.refusal(self.spec, text)
        return usage(refusal) if refusal else Stop(f"the emulator did not start: {text}")

    def _log(self, name):
        with open(f"{self._dir}/{name}", encoding="utf-8", errors="replace") as f:
            return f.read()

    def log(self):
        """What the emulator wrote to its stderr."""
        return self._log("qemu.log")

    def _check_time(self):
        if time.monotonic() > self._deadline:
            raise OutOfTime

    def _wait_for_agent(self):
        while not self._agent.ready.wait(0.02):
            self._check_alive()
            self._check_time()

    def set_deadline(self, deadline):
        self._deadline = deadline

    def set_up_network(self, load=None):
        """Load the driver and bring the interface up, as far as it is not."""
        load = self.spec.load if load is None else load
        argv = ["/run/hv/netup", "load" if load else "none", str(self.spec.expected_queues())]
        if not emulator.is_on(self.spec.settings(), "link"):
            argv.append("no-carrier")
        status, out, err = self.exec(argv, timeout=None)
        if status:
            raise Stop(f"the guest's network did not come up: {err.strip()}")
        self.env["IFACE"] = out.strip()

    def _on_event(self, message):
        name = message["event"]
        if name in ("SHUTDOWN", "CLOSED", "GUEST_PANICKED"):
            reason = message.get("data", {}).get("reason", name.lower())
            self._dead = self._dead or {
                "guest-reset": "panicked or reset",
                "guest-shutdown": "powered off",
                "closed": "lost its emulator",
            }.get(reason, reason)
            if self._agent:
                self._agent.close()

    def _check_alive(self):
        if self._dead:
            raise GuestGone(f"the guest {self._dead}")

    @property
    def dead(self):
        """Why the guest is gone, or None."""
        return self._dead

    async def _serve(self, kind, cwd, argv, service):
        """What `peer` and `host` in the guest end in."""
        if kind == "host":
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(None, self.host, argv)
            await service.reply(*result)
        elif not argv:
            await service.reply(2, "", "usage: peer COMMAND...\n")
        else:
            if not cwd.startswith(("/src", "/share")) or not os.path.isdir(cwd):
                cwd = "/src" if os.path.isdir("/src") else ROOT
            env = {**os.environ, **self.network.env(), "IFACE": "tap0", "LANG": "C.UTF-8"}
            await service.run_process(argv, cwd, env)

    def host(self, words):
        """(status, stdout, stderr) of a `host` verb."""
        return hostverbs.run(self._qmp, self._log, self.spec.vfs, words)

    def host_get(self, name):
        """The value of a property, as `host get` names it."""
        return hostverbs.get(self._qmp, name)

    @property
    def monitor(self):
        return self._qmp

    def qmp(self, name, arguments=None):
        return self._qmp.command(name, arguments)

    def audit(self):
        """The list of what the emulator found wrong with the guest's messages."""
        if not emulator.has_netvsc():
            return []
        try:
            return hostverbs.get(self._qmp, "vmbus.audit")
        except QmpError:
            return [
                {
                    "kind": "the emulator is gone: " + self.log().strip()[-200:],
                    "class": "violation",
                    "count": 1,
                    "section": "-",
                    "first": "-",
                }
            ]

    def start(self, argv, sinks, env=None, cwd="/root", timeout=None):
        """Begin argv in the guest; its output goes to two functions. Returns one that waits."""
        left = max(self._deadline - time.monotonic(), 0.1)
        limit = min(left, timeout) if timeout else left
        future = self._agent.start(argv, {**self.env, **(env or {})}, cwd, sinks, limit)

        def wait():
            while not future.done() and not self._agent.gone.is_set():
                concurrent.futures.wait((future,), 0.5)
            try:
                status = future.result() if future.done() else None
            except TimeoutError:
                self._check_alive()
                raise OutOfTime(f"out of time after {limit:.0f} s: {argv[0]}") from None
            if status is None:
                self._check_alive()
                raise GuestGone("the guest's agent is gone")
            return status

        return wait

    def exec(self, argv, timeout=None, env=None, cwd="/root"):
        """Run argv in the guest: (status, stdout, stderr)."""
        out, err = bytearray(), bytearray()
        status = self.start(argv, (out.extend, err.extend), env, cwd, timeout)()
        return status, out.decode(errors="replace"), err.decode(errors="replace")

    def end_services(self):
        if self._agent:
            self._agent.end_services()

    def console_text(self):
        return self.console.text()

    def close(self):
        """End everything of this boot; the console stays readable."""
        if self._agent:
            self._agent.end_services()
            self._agent.close()
        for process in reversed(self._processes):
            process.send_signal(signal.SIGKILL)
            process.wait()
        if self._qmp:
            self._qmp.close()
        if sandbox.private:
            sandbox.unbind("/share")
        for name in os.listdir(self._dir):
            if name not in ("console", "qemu.log"):
                path = f"{self._dir}/{name}"
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def boot(files, network, share=None, timeout=300, **settings):
    """Boot a guest and wait until its network is up. settings are those of Spec."""
    return Vm(Spec(**settings), files, network, share, time.monotonic() + timeout)


def last_logs():
    """(console, emulator's log) of the last boot, also if it did not succeed."""
    texts = []
    for name in ("console", "qemu.log"):
        try:
            with open(
                f"{sandbox.run_dir}/{Vm._count}/{name}", encoding="utf-8", errors="replace"
            ) as f:
                texts.append(f.read().replace("\r", ""))
        except FileNotFoundError:
            texts.append("")
    return tuple(texts)
