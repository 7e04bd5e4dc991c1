# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's machine protocol over a unix socket: commands from any thread, events to one callback."""

import json
import socket
import threading

from common import Stop


class QmpError(Exception):
    pass


class Qmp:
    def __init__(self, path, on_event):
        self._on_event = on_event
        self._command_lock = threading.Lock()
        self._answered = threading.Condition()
        self._id = 0  # of the command that is waited for
        self._answer = None
        self._closed = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.command("qmp_capabilities")

    def _read(self):
        with self._socket.makefile("r", encoding="utf-8") as lines:
            try:
                for line in lines:
                    message = json.loads(line)
                    if "event" in message:
                        self._on_event(message)
                    elif "QMP" not in message:
                        self._take(message)
            except OSError:
                pass
        with self._answered:
            self._closed = True
            self._answered.notify_all()
        self._on_event({"event": "CLOSED"})

    def _take(self, message):
        """An answer that comes after its command ran out of time belongs to nobody."""
        with self._answered:
            if message.get("id") == self._id:
                self._answer = message
                self._answered.notify_all()

    def command(self, name, arguments=None, timeout=60):
        """Execute a command; return its result, or raise QmpError with QEMU's own words."""
        with self._command_lock, self._answered:
            self._id += 1
            self._answer = None
            request = {"execute": name, "id": self._id}
            if arguments:
                request["arguments"] = arguments
            try:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
            except OSError:
                raise QmpError("the emulator is gone") from None
            if not self._answered.wait_for(lambda: self._answer or self._closed, timeout):
                raise Stop(f"the emulator does not answer {name} within {timeout} s")
            if not self._answer:
                raise QmpError("the emulator is gone")
            answer = self._answer
        if "error" in answer:
            raise QmpError(answer["error"]["desc"])
        return answer["return"]

    def close(self):
        self._socket.close()
