"""Real processes: what handlers do to them, and what is left."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from eventbus.execution.sandbox.values import Answer
from tests.sandbox.support import HERE, failure_of, opened

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="needs procfs")]

EXIT = "Runtime.ExitError"
ROOT = HERE.parents[1]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def exists(path: str) -> bool:
    return os.path.lexists(path)


async def all_ended(pids: list[int]) -> bool:
    """Whether all have ended, or do within seconds."""
    with anyio.move_on_after(5):
        while any(map(is_alive, pids)):
            await anyio.lowlevel.checkpoint()
    return not any(map(is_alive, pids))


# -- what a handler sees -----------------------------------------------------------------------------------------------


async def test_globals_live_from_one_invocation_to_the_next() -> None:
    """One process serves them all."""
    async with opened("handlers.count") as trial:
        assert trial.init.failure is None
        assert [await trial.value() for _ in range(3)] == [1, 2, 3]


async def test_the_payload_is_handed_over_as_it_is() -> None:
    """Large numbers, half surrogates and order included."""
    async with opened("handlers.echo") as trial:
        outcome = (await trial.invoke(b'{"b":123456789012345678901,"a":"\\ud800","c":[]}')).outcome
        assert outcome == Answer(b'{"b": 123456789012345678901, "a": "\\ud800", "c": []}')


async def test_six_megabytes_go_both_ways() -> None:
    """The largest payload, and the largest response."""
    async with opened("handlers.echo") as trial:
        text = "x" * (6_291_456 - 2)
        assert await trial.value(text) == text
    async with opened("handlers.big") as trial:
        assert len(await trial.value(6_291_556 - 2)) == 6_291_556 - 2
        assert await trial.error(6_291_556 - 1) == {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        }
        assert await trial.value(1) == "x"


async def test_no_variable_of_the_bus_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the specification holds, and where the Runtime API is; the code's directory is the current one."""
    monkeypatch.setenv("SECRET", "of the bus")
    async with opened("handlers.environment", variables={"A": "b"}) as trial:
        seen = await trial.value()
        assert seen["variables"].pop("AWS_LAMBDA_RUNTIME_API").startswith("127.0.0.1:")
        assert seen["variables"] == {"A": "b"}
        assert seen["cwd"] == seen["first"] == str(HERE)
        assert seen["session"] == trial.sandbox.pid


