#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Frames as they are, for tests that are written in Python: sent by either end, seen by either end.

As a program, which the guest starts at the peer: `send` takes a frame in hexadecimal digits from each line of stdin;
`see SECONDS` says `ready`, and prints each frame that comes in and contains MARK, behind its tag and a blank.
"""

import ctypes
import os
import select
import socket
import struct
import subprocess
import sys
import time

MARK = b"--hv-frame--"
UNKNOWN = 0x88B5                    # an EtherType that nobody listens to
PEER_MAC = bytes.fromhex("02000000000c")        # nobody's: no kernel answers it
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
SOL_PACKET, PACKET_AUXDATA, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 8, 15, 23
PACKET_OUTGOING = 4
AUXDATA = struct.Struct("=IIIHHHH")
STATUS_VLAN_VALID = 0x10
ETH_P_ALL = 3
LD, LDH, JEQ, RET = 0x20, 0x28, 0x15, 0x06      # of classic BPF: a word, half of one, a comparison, the end
AD_QUEUE, AD_RXHASH = 0xFFFFF000 + 24, 0xFFFFF000 + 32      # what is known of a frame, linux/filter.h
PASS, DROP = (RET, 0, 0, 0x40000), (RET, 0, 0, 0)


def interface():
    return os.environ["IFACE"]


def own_mac():
    with open(f"/sys/class/net/{interface()}/address", encoding="ascii") as f:
        return bytes.fromhex(f.read().replace(":", ""))


class Tap:
    """A packet socket that sees what comes in, or goes out, as far as its filter lets it through.

    vnet: a struct virtio_net_hdr stands before each frame, which tells what is still to be done on it.
    """

    def __init__(self, name, *program, vnet=False, outgoing=False):
        self.outgoing = outgoing
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        for option, value in ((PACKET_AUXDATA, 1), (PACKET_VNET_HDR, vnet), (PACKET_IGNORE_OUTGOING, not outgoing)):
            self.wire.setsockopt(SOL_PACKET, option, int(value))
        self.wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        if program:
            code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *i) for i in program))
            self.wire.setsockopt(
                socket.SOL_SOCKET, SO_ATTACH_FILTER,
                struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
        self.wire.bind((name, ETH_P_ALL))
        self.wire.setblocking(False)

    def fileno(self):
        return self.wire.fileno()

    def frame(self):
        """(frame without its 802.1Q tag, the tag or None); an empty one if it went the other way."""
        data, extra, _, source = self.wire.recvmsg(1 << 17, 64)
        if self.outgoing != (source[2] == PACKET_OUTGOING):
            return b"", None
        for level, kind, value in extra:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, _, _, _, _, tci, tpid = AUXDATA.unpack_from(value)
                if status & STATUS_VLAN_VALID and tpid == 0x8100:
                    return data, tci
        if data[12:14] == b"\x81\x00":          # in the frame, as it was sent
            return data[:12] + data[16:], int.from_bytes(data[14:16], "big")
        return data, None


def marked(taps, done, seconds=15):
    """All (tap, frame, tag) with the mark, until done(them) or the time is over."""
    found = []
    end = time.monotonic() + seconds
    while not done(found) and time.monotonic() < end:
        for tap in select.select(taps, (), (), 0.05)[0]:
            frame, tag = tap.frame()
            if MARK in frame:
                found.append((tap, frame, tag))
    return found


def send(name, frames):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((name, 0))
        for frame in frames:
            wire.send(frame)


def at_peer(tap, *words):
    """This program at the peer, which has a tap for each NIC."""
    return "peer", "env", f"IFACE={tap}", os.path.abspath(__file__), *words


def send_at_peer(frames, tap="tap0"):
    lines = "".join(frame.hex() + "\n" for frame in frames)
    subprocess.run(at_peer(tap, "send"), input=lines.encode(), check=True)


class PeerTap:
    """What the peer sees: a list of (frame, tag)."""

    def __init__(self, seconds=40, tap="tap0"):
        self.process = subprocess.Popen(at_peer(tap, "see", str(seconds)), stdout=subprocess.PIPE, text=True)
        self._next()

    def _next(self):
        return self.process.stdout.readline().split()

    def frames(self, count):
        """The next ones; fewer when the peer's time is over."""
        found = []
        while len(found) < count and (words := self._next()):
            found.append((bytes.fromhex(words[1]), None if words[0] == "-" else int(words[0], 16)))
        return found

    def close(self):
        self.process.terminate()
        self.process.wait()


def main():
    if sys.argv[1] == "send":
        send(interface(), map(bytes.fromhex, sys.stdin))
        return
    tap = Tap(interface())
    print("ready", flush=True)
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        for _, frame, tag in marked([tap], lambda found: found, 0.5):
            print("-" if tag is None else f"{tag:04x}", frame.hex(), flush=True)


if __name__ == "__main__":
    main()
