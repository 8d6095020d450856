"""The small process above a function's processes: prepares `/tmp`, starts the runtime, ends everything that came of it.

It runs apart from the bus, on the modules that load fastest, and does what must not be done between fork and exec in a
process with threads: limits, the mount of `/tmp`, the new session. One supervisor is one execution environment. It is
the subreaper of all its descendants, so that a process that detaches itself is still found; and when its socket to the
bus closes, because the bus was left or killed, it ends them all, removes what it made and ends itself.

Orders come in as marshalled tuples behind their length, reports go out as lines of words:

    in   ("begin", settings)      once, first
         ("start",)               run the runtime
         ("kill",)                end all processes
    out  ready 1                  /tmp is there; 1 if it is a mount of its own, else 0
         started PID
         refused ERRNO            the executable could not be run
         exited STATUS PEAK       as os.waitstatus_to_exitcode says; peak memory in KiB
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes long to load
import _socket
import ctypes
import marshal
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself takes long to load
    from collections.abc import Callable
    from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_NOSUID_NODEV = 2 | 4
MS_BIND = 4096
MS_REC_PRIVATE = 16384 | (1 << 18)

IS_LINUX = sys.platform == "linux"
libc = ctypes.CDLL(None, use_errno=True)


class Supervisor:
    def __init__(self) -> None:
        self.control = _socket.socket(fileno=os.dup(0))
        devnull = os.open(os.devnull, os.O_RDONLY)
        os.dup2(devnull, 0)
        os.close(devnull)
        self.received = b""
        self.settings: dict[str, Any] = {}
        self.runtime = 0
        self.bus = os.getppid()
        self.child_ended, self.wakeup = os.pipe()
        os.set_blocking(self.child_ended, False)
        os.set_blocking(self.wakeup, False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        _signal.signal(_signal.SIGTERM, lambda *_: None)  # sent by the kernel when the bus's thread ends
        _signal.set_wakeup_fd(self.wakeup)
        if IS_LINUX:
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            libc.prctl(PR_SET_PDEATHSIG, int(_signal.SIGTERM), 0, 0, 0)

    def run(self) -> Callable[[], None]:
        """Serve until the bus hangs up. Returns in a child only, with what the child shall do."""
        try:
            while True:
                awaited: list[Any] = [self.control, self.child_ended]
                ready, _, _ = select.select(awaited, [], [])
                if self.child_ended in ready:
                    os.read(self.child_ended, 4096)
                    if os.getppid() != self.bus:
                        break
                    self.reap()
                if self.control in ready:
                    try:
                        data = self.control.recv(65536)
                    except OSError:
                        break
                    if not data:
                        break
                    self.received += data
                    child = self.obey()
                    if child is not None:
                        return child
        except BaseException:
            self.end()
            raise
        self.end()
        os._exit(0)

    def obey(self) -> Callable[[], None] | None:
        while len(self.received) >= 4:
            end = 4 + int.from_bytes(self.received[:4], "big")
            if len(self.received) < end:
                return None
            order = marshal.loads(self.received[4:end])
            self.received = self.received[end:]
            if order[0] == "begin":
                self.begin(order[1])
            elif order[0] == "kill":
                self.kill_all()
            elif order[0] == "start":
                child = self.start()
                if child is not None:
                    return child
        return None

    def report(self, *message: object) -> None:
        try:
            self.control.sendall(" ".join(map(str, message)).encode() + b"\n")
        except OSError:
            pass  # the bus is gone, which the next read shows

    # -- /tmp ---------------------------------------------------------------------------------------------------------

    def begin(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        is_private = settings["private_tmp"] and IS_LINUX and self.mount_tmp(settings["tmp"], settings["kept"])
        if not is_private:
            os.makedirs(settings["tmp_directory"], mode=0o700, exist_ok=True)
            for name in ("TMPDIR", "TEMP", "TMP"):
                settings["variables"].setdefault(name, settings["tmp_directory"])
        self.is_private = is_private
        self.report("ready", int(is_private))

    def mount_tmp(self, megabytes: int, kept: list[str]) -> bool:
        """Put a file system of its own size at /tmp, seen by this environment alone."""
        if libc.unshare(CLONE_NEWNS) != 0:
            # a half-made name space of users cannot be left again: a child tries it first
            if not succeeds(lambda: enter_user_namespace() and mount(megabytes)):
                return False
            enter_user_namespace()
        # what lies below the old /tmp and is still needed is held open, and bound to its place in the new one
        held = [(path, os.open(path, os.O_PATH)) for path in kept if path.startswith("/tmp/") and os.path.exists(path)]
        is_mounted = mount(megabytes)
        for path, fd in held:
            if is_mounted:
                os.makedirs(path, exist_ok=True)
                libc.mount(f"/proc/self/fd/{fd}".encode(), os.fsencode(path), None, MS_BIND | 16384, None)
            os.close(fd)
        return is_mounted

    # -- processes ----------------------------------------------------------------------------------------------------

    def start(self) -> Callable[[], None] | None:
        self.kill_all()
        refusal, refused = os.pipe()  # both close on exec: nothing comes through when the executable runs
        pid = os.fork()
        if pid:
            os.close(refused)
            self.runtime = pid
            error = os.read(refusal, 4)
            os.close(refusal)
            if error:
                os.waitpid(pid, 0)
                self.runtime = 0
                self.report("refused", int.from_bytes(error, "big"))
            else:
                self.report("started", pid)
            return None
        os.close(refusal)
        settings = self.settings
        try:
            self.become_runtime()
            executable = settings["executable"]
            if executable is None:
                os.close(refused)
                return lambda: run_python(settings)
            for number in (_signal.SIGPIPE, _signal.SIGXFSZ):  # which Python ignores, and others do not expect
                _signal.signal(number, _signal.SIG_DFL)
            os.execve(executable[0], executable, settings["variables"])
        except OSError as error:
            os.write(refused, (error.errno or 0).to_bytes(4, "big"))
        os._exit(127)

    def become_runtime(self) -> None:
        """In the child: leave the supervisor's things behind and take on the limits of the function."""
        os.setsid()
        if IS_LINUX:
            libc.prctl(PR_SET_PDEATHSIG, int(_signal.SIGKILL), 0, 0, 0)
        _signal.set_wakeup_fd(-1)
        for number in (_signal.SIGCHLD, _signal.SIGTERM):
            _signal.signal(number, _signal.SIG_DFL)
        self.control.close()
        os.close(self.child_ended)
        os.close(self.wakeup)
        import resource

        settings = self.settings
        for name, value in settings["limits"].items():
            if name == "RLIMIT_FSIZE" and self.is_private:
                continue
            _, hard = resource.getrlimit(getattr(resource, name))
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(getattr(resource, name), (value, value))
        os.chdir(settings["directory"])

    def reap(self) -> None:
        """Collect what ended; when it was the runtime, end the rest first, so that nobody answers in its place."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.runtime:
                self.runtime = 0
                self.kill_all()
                peak = usage.ru_maxrss if IS_LINUX else usage.ru_maxrss // 1024
                self.report("exited", os.waitstatus_to_exitcode(status), peak)

    def kill_all(self) -> None:
        """End all descendants, also those that moved to a session of their own or begin new ones meanwhile."""
        if not IS_LINUX:
            if self.runtime:
                for send in (os.killpg, os.kill):
                    try:
                        send(self.runtime, _signal.SIGKILL)
                    except OSError:
                        pass
            return
        while True:
            living = descendants()
            if not living:
                return
            for number in (_signal.SIGSTOP, _signal.SIGKILL):
                for pid in living:
                    try:
                        os.kill(pid, number)
                    except OSError:
                        pass
            self.await_each(living)

    def await_each(self, living: list[int]) -> None:
        """Wait for children that were killed; what they leave behind becomes our own child, and is next."""
        for pid in living:
            try:
                _, status, usage = os.wait4(pid, 0)
            except ChildProcessError:
                continue  # not our own child yet
            if pid == self.runtime:
                self.runtime = 0
                self.report("exited", os.waitstatus_to_exitcode(status), usage.ru_maxrss)

    def end(self) -> None:
        self.kill_all()
        if self.settings:
            remove_tree(self.settings["tmp_directory"])


def enter_user_namespace() -> bool:
    """Where mounts are for the administrator alone: be one's own, as the same user."""
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0:
        return False
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{user} {user} 1")
    write("/proc/self/gid_map", f"{group} {group} 1")
    return True