async def test_the_context_is_that_of_aws() -> None:
    """Attributes, client context, time that is left, trace id."""
    variables = {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
    async with opened("handlers.described", variables=variables) as trial:
        context = '{"custom":{"k":"\\u00e9"},"w3c":{"traceparent":"00-1","other":"x"}}'
        seen = await trial.value(timeout=9, client_context=context, trace_id="Root=1", arn="arn:f")
        assert seen["memory"] == "128"
        assert 5000 < seen["left"] <= 9000
        assert seen["custom"] == {"k": "é"}
        assert seen["trace"] == "Root=1"
        assert seen["w3c"] == {"traceparent": "00-1"}
        assert seen["identity"] is None
        assert "aws_request_id=r1,log_group_name=None" in seen["repr"]
        assert (await trial.value())["trace"] is None
        error = await trial.error(client_context="{nonsense")
        assert error["errorType"] == "Runtime.LambdaContextUnmarshalError"
        assert error["errorMessage"].startswith("Unable to parse Client Context JSON: ")


# -- what a handler does -----------------------------------------------------------------------------------------------


async def test_an_exception_keeps_the_process() -> None:
    """AWS's document, key by key."""
    async with opened("handlers.boom") as trial:
        document, kind, status = failure_of(await trial.invoke())
        assert list(document) == ["errorMessage", "errorType", "requestId", "stackTrace"]
        assert document["errorMessage"] == "bööm"
        assert document["requestId"] == "r1"
        [frame] = document["stackTrace"]
        assert frame.startswith(f'  File "{HERE}/handlers.py", line ')
        assert frame.endswith(', in boom\n    raise ValueError("bööm")\n')
        assert (kind, status) == ("ValueError", "failure")
        pid = trial.sandbox.pid
        await trial.error()
        assert trial.sandbox.pid == pid
        first = trial.log[0]
        assert first.startswith("[ERROR] ValueError: bööm\nTraceback (most recent call last):\n\xa0\xa0File ")


async def test_a_message_that_no_encoding_can_carry_is_reported() -> None:
    """Half a surrogate pair."""
    async with opened("handlers.unusual") as trial:
        assert (await trial.error())["errorMessage"] == "\ud800"


ENDS: list[tuple[Any, str]] = [
    ({"exit": None}, "Runtime exited without providing a reason"),
    ({"exit": 0}, "Runtime exited without providing a reason"),
    ({"exit": 3}, "Runtime exited with error: exit status 3"),
    ({"exit": "text"}, "Runtime exited with error: exit status 1"),
    ({"at_once": 0}, "Runtime exited without providing a reason"),
    ({"at_once": 127}, "Runtime exited with error: exit status 127"),
    ("interrupt", "Runtime exited with error: signal: interrupt"),
    ("memory", "Runtime exited with error: signal: aborted"),
    ({"signal": signal.SIGKILL}, "Runtime exited with error: signal: killed"),
    ({"signal": signal.SIGSEGV}, "Runtime exited with error: signal: segmentation fault"),
    ({"signal": signal.SIGTERM}, "Runtime exited with error: signal: terminated"),
]


@pytest.mark.parametrize(("event", "reason"), ENDS)
async def test_a_process_that_ends_is_an_exit_error(event: Any, reason: str) -> None:
    """Only two members, in this order; the next invocation has a new process."""
    async with opened("handlers.end") as trial:
        document, kind, status = failure_of(await trial.invoke(event))
        assert list(document.items()) == [
            ("errorType", EXIT),
            ("errorMessage", f"RequestId: r1 Error: {reason}"),
        ]
        assert (kind, status) == (EXIT, "error")
        done = await trial.invoke("nothing")
        assert done.outcome == Answer(b"null")
        assert done.init is not None
        assert (done.init.phase, done.init.failure) == ("invoke", None)
        assert 0 < done.init.duration < done.duration


async def test_an_overrun_ends_the_process() -> None:
    """With the configured number of seconds in the text; what was written before is in the log."""
    async with opened("handlers.sleep") as trial:
        done = await trial.invoke(30, timeout=0.3)
        document, kind, status = failure_of(done)
        assert document == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": "RequestId: r1 Error: Task timed out after 0.30 seconds",
        }
        assert (kind, status) == ("Sandbox.Timedout", "timeout")
        assert done.duration >= 0.3
        assert trial.log == ["sleeping\n"]
        assert await trial.value(0) == "slept"


async def test_an_overrun_ends_everything_that_the_handler_started() -> None:
    """Also what has left its group, its session and its parent."""
    async with opened("handlers.children_then_sleep") as trial:
        done = await trial.invoke(timeout=2)
        assert failure_of(done)[2] == "timeout"
        pids = [int(word) for word in trial.log[0].split()]
        assert len(pids) == 5
        assert await all_ended(pids[:4])
        assert is_alive(pids[4])  # the supervisor


async def test_a_handler_that_leaves_children_is_answered_at_once() -> None:
    """They run on, as far as anything runs between invocations, and end with the environment."""
    async with opened("handlers.leave_children") as trial:
        pids = await trial.value()
        assert all(map(is_alive, pids))
    assert not any(map(is_alive, pids))


async def test_a_forked_copy_does_not_answer() -> None:
    """The process itself does."""
    async with opened("handlers.fork") as trial:
        assert await trial.value() == "parent"
        assert await trial.value() == "parent"


async def test_a_process_that_ends_between_two_invocations_is_replaced() -> None:
    """The second has a new one, and does not suffer."""
    async with opened("handlers.thread_exits_later") as trial:
        assert await trial.value("exit") == 1
        pid = trial.sandbox.pid
        assert await all_ended([pid])
        assert await trial.value() == 1


