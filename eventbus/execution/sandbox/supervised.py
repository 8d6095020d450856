"""The bus's end of a supervisor: starts it, gives it orders, hears what its processes write and how they end.

Two descriptors for each environment: a socket for orders and reports, whose closing ends everything on the other side,
and a pipe for what the processes write. Both are read as soon as they are readable; the pipe can also be drained at
once, so that what was written before an answer is known when the answer is.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import attrs

from eventbus.execution.sandbox.lines import Lines

HERE = Path(__file__).parent
SUPERVISOR = HERE / "supervisor.py"
RUNTIME = HERE / "runtime.py"
STUB = (  # run from its compiled form, which a script given by name is not
    "from importlib._bootstrap_external import SourceFileLoader as L;"
    "exec(L('__main__',{path!r}).get_code('__main__'),{{'__name__':'__main__'}})"
)
CHUNK = 65_536
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
HIGH_WATER = b"\nVmHWM:"
PATIENCE = 5.0
"""Seconds that a supervisor gets to end everything below it; it needs milliseconds."""


@attrs.frozen
class Exit:
    """How the runtime's process ended."""

    status: int
    """Its exit status, or minus the signal that ended it."""
    peak_memory: int
    """Bytes."""


@attrs.frozen
class NotLaunched:
    """The runtime could not be started; `number` is the errno."""

    number: int


class Supervised:
    """One supervisor and the runtime below it; `notify` is called whenever something has changed."""

    def __init__(self, notify: Callable[[], None], on_line: Callable[[str], None]) -> None:
        self._notify = notify
        self._on_line = on_line
        self._lines = Lines()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._output = -1
        self._reports = b""
        self._is_unread = anyio.Event()
        """Nobody reads the pipe any more: it has ended, or its task was cancelled."""
        self.has_private_tmp = False
        self.tmp_directory = ""
        self.pid = 0
        """The runtime's process, or 0."""
        self.end: Exit | NotLaunched | None = None
        """How the last runtime ended, once it has."""
        self.is_lost = False
        """The supervisor itself is gone."""

    def open(self, tasks: anyio.abc.TaskGroup, settings: Mapping[str, Any]) -> None:
        """Start the supervisor, and read what comes of it in this task group."""
        self.tmp_directory = os.path.join(tempfile.gettempdir(), f"eventbus-{os.urandom(8).hex()}")
        ours, theirs = socket.socketpair()
        output, written = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-u", "-c", STUB.format(path=str(SUPERVISOR))],
                stdin=theirs.fileno(),
                stdout=written,
                stderr=written,
                env={"PATH": os.defpath, "LC_CTYPE": "C.UTF-8"},
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            os.close(output)
            self.is_lost = True
            raise
        finally:
            theirs.close()
            os.close(written)
        self._control, self._output = ours, output
        ours.setblocking(False)
        os.set_blocking(output, False)
        self._order("begin", {**settings, "tmp_directory": self.tmp_directory, "runtime": str(RUNTIME)})
        tasks.start_soon(self._read_reports, ours)
        tasks.start_soon(self._read_output, output)

    def start(self) -> None:
        """Run the runtime, after ending whatever runs."""
        self.pid, self.end = 0, None
        self._order("start")

    def kill(self) -> None:
        """End all processes of the environment; `end` says when the runtime has."""
        if self._control is not None:
            self._order("kill")

    def _order(self, *order: Any) -> None:
        data = marshal.dumps(order)
        assert self._control is not None
        try:
            self._control.sendall(len(data).to_bytes(4, "big") + data)
        except OSError:
            self.is_lost = True

    # -- what comes back ----------------------------------------------------------------------------------------------

    async def _read_reports(self, control: socket.socket) -> None:
        while True:
            try:
                await anyio.wait_readable(control)
                data = control.recv(CHUNK)
            except BlockingIOError:
                continue
            except (OSError, ValueError, anyio.ClosedResourceError):
                data = b""
            if not data:
                break
            *lines, self._reports = (self._reports + data).split(b"\n")
            for line in lines:
                self._hear(line.decode().split(" "))
            self._notify()
        self.is_lost = True
        self._notify()

    def _hear(self, report: list[str]) -> None:
        match report:
            case ["ready", is_private]:
                self.has_private_tmp = is_private == "1"
            case ["started", pid]:
                self.pid = int(pid)
            case ["refused", number]:
                self.end = NotLaunched(int(number))
            case ["exited", status, peak] if self.pid:
                self.pid = 0
                self.end = Exit(int(status), int(peak) * 1024)

    async def _read_output(self, output: int) -> None:
        try:
            await anyio.wait_readable(output)
            while self.drain():
                await anyio.wait_readable(output)
        except (OSError, ValueError, anyio.ClosedResourceError):
            pass
        finally:
            self._is_unread.set()

    def drain(self) -> bool:
        """Read what has been written until now; False when nothing can come any more."""
        if self._output < 0:
            return False
        while True:
            try:
                data = os.read(self._output, CHUNK)
            except BlockingIOError:
                return True
            if not data:
                self._close_output()
                return False
            for line in self._lines.feed(data):
                self._on_line(line)

    def flush(self) -> None:
        """Give out a line that has no end yet: what comes later belongs to something else."""
        for line in self._lines.flush():
            self._on_line(line)

    def _close_output(self) -> None:
        output, self._output = self._output, -1
        if output >= 0:
            anyio.notify_closing(output)
            os.close(output)

    def is_running(self) -> bool:
        """Whether the runtime's process runs at this moment, whatever has been reported until now."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb", buffering=0) as file:
                return file.read(512).rpartition(b")")[2].split()[0] not in (b"Z", b"X")
        except OSError:
            return sys.platform != "linux" and self.pid != 0

    # -- memory -------------------------------------------------------------------------------------------------------

    def peak_memory(self) -> int:
        """Bytes: the most that the runtime's process has ever had in memory."""
        try:
            with open(f"/proc/{self.pid}/status", "rb", buffering=0) as file:
                text = file.read(8192)
        except OSError:
            return 0
        at = text.find(HIGH_WATER)
        return int(text[at + len(HIGH_WATER) :].split(None, 1)[0]) * 1024 if at >= 0 else 0

    def memory_of_all(self) -> int:
        """Bytes that the runtime and everything below it have in memory now."""
        total, left = 0, [self.pid]
        while left:
            pid = left.pop()
            with contextlib.suppress(OSError, ValueError, IndexError):
                pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
                total += pages * PAGE
                for thread in os.listdir(f"/proc/{pid}/task"):
                    left += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
        return total

    # -- the end ------------------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Let the supervisor end everything; returns at once."""
        control, self._control = self._control, None
        if control is not None:
            anyio.notify_closing(control)
            control.close()

    async def aclose(self) -> None:
        """Wait until all processes have ended and nothing is left of them."""
        self.hang_up()
        process = self._process
        if process is None:
            return
        with anyio.move_on_after(PATIENCE, shield=True):
            # the pipe ends with the last process that could write to it, which is the supervisor
            await self._is_unread.wait()
            while self.drain():
                await anyio.wait_readable(self._output)
        if self._output >= 0:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            self._close_output()
        process.wait()
        shutil.rmtree(self.tmp_directory, ignore_errors=True)
