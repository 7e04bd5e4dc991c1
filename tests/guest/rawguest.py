# SPDX-License-Identifier: GPL-2.0-only
"""A guest that does what no driver does: the NIC's rings from user space, for tests of the host.

uio_hv_generic of the guest's kernel takes the VMBus device. It makes two GPADLs once (receive and send buffer,
their numbers are in the names of its maps), opens the channel when its device file is opened and closes it when
the file is closed; writing to the file rings the doorbell. Everything above that is done here.
"""

import atexit
import contextlib
import ctypes
import glob
import json
import mmap
import os
import struct
import subprocess
import time

CLASS = "f8615163-df3e-46c5-913f-f2d2f965ed0e"
DRIVER = "/sys/bus/vmbus/drivers/uio_hv_generic"
PAGE = 4096
DEADLINE = 10

INBAND, XFER_PAGES, GPA_DIRECT, COMPLETION = 6, 7, 9, 11
DESCRIPTOR, FOOTER = 16, 8
WRITE_INDEX, READ_INDEX, INTERRUPT_MASK = 0, 1, 2       # words of a ring's control page

V1, V2, V4, V5, V6, V61 = 0x2, 0x30002, 0x40000, 0x50000, 0x60000, 0x60001
NO_SECTION = 0xFFFFFFFF
RECEIVE_ID, SEND_ID = 0xCAFE, 0
OK, FAIL = 1, 2                                         # status words of NVSP

QUERY, SET = 4, 5
OID_FILTER, OID_MAC, OID_MAX_FRAME, OID_RSS = 0x0001010E, 0x01010101, 0x00010106, 0x00010204
# Source routing: the interface is up, but nothing that the peer's kernel sends of its own accord passes.
SILENT = 0x0010
CSUM, LSO, VLAN, HASH = 0, 2, 6, 8                      # types of per-packet information
PEER = bytes.fromhex("020000000001")                    # nobody's: the peer's kernel drops it in silence
EXPERIMENTAL = 0x88B5                                   # an EtherType that nobody listens to
# The key that published hash values are computed with.
RSS_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")


class Failed(Exception):
    """An expectation was not met."""


def check(expected, seen, what):
    if expected != seen:
        raise Failed(f"{what}: expected {expected}, seen {seen}")