async def test_a_supervisor_that_was_killed_is_replaced() -> None:
    """Nothing of it is left, and the next invocation has a new one."""
    async with opened("handlers.kill_supervisor") as trial:
        pid = trial.sandbox.pid
        assert await trial.error() == {
            "errorType": EXIT,
            "errorMessage": "RequestId: r1 Error: Runtime exited with error: signal: killed",
        }
        assert await all_ended([pid])
        assert (await trial.error())["errorType"] == EXIT


@pytest.mark.parametrize("garbage", ["nonsense\r\n\r\n", "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"])
async def test_a_handler_may_talk_nonsense_to_the_runtime_api(garbage: str) -> None:
    """It gets 400, and its own answer still counts."""
    async with opened("handlers.talk") as trial:
        assert (await trial.value(garbage)).startswith("HTTP/1.1 400 ")
        assert (await trial.value(garbage)).startswith("HTTP/1.1 400 ")


# -- initialisation ----------------------------------------------------------------------------------------------------

BROKEN = [
    ("broken.handler", "import nothing_of_the_kind", "Runtime.ImportModuleError", "Unable to import module 'broken': "),
    ("broken.handler", "def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'broken': invalid synt"),
    ("broken.nope", "x = 1", "Runtime.HandlerNotFound", "Handler 'nope' missing on module 'broken'"),
    ("broken", "", "Runtime.MalformedHandlerName", "Bad handler 'broken': not enough values to unpack (expected 2, "),
    ("sys.exit", "", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
    ("broken.handler", "raise KeyError('k')", "KeyError", "'k'"),
]


@pytest.mark.parametrize(("handler", "code", "kind", "message"), BROKEN)
async def test_an_initialisation_that_fails_is_run_twice(
    handler: str, code: str, kind: str, message: str, tmp_path: Path
) -> None:
    """Once for itself and once by the invocation, whose result it is; the request id is empty."""
    (tmp_path / "broken.py").write_text(f"print('initialising')\n{code}\n")
    async with opened(handler, tmp_path) as trial:
        assert trial.init.failure is not None
        done = await trial.invoke()
        document, reported, status = failure_of(done)
        assert document["errorType"] == reported == kind
        assert document["errorMessage"].startswith(message)
        assert document["requestId"] == ""
        assert status == "failure"
        assert done.init is not None
        assert done.init.failure == done.outcome
        half = len(trial.log) // 2
        assert [line[:9] for line in trial.log[:half]] == [line[:9] for line in trial.log[half:]]
        assert any(line.startswith(f"[ERROR] {kind}: ") for line in trial.log)
        assert await trial.error() == document


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit(4)", "Runtime exited with error: exit status 4"),
        ("import os; os._exit(0)", "Runtime exited without providing a reason"),
        ("import os; os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
    ],
)
async def test_a_process_that_ends_in_its_initialisation_is_an_exit_error(
    code: str, reason: str, tmp_path: Path
) -> None:
    """Again for every invocation."""
    (tmp_path / "broken.py").write_text(code)
    async with opened("broken.handler", tmp_path) as trial:
        for number in (1, 2):
            message = f"RequestId: r{number} Error: {reason}"
            assert await trial.error() == {"errorType": EXIT, "errorMessage": message}


async def test_an_initialisation_that_takes_too_long_is_run_again_by_the_invocation(tmp_path: Path) -> None:
    """Under the function's own time limit, where it may succeed."""
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.6)\ndef handler(event, context): return 'at last'\n")
    async with opened("slow.handler", tmp_path, init_limit=0.3) as trial:
        assert trial.init.failure is not None
        assert trial.init.failure.status == "timeout"
        assert trial.init.duration >= 0.3
        document, _, status = failure_of(await trial.invoke(timeout=0.4))
        assert (document["errorType"], status) == ("Sandbox.Timedout", "timeout")
        assert await trial.value(timeout=5) == "at last"


