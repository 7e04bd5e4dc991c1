# SPDX-License-Identifier: GPL-2.0-only
"""XDP programs of a few instructions, maps, sockets, and what the tests of XDP count.

Programs are written down as instructions: each is so short that a compiler, and a loader of what it makes, would be
more to read than it is. bpf(2) loads them; pinned they can be given to ip and bpftool.
"""

import contextlib
import ctypes
import gzip
import json
import mmap
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import time

from framelib import MARK, PEER_MAC, UNKNOWN, interface, own_mac

TOOLS = os.path.dirname(os.path.abspath(__file__))
PINS = "/sys/fs/bpf"
TRACING = "/sys/kernel/tracing"
ABORTED, DROP, PASS, TX, REDIRECT, WRONG = range(6)     # verdicts; no driver knows the last one

libc = ctypes.CDLL(None, use_errno=True)


# --- what every test needs


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"FAIL: {' '.join(words)}: status {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def _all_program_ids():
    return {program["id"] for program in json.loads(run("bpftool", "-j", "prog", "show")) if program["type"] == "xdp"}


# by other tests in this boot: vmxnet3 forgets the program that it has as it is closed
LEFT_BEHIND = _all_program_ids()


def refused(*words):
    """What a command says that must fail."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if not done.returncode:
        sys.exit(f"FAIL: {' '.join(words)} was not refused")
    return done.stdout


def ours():
    """Is it our driver? Where Debian's is not to be held to the same."""
    return "/updates/" in run("modinfo", "-n", "hv_netvsc")


def say(*words):
    print("---", *words, flush=True)


def equal(what, expected, seen):
    if expected != seen:
        sys.exit(f"FAIL: {what}: expected {expected}, seen {seen}")


def within(what, low, high, seen):
    if not low <= seen <= high:
        sys.exit(f"FAIL: {what}: expected {low} to {high}, seen {seen}")


def wait_for(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"FAIL: {what}: not within {seconds} s")
        time.sleep(0.05)


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read().strip()


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def of_interface(name):
    return read(f"/sys/class/net/{interface()}/{name}")


def wait_carrier():
    wait_for("carrier", lambda: of_interface("carrier") == "1")


def set_mtu(mtu):
    """Of both ends; the link may be gone for a moment."""
    run("ip", "link", "set", interface(), "mtu", str(mtu))
    run("peer", "ip", "link", "set", "tap0", "mtu", str(mtu))
    wait_carrier()


def one_piece():
    """The longest frame in one piece: a page less its head room and what an skb has at its end."""
    fragments = 17
    if os.path.exists("/proc/config.gz"):
        with gzip.open("/proc/config.gz", "rt") as f:
            fragments = int(re.search(r"CONFIG_MAX_SKB_FRAGS=(\d+)", f.read())[1])
    return 4096 - 256 - -(-(48 + 16 * fragments) // 64) * 64


def lro(state):
    run("ethtool", "-K", interface(), "lro", state)


def address():
    """What a link that went down has lost."""
    run("ip", "addr", "replace", os.environ["ADDR6"] + "/64", "dev", interface(), "nodad")


def pings():
    for host in os.environ["PEER4"], os.environ["PEER6"]:
        run("ping", "-q", "-n", "-i", "0.05", "-c", "3", "-W", "2", host)


# --- instructions, by the names of their parts: destination, source, offset, value

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)         # R10: the end of the stack
BYTE, HALF, WORD, DOUBLE = 0x10, 0x08, 0x00, 0x18
# helpers
REDIRECT_TO, ADJUST_HEAD, REDIRECT_MAP, ADJUST_META, ADJUST_TAIL = 23, 44, 51, 54, 65
BUFF_LEN, LOAD_BYTES, STORE_BYTES = 188, 189, 190
# fields of the context, of XDP and of tc
XDP_DATA, XDP_END, XDP_META, XDP_QUEUE = 0, 4, 8, 16
TC_DATA, TC_END, TC_META = 76, 80, 140


def instruction(code, dst=0, src=0, offset=0, value=0):
    return struct.pack("<BBhI", code, src << 4 | dst, offset, value & 0xFFFFFFFF)


def mov(dst, value):
    return instruction(0xB7, dst, value=value)


def copy(dst, src):
    return instruction(0xBF, dst, src)


def add(dst, value):
    return instruction(0x07, dst, value=value)


def xor(dst, value):
    return instruction(0xA7, dst, value=value)


def load(size, dst, src, offset):
    return instruction(0x61 | size, dst, src, offset)


