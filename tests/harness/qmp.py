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
        self._answers = []
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
                        with self._answered:
                            self._answers.append(message)
                            self._answered.notify_all()
            except OSError:
                pass
        with self._answered:
            self._closed = True
            self._answered.notify_all()
        self._on_event({"event": "CLOSED"})

    def command(self, name, arguments=None, timeout=60):
        """Execute a command; return its result, or raise QmpError with QEMU's own words."""
        request = {"execute": name}
        if arguments:
            request["arguments"] = arguments
        with self._command_lock, self._answered:
            try:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
            except OSError:
                raise QmpError("the emulator is gone") from None
            if not self._answered.wait_for(lambda: self._answers or self._closed, timeout):
                raise Stop(f"the emulator does not answer {name} within {timeout} s")
            if not self._answers:
                raise QmpError("the emulator is gone")
            answer = self._answers.pop(0)
        if "error" in answer:
            raise QmpError(answer["error"]["desc"])
        return answer["return"]

    def close(self):
        self._socket.close()