# -- the log -----------------------------------------------------------------------------------------------------------


async def test_what_is_written_before_the_answer_is_in_the_log_with_it() -> None:
    """However much it is."""
    async with opened("handlers.outputs") as trial:
        await trial.value("huge")
        assert [len(line) for line in trial.log] == [262_144, 300_000 - 262_144 + 1]
        trial.log.clear()
        await trial.value("binary")
        assert trial.log == ["\ufffd\ufffd\0 binary\n"]


@pytest.mark.parametrize("event", ["closed", "closed descriptors"])
async def test_a_handler_may_close_its_output(event: str) -> None:
    """What it answers still counts."""
    async with opened("handlers.outputs") as trial:
        outcome = (await trial.invoke(event)).outcome
        assert isinstance(outcome, Answer) == (event != "closed")
        assert (await trial.value()) is None


async def test_records_of_logging_have_the_form_of_aws() -> None:
    """Text, with the request id; the level is WARNING at first."""
    async with opened("handlers.logs") as trial:
        await trial.value()
        log = "".join(trial.log)
        assert log.startswith("printed\nto stderr\n[WARNING]\t20")
        [failed] = [line for line in trial.log if "\tr1\tfailed\nTraceback (most recent call last):\n" in line]
        assert failed.startswith("[ERROR]\t")
        assert failed.endswith("KeyError: 'k'\n")
        assert "Z\tr1\twarned twice\n[ERROR]\t" in log
        assert log.endswith("\tr1\t{'structured': True}\nas it is\nno end")
        assert trial.log[-1] == "no end"
        trial.log.clear()
        await trial.value()
        assert trial.log[0] == "printed\n"


async def test_records_of_logging_can_be_json() -> None:
    """With what was given as extra, and the level that the configuration asks for."""
    variables = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    async with opened("handlers.logs", variables=variables) as trial:
        await trial.value()
        entries = [json.loads(line) for line in trial.log if line.startswith("{")]
        low, warned, failed, structured = entries
        assert low["message"] == "too low"
        assert list(warned) == ["timestamp", "level", "message", "logger", "requestId", "extra"]
        assert (warned["level"], warned["message"], warned["logger"]) == ("WARNING", "warned twice", "mine")
        assert (warned["requestId"], warned["extra"]) == ("r1", {"a": 1})
        assert (failed["errorType"], failed["errorMessage"]) == ("KeyError", "'k'")
        assert failed["location"].split(":")[1] == "logs"
        assert structured["message"] == {"structured": True}


# -- /tmp --------------------------------------------------------------------------------------------------------------


async def test_tmp_is_private_and_outlives_the_process() -> None:
    """There again after a crash, and not in another environment."""
    async with opened("handlers.tmp_or_exit") as one, opened("handlers.files") as two:
        if not one.sandbox.has_private_tmp:
            pytest.skip("mounts are not permitted here")
        before = await two.value()
        assert "mine" not in before
        await one.error("exit")
        assert "mine" in await one.value()
        assert await two.value() == before
    assert not exists("/tmp/mine")


async def test_tmp_is_as_large_as_configured() -> None:
    """What goes beyond is refused as by a full disk."""
    async with opened("handlers.fill", tmp=5, memory=512) as trial:
        if not trial.sandbox.has_private_tmp:
            pytest.skip("mounts are not permitted here")
        assert await trial.value(4) == "written"
        assert await trial.value(6) == "No space left on device"


async def test_where_mounts_are_not_permitted_tmp_is_a_directory_of_its_own() -> None:
    """Named by TMPDIR, with a limit for each file, and removed at the end."""
    variables: dict[str, str] = {}
    async with opened("handlers.fill", tmp=5, private_tmp=False, variables=variables) as trial:
        assert await trial.value(4) == "written"
        assert await trial.value(6) == "File too large"
        directory = trial.sandbox._processes.tmp_directory
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    assert not exists(directory)