def wait_for(condition, what, seconds=DEADLINE):
    """Polls until condition() is true; returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"no {what} within {seconds} s")
        time.sleep(0)


# --- the emulator ---

def host(*words):
    done = subprocess.run(["host", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise Failed(f"host {' '.join(words)}: status {done.returncode}: {done.stderr.decode().strip()}")
    return done.stdout.decode()


def counters():
    return json.loads(host("counters"))


def audit():
    """How often each kind was seen."""
    return {item["kind"]: item["count"] for item in json.loads(host("audit"))}


def added(before, after):
    """The kinds counted between two audits."""
    return {kind: n - before.get(kind, 0) for kind, n in after.items() if n > before.get(kind, 0)}


# --- messages ---

def nvsp(kind, *words, size=40):
    return struct.pack(f"<{1 + len(words)}I", kind, *words).ljust(size, b"\0")


def nvsp_init(version, again=None):
    return nvsp(1, version, version if again is None else again)


def nvsp_config(mtu=1514, caps=0):
    return struct.pack("<IIIQ", 125, mtu, 0, caps).ljust(40, b"\0")


def nvsp_buffer(kind, gpadl, ident):
    return struct.pack("<IIHH", kind, gpadl, ident, 0).ljust(40, b"\0")


def nvsp_rndis(channel, section=NO_SECTION, size=0):
    return nvsp(107, channel, section, size)


def ppi(kind, value=None, size=None, offset=12, data=None):
    data = struct.pack("<I", value) if data is None else data
    return struct.pack("<III", 12 + len(data) if size is None else size, kind, offset) + data


def packet(frame, ppis=b"", pad=0, **fields):
    """An RNDIS PACKET; fields override what its header says: type, length, data_at, ..."""
    head = {"type": 1, "length": 44 + len(ppis) + len(frame) + pad, "data_at": 36 + len(ppis), "data_len": len(frame),
            "oob_at": 0, "oob_len": 0, "oob_n": 0, "ppi_at": 36 if ppis else 0, "ppi_len": len(ppis), "vc": 0,
            "reserved": 0}
    unknown = set(fields) - set(head)
    if unknown:
        raise TypeError(f"no such field: {unknown}")
    head.update(fields)
    return struct.pack("<11I", *head.values()) + ppis + frame + bytes(pad)


def batch(messages):
    """Messages back to back, all but the last padded to 8 with the padding counted."""
    padded = []
    for m in messages[:-1]:
        pad = -len(m) % 8
        padded.append(m[:4] + struct.pack("<I", len(m) + pad) + m[8:] + bytes(pad))
    return b"".join(padded + messages[-1:])


def ethernet(size=60, kind=EXPERIMENTAL, tag=None, tpid=0x8100):
    head = PEER + bytes.fromhex("00155d010203")
    head += struct.pack(">HHH", tpid, tag, kind) if tag is not None else struct.pack(">H", kind)
    return head.ljust(size, b"\x5a")[:size]


def pseudo_sum(addresses, proto, length):
    """The sum that a driver leaves in the checksum field: of the pseudo header, not complemented."""
    total = sum(struct.unpack(f">{len(addresses) // 2}H", addresses)) + proto + length
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def complement(data, start=0):
    """The checksum of these bytes."""
    total = start + sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) & ~1]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def transport(payload, tcp, addresses, lso):
    """TCP or UDP header and payload as a driver hands them over: LSO leaves the length out of the sum."""
    length = (20 if tcp else 8) + payload
    check_field = pseudo_sum(addresses, 6 if tcp else 17, 0 if lso else length)
    header = (struct.pack(">HHIIBBHHH", 7, 9, 0, 0, 5 << 4, 0x10, 512, check_field, 0) if tcp
              else struct.pack(">HHHH", 9, 9, length, check_field))
    return header + bytes(payload)


def ipv4(payload, tcp=True, lso=False, length=None):
    """A frame with its transport checksum to be done: headers of 14 + 20 + 20 (or 8) bytes."""
    addresses = bytes((192, 0, 2, 77, 192, 0, 2, 78))
    l4 = transport(payload, tcp, addresses, lso)
    total = (0 if lso else 20 + len(l4)) if length is None else length
    ip = struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0, 64, 6 if tcp else 17, 0) + addresses
    return ethernet(14, 0x0800) + ip + l4


def ipv6(payload, lso=False, length=None):
    """The same with TCP over IPv6: headers of 14 + 40 + 20 bytes."""
    address = bytes.fromhex("20010db80000000000000000000000")
    addresses = address + b"\x77" + address + b"\x78"
    l4 = transport(payload, True, addresses, lso)
    total = (0 if lso else len(l4)) if length is None else length
    return ethernet(14, 0x86DD) + struct.pack(">IHBB", 6 << 28, total, 6, 64) + addresses + l4


def request(kind, oid, data=b"", ident=1, at=20, size=None, length=None):
    body = struct.pack("<5I", ident, oid, len(data) if size is None else size, at, 0) + data
    return struct.pack("<II", kind, 8 + len(body) if length is None else length) + body


def rss_parameters(types, table, key):
    """The object of OID_RSS."""
    head = struct.pack("<BBHHHIHHIHHIIII", 0x89, 2, 40, 0, 0, types, 4 * len(table), 0, 40, len(key), 0,
                       40 + 4 * len(table), 0, 0, 0)
    return head + struct.pack(f"<{len(table)}I", *table) + key


def infos_of(message):
    """The per-packet infos of a received message, whose data is a word: {type: word}."""
    at, length = struct.unpack_from("<II", message, 28)
    at, end = 8 + at, 8 + at + length
    found = {}
    while at < end:
        size, kind, offset = struct.unpack_from("<III", message, at)
        check(False, kind in found, f"info {kind:#x} twice")
        found[kind] = struct.unpack_from("<I", message, at + offset)[0]
        at += size
    return found


def hash_of(message):
    """The value of the hash info (PPI 8) of a received message, or None."""
    return infos_of(message).get(HASH)


def data_of(message):
    """The frame, or the piece of one, in a received message."""
    at, length = struct.unpack_from("<II", message, 8)
    check(True, 8 + at + length <= len(message), "data inside its range")
    return message[8 + at:8 + at + length]


def rndis_initialize(ident=1, size=24):
    return struct.pack("<6I", 2, size, ident, 1, 0, 0x4000)


def short_control(kind, ident=1, length=12):
    """HALT, RESET, KEEPALIVE, and types that do not exist."""
    return struct.pack("<III", kind, length, ident)


# --- guest pages ---

class Pages:
    """Locked memory whose page frame numbers are known."""

    def __init__(self, count):
        self.memory = mmap.mmap(-1, count * PAGE, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        self.memory[:] = bytes(count * PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        if ctypes.CDLL(None).mlock(ctypes.c_void_p(address), ctypes.c_size_t(count * PAGE)):
            raise Failed("mlock")
        with open("/proc/self/pagemap", "rb") as f:
            f.seek(address // PAGE * 8)
            entries = struct.unpack(f"<{count}Q", f.read(8 * count))
        self.pfns = [entry & ((1 << 55) - 1) for entry in entries]

    def span(self, offset, length):
        """The page frame numbers of these bytes."""
        return self.pfns[offset // PAGE:(offset + length - 1) // PAGE + 1]


def gpa_range(count, offset, pfns):
    return struct.pack(f"<II{len(pfns)}Q", count, offset, *pfns)


def gpa_descriptor(ranges, count=None):
    """The type-specific part of a packet with page ranges."""
    return struct.pack("<II", 0, len(ranges) if count is None else count) + b"".join(ranges)


# --- rings ---

class Ring:
    """One direction: a control page, then data."""

    def __init__(self, view):
        self.words = view[:PAGE].cast("I")
        self.data = view[PAGE:]
        self.size = len(self.data)

    def write(self, at, data):
        first = min(len(data), self.size - at)
        self.data[at:at + first] = data[:first]
        self.data[:len(data) - first] = data[first:]
        return (at + len(data)) % self.size

    def read(self, at, length):
        first = min(length, self.size - at)
        return bytes(self.data[at:at + first]) + bytes(self.data[:length - first])


class Packet:
    """One packet of the host."""

    def __init__(self, raw):
        self.kind, offset8, _, self.flags, self.tid = struct.unpack_from("<HHHHQ", raw)
        self.descriptor = raw[DESCRIPTOR:offset8 * 8]
        self.payload = raw[offset8 * 8:]

    def word(self, at):
        return struct.unpack_from("<I", self.payload, at)[0]

    def ranges(self):
        """(length, offset) of each transfer page range."""
        count = struct.unpack_from("<I", self.descriptor, 4)[0]
        return [struct.unpack_from("<II", self.descriptor, 8 + 8 * i) for i in range(count)]


class Channel:
    """An open channel: its two rings."""

    def __init__(self, view, doorbell):
        half = len(view) // 2
        self.out, self.inward = Ring(view[:half]), Ring(view[half:])
        self.doorbell = doorbell
        self.at = self.out.words[WRITE_INDEX]
        self.read_at = self.inward.words[READ_INDEX]

    def put_raw(self, data):
        """Bytes into the ring; they are published by kick()."""
        self.at = self.out.write(self.at, data)

    def put(self, kind, payload=b"", tid=0, flags=0, descriptor=b"", **fields):
        """A packet; fields override offset8 and len8."""
        body = descriptor + payload.ljust(len(payload) + -len(payload) % 8, b"\0")
        offset8 = fields.pop("offset8", (DESCRIPTOR + len(descriptor)) // 8)
        len8 = fields.pop("len8", (DESCRIPTOR + len(body)) // 8)
        if fields:
            raise TypeError(f"no such field: {fields}")
        head = struct.pack("<HHHHQ", kind, offset8, len8, flags, tid & 0xFFFFFFFFFFFFFFFF)
        self.put_raw(head + body + struct.pack("<II", 0, self.at))

    def publish(self):
        self.out.words[WRITE_INDEX] = self.at

    def kick(self):
        self.publish()
        self.doorbell()

    def consumed(self):
        """True when the host has read all that was published."""
        return self.out.words[READ_INDEX] == self.out.words[WRITE_INDEX]

    def get(self):
        """The next packet of the host, or None."""
        at, end = self.read_at, self.inward.words[WRITE_INDEX]
        if at == end:
            return None
        waiting = (end - at) % self.inward.size
        offset8, len8 = struct.unpack_from("<HH", self.inward.read(at, DESCRIPTOR), 2)
        if not 2 <= offset8 <= len8 or len8 * 8 + FOOTER > waiting:
            raise Failed(f"the host wrote a packet of {len8} words, data at {offset8}, in {waiting} bytes")
        found = Packet(self.inward.read(at, len8 * 8))
        self.read_at = (at + len8 * 8 + FOOTER) % self.inward.size
        self.inward.words[READ_INDEX] = self.read_at
        return found


# --- the device ---

def _write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def _nic_path():
    for path in glob.glob("/sys/bus/vmbus/devices/*"):
        with open(f"{path}/class_id", encoding="ascii") as f:
            if CLASS in f.read():
                return path
    raise Failed("no NIC among the VMBus devices")


class Device:
    """The NIC in the hands of uio_hv_generic."""

    def __init__(self):
        subprocess.run(["modprobe", "uio_hv_generic"], check=True)
        self.path = _nic_path()
        if not os.path.exists(f"{self.path}/driver"):
            _write(f"{DRIVER}/new_id", CLASS)
        maps = wait_for(lambda: glob.glob(f"{self.path}/uio/uio*/maps"), "uio device of the NIC")[0]
        self.node = f"/dev/{maps.split('/')[-2]}"
        self.ring_bytes = self._map(maps, 0)[1]
        self.receive_gpadl, self.receive_bytes = self._map(maps, 3)
        self.send_gpadl, self.send_bytes = self._map(maps, 4)
        wait_for(lambda: os.path.exists(self.node), self.node)
        self.session = None
        atexit.register(self.close)

    @staticmethod
    def _map(maps, n):
        with open(f"{maps}/map{n}/name", encoding="ascii") as f:
            number = f.read().strip().rpartition(":")[2]
        with open(f"{maps}/map{n}/size", encoding="ascii") as f:
            return int(number) if number.isdigit() else 0, int(f.read(), 0)

    def close(self):
        """Give the NIC back, for the driver that a later test loads; also when this test fails."""
        atexit.unregister(self.close)
        if self.session:
            self.session.close()
        _write(f"{DRIVER}/remove_id", CLASS)
        _write(f"{DRIVER}/unbind", os.path.basename(self.path))
        subprocess.run(["rmmod", "uio_hv_generic"], check=True)


class RawNic:
    """One session: from the opening of the channel to its close."""

    def __init__(self, device):
        self.device = device
        self.file = os.open(device.node, os.O_RDWR | os.O_CLOEXEC)      # fails when the host refuses to open
        device.session = self
        self._maps = []
        self.primary = Channel(self._map(0, device.ring_bytes), self.doorbell)
        self.receive = self._map(3, device.receive_bytes)
        self.send = self._map(4, device.send_bytes)
        self.next_tid, self.next_section = 0x1000, 0
        self.section_size = self.section_count = 0
        self.completions = {}       # transaction id -> payload
        self.replies, self.indications, self.frames, self.inband = [], [], [], []
        self.subframes = []
        self.packets = []           # transfer page packets whose completion is held back
        self.hold = False
        self.version = 0

    def _map(self, n, size):
        view = memoryview(mmap.mmap(self.file, size, offset=n * mmap.PAGESIZE))
        self._maps.append(view)
        return view

    def doorbell(self):
        os.write(self.file, struct.pack("<I", 1))

    def close(self):
        """Closes the channel: the maps pin the file, so they go with it."""
        if self.file < 0:
            return
        self.primary = self.receive = self.send = None
        self._maps.clear()
        os.close(self.file)
        self.file = -1
        # uio_hv_generic touches the rings of every subchannel that the kernel still knows when a doorbell is
        # rung, also of one that is closed and only waits to be rescinded: let those go first.
        wait_for(lambda: len(glob.glob(f"{self.device.path}/channels/*")) == 1, "end of the subchannels")

    def tid(self):
        self.next_tid += 1
        return self.next_tid

    # what the host sends

    def pump(self):
        """Takes what is in the ring; False when there was nothing."""
        p = self.primary.get()
        if p is None:
            return False
        if p.kind == COMPLETION:
            if p.tid in self.completions:
                raise Failed(f"two completions of {p.tid:#x}")
            self.completions[p.tid] = p.payload
        elif p.kind == XFER_PAGES:
            self._received(p)
        else:
            self.inband.append(p)
        return True

    def _received(self, p):
        for length, at in p.ranges():
            data = bytes(self.receive[at:at + length])
            if p.word(4) == 0:
                self.frames.append(data)
            elif data[:4] == struct.pack("<I", 7):
                self.indications.append(data)
            else:
                self.replies.append(data)
        if self.hold:
            self.packets.append(p)
        else:
            self.complete(p.tid)

    def take_from(self, channel):
        """The frames of the next packet on a subchannel, if there is one, are put into subframes."""
        p = channel.get()
        if p is None or p.kind != XFER_PAGES:
            return False
        self.subframes += [bytes(self.receive[at:at + length]) for length, at in p.ranges()]
        channel.put(COMPLETION, nvsp(108, OK, size=8), p.tid)
        channel.kick()
        return True

    def complete(self, tid, payload=nvsp(108, OK, size=8)):
        self.primary.put(COMPLETION, payload, tid)
        self.primary.kick()

    def wait(self, condition, what):
        def step():
            while self.pump():
                pass
            return condition()
        return wait_for(step, what)

    def answer(self, tid):
        """The completion of a request."""
        self.wait(lambda: tid in self.completions, f"completion of {tid:#x}")
        return self.completions[tid]

    def settle(self):
        """Until the host has read all, or has stopped to listen. Returns True if it listens."""
        return self.wait(lambda: "listens" if self.primary.consumed() else "mute" if self.is_broken() else "",
                         "reading of the ring by the host") == "listens" and not self.is_broken()

    @staticmethod
    def is_broken(channel=0):
        return bool(counters()["channels"][channel]["broken"])

    # requests

    def post(self, message, flags=1, tid=None):
        tid = self.tid() if tid is None else tid
        self.primary.put(INBAND, message, tid, flags)
        self.primary.kick()
        return tid

    def ask(self, message, tid=None):
        return self.answer(self.post(message, tid=tid))

    def section(self, data, index=None):
        """Puts data into a section of the send buffer; its index."""
        if index is None:
            index = self.next_section
            self.next_section = (index + 1) % max(self.section_count, 1)
        at = index * (self.section_size or 6144)
        self.send[at:at + len(data)] = data
        return index

    def post_rndis(self, data, channel=0, index=None, size=None, kick=True, channel_ring=None, tid=None):
        """RNDIS bytes in a section; the transaction id."""
        tid = self.tid() if tid is None else tid
        ring = channel_ring or self.primary
        index = self.section(data, index)
        ring.put(INBAND, nvsp_rndis(channel, index, len(data) if size is None else size), tid, 1)
        if kick:
            ring.kick()
        return tid

    def post_pages(self, descriptor, payload=None):
        """RNDIS bytes in page ranges."""
        tid = self.tid()
        self.primary.put(GPA_DIRECT, nvsp_rndis(0) if payload is None else payload, tid, 1, descriptor)
        self.primary.kick()
        return tid

    def status(self, tid):
        return struct.unpack_from("<I", self.answer(tid), 4)[0]

    def control(self, message):
        """A control message; its reply."""
        self.replies.clear()
        check(OK, self.status(self.post_rndis(message, channel=1)), "status of a control message")
        self.wait(lambda: self.replies, "RNDIS reply")
        return self.replies.pop(0)

    def query(self, oid, data=b"", ident=1):
        """(status, output) of an OID query."""
        reply = self.control(request(QUERY, oid, data, ident))
        kind, _, seen, status, length, at = struct.unpack_from("<6I", reply)
        check((0x80000004, ident), (kind, seen), "type and id of a query's reply")
        return status, reply[8 + at:8 + at + length]

    def set(self, oid, data):
        """Status of an OID set."""
        return struct.unpack_from("<I", self.control(request(SET, oid, data)), 12)[0]

    # the session, step by step

    STEPS = ("open", "init", "config", "version", "receive", "send", "rndis", "up")

    def start(self, step="up", version=V61, mtu=1514, filter_bits=SILENT, caps=0):
        """Bring the session up to and including a step."""
        for name in self.STEPS[1:self.STEPS.index(step) + 1]:
            if name == "init":
                self.start_version(version)
            elif name == "config" and version >= V2:
                self.post(nvsp_config(mtu, caps), flags=0)
            elif name == "version":
                self.post(nvsp(100, 6, 30 if version >= V5 else 1), flags=0)
            elif name == "receive":
                self.start_receive()
            elif name == "send":
                self.start_send()
            elif name == "rndis":
                self.start_rndis()
            elif name == "up":
                check(0, self.set(OID_FILTER, struct.pack("<I", filter_bits)), "status of the packet filter")

    def start_version(self, version):
        answer = self.ask(nvsp_init(version))
        kind, _, chain, status = struct.unpack_from("<4I", answer)
        check((2, 34, OK), (kind, chain, status), "INIT COMPLETE")
        self.version = version

    def start_receive(self):
        answer = self.ask(nvsp_buffer(101, self.device.receive_gpadl, RECEIVE_ID))
        kind, status, sections, at, size, count, end = struct.unpack_from("<7I", answer)
        check((102, OK, 1, 0), (kind, status, sections, at), "receive buffer completion")
        check((True, size * count), (size * count <= self.device.receive_bytes, end), "receive sections")

    def start_send(self):
        kind, status, size = struct.unpack_from("<3I", self.ask(nvsp_buffer(104, self.device.send_gpadl, SEND_ID)))
        check((105, OK), (kind, status), "send buffer completion")
        self.section_size, self.section_count = size, self.device.send_bytes // size

    def start_rndis(self):
        reply = self.control(rndis_initialize())
        words = struct.unpack_from("<11I", reply)
        check((0x80000002, 52, 1, 0, 1, 0, 1, 0, 8, 3),
              words[:9] + words[10:], "INITIALIZE completion without its transfer size")

    def stop(self):
        """The orderly end of a session that is up."""
        self.stop_traffic()
        self.close()

    def stop_traffic(self):
        """All of the end but the close."""
        check(0, self.set(OID_FILTER, bytes(4)), "status of the packet filter")
        check(OK, self.status(self.post_rndis(short_control(3), channel=1)), "status of HALT")
        for kind, ident in ((103, RECEIVE_ID), (106, SEND_ID)):
            self.post(struct.pack("<IHH", kind, ident, 0).ljust(40, b"\0"), flags=0)
        self.wait(self.primary.consumed, "reading of the ring by the host")

    # subchannels

    def subchannel(self):
        """The rings of the one subchannel of a NIC with two queues."""
        return self.subchannels(1)[1]

    def subchannels(self, count):
        """The rings of so many subchannels, by channel; the kernel opens each on its offer."""
        before = set(self._ring_files())
        # Not by the device's doorbell: the offer would come while uio_hv_generic goes through the subchannels,
        # and it does not expect to find one that is not open yet.
        tid = self.tid()
        self.primary.put(INBAND, nvsp(133, 1, count), tid, 1)
        self.primary.publish()
        host("do", "kick")
        answer = self.answer(tid)
        check((133, OK, count), struct.unpack_from("<3I", answer), "subchannel completion")
        wait_for(lambda: all(c["open"] for c in counters()["channels"][:count + 1]), "open subchannels")
        wait_for(lambda: len(set(self._ring_files()) - before) == count, "rings of the subchannels")
        return {self._index_of(path): self._map_ring(path) for path in set(self._ring_files()) - before}

    @staticmethod
    def _index_of(path):
        with open(f"{os.path.dirname(path)}/subchannel_id", encoding="ascii") as f:
            return int(f.read())

    def _map_ring(self, path):
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        view = memoryview(mmap.mmap(file, os.fstat(file).st_size))
        os.close(file)
        self._maps.append(view)
        return Channel(view, lambda: host("do", "kick"))

    def _ring_files(self):
        """The sysfs files of rings: one for each channel that is or was open."""
        return glob.glob(f"{self.device.path}/channels/*/ring")


def good_session(device):
    """All that a driver does, in order: the proof that the host is as before."""
    nic = RawNic(device)
    try:
        nic.start()
        status, mac = nic.query(OID_MAC)
        check((0, "00155d010203"), (status, mac.hex()), "MAC query")
        check(OK, nic.status(nic.post_rndis(packet(ethernet()))), "status of a good packet")
        nic.stop()
    finally:
        nic.close()


@contextlib.contextmanager
def session(device, step="up", **settings):
    """A session brought up to a step; it is closed at the end, in whatever state."""
    nic = RawNic(device)
    try:
        nic.start(step, **settings)
        yield nic
    finally:
        nic.close()
