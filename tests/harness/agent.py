# SPDX-License-Identifier: GPL-2.0-only
"""The harness's end of the agent protocol; tests/guest/agent.c tells of frames and credit."""

import asyncio
import os
import signal
import struct
import threading

HEADER = struct.Struct("<BBHI")
NUMBER = struct.Struct("<I")
HELLO, OPEN, DATA, END, CREDIT, EXIT, SIGNAL = range(7)
WINDOW = 256 * 1024
CHUNK = 16384


def pack_words(kind, cwd, env, argv):
    words = [kind, cwd, *(f"{k}={v}" for k, v in env.items()), "", *argv]
    return b"".join(os.fsencode(word) + b"\0" for word in words)


def unpack_words(data):
    words = [os.fsdecode(word) for word in data.split(b"\0")[:-1]]
    return words[0], words[1], words[words.index("", 2) + 1 :]


class Source:
    """The sending side of one channel: waits for credit before it sends."""

    def __init__(self, agent, stream_id, chan):
        self._agent, self._id, self._chan = agent, stream_id, chan
        self._credit = WINDOW
        self._more = asyncio.Event()
        self.closed = False

    def add_credit(self, value):
        self._credit += value
        self._more.set()

    def close(self):
        """The reader is gone."""
        self.closed = True
        self._more.set()

    async def send(self, data):
        for at in range(0, len(data), CHUNK):
            piece = data[at : at + CHUNK]
            while self._credit < len(piece) and not self.closed:
                self._more.clear()
                await self._more.wait()
            if self.closed:
                return
            self._credit -= len(piece)
            await self._agent.send(DATA, self._chan, self._id, piece)

    async def end(self):
        if not self.closed:
            await self._agent.send(END, self._chan, self._id)


class Command:
    """A command that runs in the guest. Its output goes to sinks: functions that take bytes."""

    def __init__(self, agent, stream_id, sinks):
        self._agent, self._id = agent, stream_id
        self._sinks = {1: sinks[0], 2: sinks[1]}
        self._input = Source(agent, stream_id, 0)
        self.status = asyncio.get_running_loop().create_future()

    async def on_frame(self, kind, chan, data):
        if kind == DATA:
            self._sinks[chan](data)
            await self._agent.send(CREDIT, chan, self._id, NUMBER.pack(len(data)))
        elif kind == CREDIT:
            self._input.add_credit(NUMBER.unpack(data)[0])
        elif kind == EXIT:
            self._agent.forget(self._id)
            if not self.status.done():
                self.status.set_result(NUMBER.unpack(data)[0])

    def fail(self):
        if not self.status.done():
            self.status.set_result(None)


class Service:
    """Something that the guest asked to run here: a process in the peer, or a host verb."""

    def __init__(self, agent, stream_id):
        self._agent, self._id = agent, stream_id
        self._process = None
        self._input = asyncio.Queue()
        self._sources = {1: Source(agent, stream_id, 1), 2: Source(agent, stream_id, 2)}
        self._kill = None

    async def on_frame(self, kind, chan, data):
        if kind == DATA:
            self._input.put_nowait(data)
        elif kind == END and chan == 0:
            self._input.put_nowait(None)
        elif kind == END:
            self._close_output(chan)
        elif kind == CREDIT:
            self._sources[chan].add_credit(NUMBER.unpack(data)[0])
        elif kind == SIGNAL:
            self.signal(NUMBER.unpack(data)[0])

    def _close_output(self, chan):
        """The guest's reader is gone: so must be the pipe, or its writer would never know."""
        self._sources[chan].close()
        if self._process:
            self._process._transport.get_pipe_transport(chan).close()

    def fail(self):
        self.signal(signal.SIGKILL)

    def signal(self, signo):
        self._kill = signo
        if self._process:
            try:
                os.killpg(self._process.pid, signo)
            except ProcessLookupError:
                pass

    async def finish(self, status):
        self._agent.forget(self._id)
        await self._agent.send(EXIT, 0, self._id, NUMBER.pack(status & 0xFF))

    async def reply(self, status, out, err):
        await self._sources[1].send(out.encode())
        await self._sources[2].send(err.encode())
        await self.finish(status)

    async def run_process(self, argv, cwd, env):
        try:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env=env,
                start_new_session=True,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as e:
            await self.reply(
                127 if isinstance(e, FileNotFoundError) else 126,
                "",
                f"peer: {argv[0]}: {e.strerror}\n",
            )
            return
        if self._kill:
            self.signal(self._kill)
        feeder = asyncio.create_task(self._feed(self._process.stdin))
        pumps = [
            asyncio.create_task(self._pump(self._process.stdout, 1)),
            asyncio.create_task(self._pump(self._process.stderr, 2)),
        ]
        status = await self._process.wait()
        # What is in the pipes still goes out; one that a left-over process holds is not waited for.
        await asyncio.wait(pumps, timeout=None if self._group_is_empty() else 0.2)
        for task in (feeder, *pumps):
            task.cancel()
        await self.finish(status if status >= 0 else 128 - status)

    def _group_is_empty(self):
        """Then nobody is left who could hold the pipes open, and they end by themselves."""
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    async def _feed(self, pipe):
        try:
            while (data := await self._input.get()) is not None:
                pipe.write(data)
                await pipe.drain()
                await self._agent.send(CREDIT, 0, self._id, NUMBER.pack(len(data)))
            pipe.close()
        except (BrokenPipeError, ConnectionResetError):
            await self._agent.send(END, 0, self._id)

    async def _pump(self, pipe, chan):
        while data := await pipe.read(CHUNK):
            await self._sources[chan].send(data)