async def test_code_below_tmp_is_still_there(tmp_path: Path) -> None:
    """Bound to its old place in the new /tmp."""
    (tmp_path / "app.py").write_text("def handler(event, context): return __file__\n")
    async with opened("app.handler", tmp_path) as trial:
        assert await trial.value() == str(tmp_path / "app.py")


# -- memory ------------------------------------------------------------------------------------------------------------


async def test_who_takes_too_much_memory_is_killed() -> None:
    """The document says so, the report why; the next invocation has a new process."""
    async with opened("handlers.hoard", memory=128) as trial:
        done = await trial.invoke(300, timeout=20)
        document, kind, status = failure_of(done)
        assert document == {
            "errorType": EXIT,
            "errorMessage": "RequestId: r1 Error: Runtime exited with error: signal: killed",
        }
        assert (kind, status) == ("Runtime.OutOfMemory", "error")
        assert done.peak_memory == 128 * 2**20
        assert await trial.value(1) == 1


async def test_the_most_that_was_used_is_known() -> None:
    """To the process's last page, and it never goes down."""
    async with opened("handlers.hoard", memory=512) as trial:
        small = (await trial.invoke(1)).peak_memory
        large = (await trial.invoke(60)).peak_memory
        assert 5 * 2**20 < small < 60 * 2**20 < large < 120 * 2**20
        assert (await trial.invoke(1)).peak_memory == large


async def test_a_peak_that_nobody_saw_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel knows it, and would have killed the process."""
    monkeypatch.setattr("eventbus.execution.sandbox.sandbox.FIRST_LOOK", 1000)
    async with opened("handlers.hoard", memory=128) as trial:
        assert failure_of(await trial.invoke(150))[1] == "Runtime.OutOfMemory"
        assert await trial.value(1) == 1


async def test_memory_of_children_counts() -> None:
    """They are part of the environment."""
    async with opened("handlers.hoard_below", memory=128) as trial:
        assert failure_of(await trial.invoke(300))[1] == "Runtime.OutOfMemory"


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_a_handler_can_be_killed_from_outside() -> None:
    """At once, and the sandbox stays."""
    async with opened("handlers.sleep") as trial, anyio.create_task_group() as tasks:

        async def kill() -> None:
            while not trial.log:
                await anyio.lowlevel.checkpoint()
            trial.sandbox.kill()

        tasks.start_soon(kill)
        assert (await trial.error(30, timeout=20))["errorMessage"].endswith("signal: killed")
        assert await trial.value(0) == "slept"


async def test_nothing_is_left_of_a_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process, no descriptor, no thread, no directory; also after time-outs and crashes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other tests make directories in the common one

    def count() -> tuple[int, int, list[str], list[str]]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        directories = os.listdir(tmp_path)
        return len(os.listdir("/proc/self/fd")), threading.active_count(), children, directories

    async with opened("handlers.count"):
        pass
    before = count()
    for handler, event in (("count", None), ("sleep", 30), ("end", {"exit": 1}), ("nope", None), ("leave_children", 1)):
        for private in (True, False):
            async with opened(f"handlers.{handler}", private_tmp=private) as trial:
                await trial.invoke(event, timeout=0.5)
    assert count() == before


async def test_nothing_is_left_when_the_bus_is_killed(tmp_path: Path) -> None:
    """With kill -9, in the middle of an invocation: processes and directory are gone."""
    script = """
        import anyio, sys
        from pathlib import Path
        from tests.sandbox.support import opened

        async def main():
            async with opened("handlers.children_then_sleep", private_tmp=False) as trial:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(trial.invoke)
                    while not trial.log:
                        await anyio.sleep(0.01)
                    print(trial.log[0].strip(), trial.sandbox._processes.tmp_directory, flush=True)

        anyio.run(main)
    """
    process = await anyio.open_process(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    async with process:
        assert process.stdout is not None
        line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 1000)
        *pids, directory = line.decode().split()
        assert all(is_alive(int(pid)) for pid in pids)
        assert exists(directory)
        process.kill()
    assert await all_ended([int(pid) for pid in pids])
    assert not exists(directory)