def store(size, dst, offset, src):
    return instruction(0x63 | size, dst, src, offset)


def put(size, dst, offset, value):
    return instruction(0x62 | size, dst, 0, offset, value)


def map_of(dst, fd):
    return instruction(0x18, dst, 1, value=fd) + instruction(0)


def call(helper):
    return instruction(0x85, value=helper)


def call_kernel(function):
    """A function of the kernel's, by its number in the kernel's type information."""
    return instruction(0x85, 0, 2, value=function)


EXIT = instruction(0x95)


def when(reg, value, body):
    """The body only if a register has this value."""
    return instruction(0x55, reg, 0, len(body) // 8, value) + body


def unless(reg, value, body):
    return instruction(0x15, reg, 0, len(body) // 8, value) + body


def unless_within(reg, end, body):
    """The body if one address is behind another one: what follows may look at all before the first of them."""
    return instruction(0xBD, reg, end, len(body) // 8) + body


def give(verdict):
    return mov(R0, verdict) + EXIT


def frame_of(context, size):
    """R6: the context, R2: the frame; it is passed unless it has so many bytes in its first piece."""
    return (copy(R6, context) + load(WORD, R2, R6, XDP_DATA) + load(WORD, R3, R6, XDP_END) + copy(R4, R2)
            + add(R4, size) + unless_within(R4, R3, give(PASS)))


def of_tests(size):
    """Pass what is none of the tests' own frames; see frame()."""
    return frame_of(R1, size) + load(HALF, R5, R2, 12) + unless(R5, socket.htons(UNKNOWN), give(PASS))


def to_device(ifindex):
    return mov(R1, ifindex) + mov(R2, 0) + call(REDIRECT_TO)


def to_map(fd, key=0):
    return map_of(R1, fd) + mov(R2, key) + mov(R3, 0) + call(REDIRECT_MAP)


SENT_BACK = 0x5B        # byte 11, the last one of the source, of what is sent back


def obey(redirect=b"", at=14):
    """Each frame of a test has its verdict in itself. It is marked before it is sent back."""
    return (of_tests(16) + load(BYTE, R0, R2, at) + when(R0, TX, put(BYTE, R2, 11, SENT_BACK))
            + when(R0, REDIRECT, redirect) + EXIT)


# --- bpf(2)

MAP_CREATE, MAP_UPDATE, PROG_LOAD, OBJ_PIN, TEST_RUN, LINK_CREATE, LINK_UPDATE = 0, 2, 5, 6, 10, 28, 29
TC_PROGRAM, XDP_PROGRAM = 3, 6
AT_XDP, AT_TCX_INGRESS = 37, 46
ARRAY, DEVMAP, CPUMAP, XSKMAP = 2, 14, 16, 17
HAS_FRAGS, BOUND = 1 << 5, 1 << 6
DRV_MODE = 4
LIVE_FRAMES = 2


def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr, 128)
    fd = libc.syscall(321, command, buf, len(buf))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def load_program(code, frags=False, bound=False, kind=XDP_PROGRAM):
    """Its descriptor. frags: takes frames in several pieces; bound: to the interface."""
    code = ctypes.create_string_buffer(code, len(code))
    licence, log = ctypes.create_string_buffer(b"GPL"), ctypes.create_string_buffer(1 << 16)
    flags = (HAS_FRAGS if frags else 0) | (BOUND if bound else 0)
    attr = struct.pack("<IIQQIIQII16sII", kind, len(code) // 8, ctypes.addressof(code), ctypes.addressof(licence),
                       1, len(log), ctypes.addressof(log), 0, flags, b"test",
                       socket.if_nametoindex(interface()) if bound else 0, AT_XDP if kind == XDP_PROGRAM else 0)
    try:
        return bpf(PROG_LOAD, attr)
    except OSError as e:
        sys.exit(f"FAIL: the program is refused: {e}: {log.value.decode()}")


def pin(fd, name):
    """A path for ip and bpftool."""
    if not os.path.ismount(PINS):
        run("mount", "-t", "bpf", "bpf", PINS)
    path = ctypes.create_string_buffer(f"{PINS}/{name}".encode())
    if os.path.exists(path.value):
        os.unlink(path.value)
    bpf(OBJ_PIN, struct.pack("<QI", ctypes.addressof(path), fd))
    return path.value.decode()


def attach(fd, name=None, mode="xdpdrv"):
    """To an interface, ours if none is named, and forget all but that. -force: instead of what is there."""
    path = pin(fd, "attached")
    os.close(fd)
    try:
        run("ip", "-force", "link", "set", "dev", name or interface(), mode, "pinned", path)
    finally:
        os.unlink(path)


def detach(name=None, mode="xdpdrv"):
    run("ip", "link", "set", "dev", name or interface(), mode, "off")


def attached():
    """The id of the interface's program, 0 if it has none."""
    found = json.loads(run("ip", "-j", "-d", "link", "show", "dev", interface()))[0].get("xdp", {})
    return found["prog"]["id"] if found else 0


def program_ids():
    """Of all programs of XDP that are there since the test began."""
    return _all_program_ids() - LEFT_BEHIND


def programs():
    """How many these are."""
    return len(program_ids())


def no_programs():
    wait_for("no program is left", lambda: not programs())


def make_map(kind, entries, value_size=4):
    return bpf(MAP_CREATE, struct.pack("<IIIII", kind, 4, value_size, entries, 0))


def set_map(fd, key, value):
    key, value = (ctypes.create_string_buffer(part, len(part)) for part in (struct.pack("<I", key), value))
    bpf(MAP_UPDATE, struct.pack("<IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))


def link(fd, where):
    """An attachment to the interface that ends when its descriptor is closed."""
    return bpf(LINK_CREATE, struct.pack("<IIIIIIQ", fd, socket.if_nametoindex(interface()), where, 0, 0, 0, 0))


def native_link(fd):
    """As link(), for XDP in the driver."""
    return bpf(LINK_CREATE, struct.pack("<IIII", fd, socket.if_nametoindex(interface()), AT_XDP, DRV_MODE))


def put_into(attachment, fd):
    """Another program instead of a link's."""
    bpf(LINK_UPDATE, struct.pack("<IIII", attachment, fd, 0, 0))


def run_live(fd, data, times):
    """The kernel makes frames and does what the program says to do with them."""
    data = ctypes.create_string_buffer(data, len(data))
    bpf(TEST_RUN, struct.pack("<IIIIQQIIIIQQIII", fd, 0, len(data), 0, ctypes.addressof(data), 0, times, 0, 0, 0, 0, 0,
                              LIVE_FRAMES, 0, 0))


# --- frames


def frame(number, size, *verdicts, head=b""):
    """Bytes 14 and 15 are for obey(); head comes behind them, then the mark and the number."""
    data = own_mac() + PEER_MAC + struct.pack(">H", UNKNOWN) + bytes(verdicts).ljust(2, b"\0") + head
    data += MARK + struct.pack(">H", number)
    return (data + random.Random(number).randbytes(max(size - len(data), 0)))[:size]


def sent_back(data):
    return data[:11] + bytes((SENT_BACK,)) + data[12:]


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def udp(number, port, size=60):
    """From one of many neighbours, as hosts hash addresses of datagrams only; to us, without a checksum."""
    body = (MARK + struct.pack(">H", number)).ljust(size - 42, b"\0")
    head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(body), number & 0xFFFF, 0, 64, 17, 0)
    head += bytes((198, 18, number >> 8, number & 0xFF)) + socket.inet_aton(os.environ["ADDR4"])
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return own_mac() + PEER_MAC + b"\x08\x00" + head + struct.pack(">HHHH", 20000, port, 8 + len(body), 0) + body


# --- load beside a test

def frames_come(nic="nic0", pause=0.3):
    """Those of tests, for ever, as fast as the guest gives sections back."""
    while True:
        subprocess.run(["host", nic, "do", "generate", "500", "300"], stderr=subprocess.DEVNULL, check=False)
        time.sleep(pause)


def frames_go(ifindex):
    """For ndo_xdp_xmit, for ever, whatever is going on with the interface."""
    fd = load_program(to_device(ifindex) + EXIT)
    while True:
        with contextlib.suppress(OSError):
            run_live(fd, frame(1, 100), 200)
        time.sleep(0.1)


@contextlib.contextmanager
def beside(function, *args):
    """While the body runs, so does a function that never ends."""
    pid = os.fork()
    if not pid:
        try:
            function(*args)
        finally:
            os._exit(1)
    try:
        yield
        equal(f"{function.__name__} goes on", (0, 0), os.waitpid(pid, os.WNOHANG))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def exceptions(*, begin=False):
    """Lines of the tracepoint for what is no clean verdict."""
    if not os.path.ismount(TRACING):
        run("mount", "-t", "tracefs", "tracefs", TRACING)
    if not begin:
        found = [line for line in read(f"{TRACING}/trace").splitlines() if "xdp_exception:" in line]
    for name, text in ("trace", ""), ("events/xdp/xdp_exception/enable", str(int(begin))):
        write(f"{TRACING}/{name}", text)
    return None if begin else found


# --- a second interface


class Veth:
    """A pair; what is redirected to the first end comes out of the second one, whose program has the last word."""

    def __init__(self, code, frags=False):
        mtu = "9000" if frags else "1500"
        run("ip", "link", "add", "veth0", "mtu", mtu, "type", "veth", "peer", "name", "veth1", "mtu", mtu)
        for name in "veth0", "veth1":
            with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w", encoding="ascii") as f:
                f.write("1")
            run("ip", "link", "set", name, "up")
        self.index = socket.if_nametoindex("veth0")
        attach(load_program(code, frags), "veth1")

    @staticmethod
    def remove():
        subprocess.run(["ip", "link", "del", "veth0"], stderr=subprocess.DEVNULL, check=False)


# --- memory


def pools(name=None):
    """(pieces in use, left by its owner) of each page pool of an interface; of lo: of those that are gone."""
    lines = run(f"{TOOLS}/netdevgenl", name or interface(), "pools").splitlines()
    return [(int(line.split()[2]), line.endswith("left")) for line in lines]


def nothing_is_lost():
    """A pool whose memory somebody still has outlives a change that gives its queue another one."""
    run("ip", "link", "set", interface(), "mtu", "1400")
    wait_carrier()
    wait_for("the memory of old pools", lambda: not any(left for _, left in pools()), 20)
    run("ip", "link", "set", interface(), "mtu", "1500")
    wait_carrier()
    wait_for("the memory of old pools", lambda: not any(left for _, left in pools()), 20)
    address()


LEAKS = "/sys/kernel/debug/kmemleak"


def no_leaks():
    """On a kernel that can tell."""
    if not os.path.exists(LEAKS):
        return
    for _ in range(2):
        write(LEAKS, "scan")
        time.sleep(6)
    equal("leaks", "", read(LEAKS))


# --- AF_XDP

AF_XDP, SOL_XDP, COPY = 44, 283, 2
OFFSETS, RX_RING, TX_RING, UMEM, FILL_RING, COMPLETION_RING = 1, 2, 3, 4, 5, 6
PLACES = {RX_RING: 0, TX_RING: 1 << 31, FILL_RING: 1 << 32, COMPLETION_RING: 3 << 31}
CHUNK = 4096


class Ring:
    """One of a socket's: a producer's and a consumer's count, and entries of 8 or 16 bytes."""

    def __init__(self, sock, which, offsets, entry, entries):
        self.sizes = entry, entries
        self.producer, self.consumer, self.first, _ = offsets
        self.memory = mmap.mmap(sock, self.first + entry * entries, offset=PLACES[which])

    def _get(self, at):
        return struct.unpack_from("<I", self.memory, at)[0]

    def put(self, entry):
        at = self._get(self.producer)
        size, entries = self.sizes
        start = self.first + at % entries * size
        self.memory[start:start + size] = entry
        struct.pack_into("<I", self.memory, self.producer, at + 1 & 0xFFFFFFFF)

    def take(self):
        """The oldest entry, or None."""
        at = self._get(self.consumer)
        if at == self._get(self.producer):
            return None
        size, entries = self.sizes
        start = self.first + at % entries * size
        entry = bytes(self.memory[start:start + size])
        struct.pack_into("<I", self.memory, self.consumer, at + 1 & 0xFFFFFFFF)
        return entry


class XdpSocket:
    """On one queue, in copy mode; half of its memory is for frames that come, the other one for those that go."""

    def __init__(self, queue, entries=64, flags=COPY):
        self.sock = socket.socket(AF_XDP, socket.SOCK_RAW)
        self.memory = mmap.mmap(-1, 2 * entries * CHUNK)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self._option(UMEM, struct.pack("<QQIIII", address, len(self.memory), CHUNK, 0, 0, 0))
        for which in PLACES:
            self._option(which, struct.pack("<I", entries))
        offsets = struct.unpack("<16Q", self.sock.getsockopt(SOL_XDP, OFFSETS, 128))
        self.rx, self.tx, self.fill, self.completion = (
            Ring(self.sock.fileno(), which, offsets[4 * n:4 * n + 4], size, entries)
            for n, (which, size) in enumerate(((RX_RING, 16), (TX_RING, 16), (FILL_RING, 8), (COMPLETION_RING, 8))))
        for n in range(entries):
            self.fill.put(struct.pack("<Q", n * CHUNK))
        self.free = [(entries + n) * CHUNK for n in range(entries)]
        target = ctypes.create_string_buffer(
            struct.pack("<HHIII", AF_XDP, flags, socket.if_nametoindex(interface()), queue, 0))
        if libc.bind(self.sock.fileno(), target, 16):
            error = ctypes.get_errno()
            self.sock.close()
            raise OSError(error, os.strerror(error))

    def _option(self, which, value):
        self.sock.setsockopt(SOL_XDP, which, value)

    def received(self):
        """The next frame, or None."""
        entry = self.rx.take()
        if entry is None:
            return None
        address, size, _ = struct.unpack("<QII", entry)
        data = bytes(self.memory[address:address + size])
        self.fill.put(struct.pack("<Q", address // CHUNK * CHUNK))
        return data

    def send(self, frames):
        for data in frames:
            address = self.free.pop()
            self.memory[address:address + len(data)] = data
            self.tx.put(struct.pack("<QII", address, len(data), 0))
        self.kick()

    def kick(self):
        """Have the kernel look at what is to be sent; it takes a few at a time."""
        if libc.sendto(self.sock.fileno(), None, 0, socket.MSG_DONTWAIT, None, 0) < 0:
            error = ctypes.get_errno()
            if error not in (11, 16, 105):      # EAGAIN, EBUSY, ENOBUFS: later
                sys.exit(f"FAIL: sending on an AF_XDP socket: {os.strerror(error)}")

    def completed(self):
        """Chunks that came back since the last look; what is in them has been sent."""
        count = 0
        while (entry := self.completion.take()) is not None:
            self.free.append(*struct.unpack("<Q", entry))
            count += 1
        return count


# --- counters

STATISTIC = re.compile(r"^ *(\w+): (\d+)$", re.M)
PER_QUEUE = re.compile(r"([rt]x)_queue_(\d+)_(\w+)")
GUEST = "tx-packets tx-bytes tx-xdp_xmit rx-packets rx-bytes rx-xdp_drop rx-xdp_redirect rx-xdp_tx".split()


def host(nic="nic0"):
    return json.loads(run("host", nic, "counters"))


class Counts:
    """Of the guest, {name: [of queue 0, ...]}, and of the host; minus gives what has been counted in between."""

    def __init__(self, guest=None, hosts=None, name=None, nic="nic0"):
        if guest is None:
            guest = {key: {} for key in GUEST}
            for key, value in STATISTIC.findall(run("ethtool", "-S", name or interface())):
                found = PER_QUEUE.fullmatch(key)
                if found:
                    guest[f"{found[1]}-{found[3]}"][int(found[2])] = int(value)
            guest = {key: [values[n] for n in sorted(values)] for key, values in guest.items()}
            channels = sorted(host(nic)["channels"], key=lambda channel: channel["channel"])[:len(guest["rx-packets"])]
            hosts = {key: [channel[key] for channel in channels]
                     for key in ("tx-packets", "tx-bytes", "rx-packets", "rx-bytes")}
        self.guest, self.host = guest, hosts

    def __sub__(self, other):
        def less(mine, others):
            return {name: [a - b for a, b in zip(mine[name], others[name])] for name in mine}

        return Counts(less(self.guest, other.guest), less(self.host, other.host))

    def __eq__(self, other):
        return (self.guest, self.host) == (other.guest, other.host)

    def sum(self, name):
        return sum(self.guest[name])

    def seen(self):
        """By queue: what came out of the rings. Of frames that are received, those that a program dropped, too."""
        return [a + b for a, b in zip(self.guest["rx-packets"], self.guest["rx-xdp_drop"])]


def quiet(name=None, nic="nic0"):
    """The counters at a moment when nothing is on its way."""
    last, end = Counts(name=name, nic=nic), time.monotonic() + 20
    while True:
        time.sleep(0.2)
        now = Counts(name=name, nic=nic)
        if now == last:
            return now
        if time.monotonic() > end:
            sys.exit("FAIL: no moment without packets within 20 s")
        last = now


def compare(moved):
    """What host and guest have counted since then is the same, on each queue."""
    equal("received, by queue", moved.host["rx-packets"], moved.seen())
    equal("sent, by queue", moved.host["tx-packets"], moved.guest["tx-packets"])
    return moved