class Agent:
    """Runs its own event loop in a thread; exec() may be called from any other thread.

    on_open(kind, cwd, argv, service) is a coroutine function that serves what the guest asks for.
    """

    def __init__(self, path, on_open):
        self._path, self._on_open = path, on_open
        self._streams = {}
        self._next_id = 0
        self._tasks = set()
        self._loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.gone = threading.Event()
        threading.Thread(target=self._main, daemon=True).start()

    def _main(self):
        asyncio.set_event_loop(self._loop)
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
        asyncio.get_child_watcher().attach_loop(self._loop)
        try:
            self._loop.run_until_complete(self._read())
        finally:
            self.gone.set()

    async def _read(self):
        reader, self._writer = await asyncio.open_unix_connection(self._path)
        self._stop = asyncio.Event()
        frames = asyncio.create_task(self._read_frames(reader))
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait((frames, stop), return_when=asyncio.FIRST_COMPLETED)
        for stream in list(self._streams.values()):
            stream.fail()
        await asyncio.sleep(0.05)  # lets those that wait see it
        for task in (frames, stop, *self._tasks):
            task.cancel()
        await asyncio.sleep(0)
        self._writer.close()

    async def _read_frames(self, reader):
        try:
            while True:
                kind, chan, stream_id, length = HEADER.unpack(await reader.readexactly(HEADER.size))
                data = await reader.readexactly(length)
                if kind == HELLO:
                    self.ready.set()
                elif kind == OPEN:
                    self._start_service(stream_id, data)
                elif stream_id in self._streams:
                    await self._streams[stream_id].on_frame(kind, chan, data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def _start_service(self, stream_id, data):
        service = self._streams[stream_id] = Service(self, stream_id)
        task = asyncio.create_task(self._on_open(*unpack_words(data), service))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(self, kind, chan, stream_id, data=b""):
        self._writer.write(HEADER.pack(kind, chan, stream_id, len(data)) + data)
        await self._writer.drain()

    def forget(self, stream_id):
        self._streams.pop(stream_id, None)

    async def _exec(self, argv, env, cwd, sinks, timeout):
        self._next_id = self._next_id % 0x7FFF + 1
        stream_id = self._next_id
        command = self._streams[stream_id] = Command(self, stream_id, sinks)
        await self.send(OPEN, 0, stream_id, pack_words("exec", cwd, env, argv))
        await self.send(END, 0, stream_id)
        try:
            return await asyncio.wait_for(asyncio.shield(command.status), timeout)
        except asyncio.TimeoutError:
            await self.send(SIGNAL, 0, stream_id, NUMBER.pack(signal.SIGKILL))
            raise TimeoutError from None

    def start(self, argv, env, cwd, sinks, timeout):
        """Run argv in the guest: a concurrent future of its status, None if the guest went away."""
        return asyncio.run_coroutine_threadsafe(
            self._exec(argv, env, cwd, sinks, timeout), self._loop
        )

    def end_services(self):
        """Kill what the guest left running here."""

        def kill():
            for stream in list(self._streams.values()):
                if isinstance(stream, Service):
                    stream.fail()

        self._loop.call_soon_threadsafe(kill)

    def close(self):
        if not self.gone.is_set():
            self._loop.call_soon_threadsafe(lambda: self._stop.set())
            self.gone.wait(5)