def mount(megabytes: int) -> bool:
    options = f"size={megabytes}m,mode=1777".encode()
    is_apart = libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0
    return is_apart and bool(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", MS_NOSUID_NODEV, options) == 0)


def succeeds(attempt: Callable[[], bool]) -> bool:
    """Whether something can be done, found out by a child that does it."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if attempt() else 1)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def descendants() -> list[int]:
    """All processes below this one, parents first."""
    found: list[int] = []
    open_ = [os.getpid()]
    while open_:
        pid = open_.pop()
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                fd = os.open(f"/proc/{pid}/task/{thread}/children", os.O_RDONLY)
                try:
                    below = [int(number) for number in os.read(fd, 1 << 20).split()]
                finally:
                    os.close(fd)
                found += below
                open_ += below
        except OSError:
            pass  # it has just ended
    return found


def remove_tree(path: str) -> None:
    if not os.path.isdir(path):
        return
    for directory, directories, files in os.walk(path, topdown=False):
        for name in (*files, *directories):
            inner = os.path.join(directory, name)
            try:
                os.rmdir(inner) if name in directories and not os.path.islink(inner) else os.unlink(inner)
            except OSError:
                pass  # made unreadable by the function: as much as can be
    try:
        os.rmdir(path)
    except OSError:
        pass


def run_python(settings: dict[str, Any]) -> None:
    """Be the Python runtime, without starting another interpreter."""
    os.environ.clear()
    os.environ.update(settings["variables"])
    import site
    from importlib._bootstrap_external import SourceFileLoader

    site.main()
    directory = os.path.dirname(settings["runtime"])
    sys.path[:] = [settings["directory"], *settings["path"], *(path for path in sys.path if path != directory)]
    name = "eventbus_runtime"
    module = type(sys)(name)
    module.__file__ = settings["runtime"]
    sys.modules[name] = module
    code: Any = SourceFileLoader(name, settings["runtime"]).get_code(name)
    exec(code, module.__dict__)
    module.main(settings["handler"])


if __name__ == "__main__":
    child = Supervisor().run()
    child()
