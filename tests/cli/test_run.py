"""`eventbus run`: scripts good and bad, signals, exit statuses."""

from __future__ import annotations

import signal
import socket
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import eventbus, interrupted, table

HEAD = """
    import sys
    import anyio
    from eventbus import EventBus, VirtualClock
    from triggers import S3

    bus = EventBus(clock=VirtualClock())
    things = S3(bus).create_bucket("things")

    @things.on("s3:ObjectCreated:*")
    async def handle(event, context):
        key = event["Records"][0]["s3"]["object"]["key"]
        print("handled", key)
        if key == "bad":
            raise ValueError("a bad one")
"""
Write = Callable[[str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Write:
    """Writes a script and gives its path."""

    def write(text: str, head: str = HEAD) -> Path:
        path = tmp_path / "flow.py"
        path.write_text(textwrap.dedent(head) + textwrap.dedent(text))
        return path

    return write


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_main_is_run_inside_the_bus_until_all_is_done(script: Write, backend: str) -> None:
    """Without entering the bus and without waiting: that is what the command does."""
    path = script("""
        async def main():
            await things.put_object("one", b"")
            await things.put_object("two", b"")
    """)
    done = eventbus("run", "--backend", backend, path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("handled one\nhandled two\n")
    assert table(done.stdout) == {"handle": [2, 0, 0, 0]}
    assert "2 events: 2 finished" in done.stdout


def test_main_may_take_the_bus_and_the_script_its_arguments(script: Write) -> None:
    """sys.argv and sys.path are those of `python FILE.py`; the file is not `__main__`; a helper beside it is found."""
    path = script("""
        import helper

        async def main(running):
            print(running is bus, __name__, sys.argv[1:], helper.X)

        if __name__ == "__main__":
            print("never")
    """)
    (path.parent / "helper.py").write_text("X = 42\n")
    done = eventbus("run", path.name, "a", "--trace", "-x", cwd=path.parent)
    assert done.stdout.startswith("True flow ['a', '--trace', '-x'] 42\n")
    assert done.returncode == 0


def test_a_main_that_enters_the_bus_itself_runs_too(script: Write) -> None:
    """As the same script has to under `python FILE.py`; leaving the block waits until everything is done."""
    path = script("""
        async def main():
            async with bus:
                await things.put_object("bad", b"")
            print("afterwards", len(bus.dead_letters))

        if __name__ == "__main__":
            anyio.run(main)
    """)
    done = eventbus("run", path)
    assert "handled bad\nhandled bad\nhandled bad\nafterwards 1\n" in done.stdout
    assert done.returncode == 1


def test_dead_letters_are_listed_and_make_the_status_1(script: Write) -> None:
    """So a script can be used in a check; --trace shows how it came about."""
    path = script("""
        async def main():
            await things.put_object("bad", b"")
    """)
    done = eventbus("run", "--trace", path)
    assert done.returncode == 1
    assert "1 dead letter:\n  handle: RetriesExhausted after 3 attempts: ValueError: a bad one\n" in done.stdout
    assert "put_object things/bad\n└─ λ handle  ✗ RetriesExhausted\n" in done.stdout
    assert table(done.stdout) == {"handle": [3, 3, 2, 1]}
    assert "3 min of virtual time" in done.stdout


def test_a_script_without_main_has_nothing_to_do(script: Write) -> None:
    """Nothing was published; the table says so."""
    done = eventbus("run", script(""))
    assert done.returncode == 0
    assert "0 events" in done.stdout


def test_a_script_that_ran_its_bus_while_it_was_loaded(script: Write) -> None:
    """`anyio.run(main)` without a guard: it has happened already, and what happened is shown."""
    path = script("""
        async def main():
            async with bus:
                await things.put_object("one", b"")
                await bus.wait_idle()

        anyio.run(main)
    """)
    done = eventbus("run", path)
    assert done.returncode == 0
    assert "ran its bus itself while it was loaded" in done.stderr
    assert table(done.stdout) == {"handle": [1, 0, 0, 0]}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 3\n", "has no EventBus at its top level, such as `bus = EventBus()`; what it has is x (int)"),
        ("", "has no EventBus at its top level, such as `bus = EventBus()`; it has nothing of its own"),
        (
            "from eventbus import EventBus\na, b = EventBus(), EventBus()\n",
            "has several buses: a, b; choose one with --bus NAME",
        ),
        ("from eventbus import EventBus\nbus = EventBus()\ndef main(): ...\n", "is not a coroutine function"),
        (
            "from eventbus import EventBus\nbus = EventBus()\nasync def main(a, b): ...\n",
            "cannot be called; `eventbus run` calls main() or main(bus)",
        ),
    ],
)
def test_a_script_that_cannot_be_run_is_told_why(script: Callable[..., Path], text: str, complaint: str) -> None:
    """One line, with what was found and what would do."""
    done = eventbus("run", script(text, head=""))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert complaint in done.stderr


def test_one_of_several_buses_is_chosen_by_name(script: Callable[..., Path]) -> None:
    """--bus takes the name; a wrong one is answered with the right ones."""
    path = script("from eventbus import EventBus\na, b = EventBus(), EventBus()\n", head="")
    assert eventbus("run", "--bus", "b", path).returncode == 0
    assert "has no EventBus named c; its buses are a, b\n" in eventbus("run", "--bus", "c", path).stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Or is a directory."""
    assert eventbus("run", tmp_path / "no.py").stderr == f"eventbus run: {tmp_path}/no.py does not exist\n"
    assert eventbus("run", tmp_path).stderr == f"eventbus run: {tmp_path} is a directory; give a file\n"


@pytest.mark.parametrize(
    "text",
    ["1 / 0\n", "async def main():\n    1 / 0\n", "async def main():\n    async with bus:\n        1 / 0\n"],
)
def test_an_error_of_the_script_shows_its_own_traceback(script: Write, text: str) -> None:
    """At the top level or in main: the first frame is the script's."""
    path = script(text)
    done = eventbus("run", path)
    assert done.returncode == 1
    assert done.stderr.startswith(f'Traceback (most recent call last):\n  File "{path}", line ')
    assert done.stderr.count("  File ") == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_what_eventbus_refuses_is_shown_at_the_line_of_the_script(script: Write) -> None:
    """The frames inside of eventbus explain nothing."""
    done = eventbus("run", script('things.notify(handle, events="s3:Nonsense")\n'))
    assert done.returncode == 1
    assert done.stderr.count("  File ") == 1
    assert "InvalidArgument" in done.stderr


def test_a_syntax_error_and_sys_exit(script: Write) -> None:
    """The one as Python shows it, the other with its own status."""
    done = eventbus("run", script("def f(:\n"))
    assert done.returncode == 1
    assert done.stderr.startswith("  File ")
    assert "SyntaxError" in done.stderr
    assert eventbus("run", script("sys.exit(5)\n")).returncode == 5
    assert eventbus("run", script("async def main():\n    sys.exit(6)\n")).returncode == 6
    assert eventbus("run", script("sys.exit('no')\n")).stderr == "no\n"


def test_the_timeout_ends_a_run_that_does_not_end(script: Write) -> None:
    """Status 124, with the table of what happened."""
    path = script("""
        async def main():
            await things.put_object("one", b"")
            await anyio.sleep_forever()
    """)
    done = eventbus("run", "--timeout", "0.3", path)
    assert done.returncode == 124
    assert done.stderr == "eventbus run: not idle after 0.3 s\n"
    assert table(done.stdout) == {"handle": [1, 0, 0, 0]}


SERVED = """
    import sys
    import httpx2
    from eventbus import EventBus
    from triggers import FunctionUrl, HttpApi

    bus = EventBus()
    api = HttpApi(bus, "shop")

    @api.on("GET /hi")
    async def hi(event, context):
        return "hi"

    url = FunctionUrl(bus, hi, grant=True)

    async def main():
        async with httpx2.AsyncClient(trust_env=False) as client:
            for place in ("shop/hi", "hi/", "shop/no"):
                print((await client.get(f"http://127.0.0.1:{sys.argv[1]}/{place}")).text)
        print("asked", flush=True)
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_apis_are_served_until_a_signal_comes(script: Callable[..., Path], backend: str) -> None:
    """Each below its name, since there are two; main runs beside them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = script(SERVED, head="")
    command = ("run", "--backend", backend, "--http", port, path, port)
    code, out, err = interrupted(*command, after="asked", with_signal=signal.SIGINT)
    assert code == 130
    assert out.startswith('hi\nhi\n{"message": "Not Found"}\nasked\n')
    assert f"<HttpApi shop: 1 routes, stages $default> at http://127.0.0.1:{port}/shop\n" in err


def test_what_cannot_be_served_is_told(script: Write) -> None:
    """Nothing at the top level; no port."""
    done = eventbus("run", "--http", "8000", script(""))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "has nothing to serve at its top level, such as `api = HttpApi(bus)`" in done.stderr
    assert eventbus("run", "--http", "x:y", script("")).returncode == 2


SLOW = """
    import anyio
    from eventbus import EventBus

    bus = EventBus(grace={grace})

    @bus.function(timeout=60)
    async def slow(event, context):
        print("begun", flush=True)
        await anyio.sleep({seconds})
        print("ended")

    slow.allow("s3.amazonaws.com")

    async def main():
        await bus.push(slow, {{}}, source="s3.amazonaws.com")
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_running_handlers_finish(
    script: Callable[..., Path], number: signal.Signals, status: int, backend: str
) -> None:
    """The handler ends in its own time, the table is printed, the status tells the signal."""
    path = script(SLOW.format(grace=30, seconds=0.3), head="")
    code, out, err = interrupted("run", "--backend", backend, path, after="begun", with_signal=number)
    assert code == status
    assert out.startswith("begun\nended\n")
    assert err == ("eventbus: stopping; 1 running handler may take 30 s to finish (a second signal stops at once)\n")
    assert "1 event: 1 finished" in out


def test_the_grace_time_has_an_end(script: Callable[..., Path]) -> None:
    """What is still running then is given up, and listed."""
    path = script(SLOW.format(grace=0.1, seconds=50), head="")
    code, out, _ = interrupted("run", path, after="begun", with_signal=signal.SIGINT)
    assert code == 130
    assert "1 dead letter:\n  slow: BusClosed after 1 attempt: " in out


def test_a_second_signal_ends_even_a_handler_that_blocks_the_loop(script: Callable[..., Path]) -> None:
    """The first one cannot be heeded there; the second one needs nobody's help."""
    path = script(
        """
        import os, signal, time
        from eventbus import EventBus

        bus = EventBus()

        @bus.function(timeout=60)
        async def block(event, context):
            print("begun", flush=True)
            while signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
                time.sleep(0.01)  # until the first signal has come
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(50)

        block.allow("s3.amazonaws.com")

        async def main():
            await bus.push(block, {}, source="s3.amazonaws.com")
        """,
        head="",
    )
    code, _, err = interrupted("run", path, after="begun", with_signal=signal.SIGINT)
    assert code == -signal.SIGINT
    assert err.startswith("eventbus: stopping; 1 running handler may take 10 s to finish")
