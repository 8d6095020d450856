"""Functions in processes, as users of the bus declare and run them."""

from __future__ import annotations

import base64
import gc
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventbus import EventBus
from eventbus.errors import ConfigurationError, InvalidParameterValue, ValidationFailed
from eventbus.execution.process import ProcessEnvironment
from eventbus.execution.sandbox.values import MAX_UNZIPPED
from eventbus.functions.package import Packaged, prepared
from eventbus.telemetry.platform_log import RUNTIME
from tests.contracts import handlers
from tests.contracts.environments import make_bus
from tests.sandbox.support import HERE
from tests.sandbox.test_sandbox import all_ended, exists

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="needs procfs")]

APP = "import os\ndef handler(event, context): return [__file__, os.getcwd(), event]\n"


def zipped(**files: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_py", ".py"), text)
    return file.getvalue()


# -- declaring ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["directory", "text", "zip", "bytes"])
async def test_code_is_a_directory_or_an_archive(form: str, tmp_path: Path) -> None:
    """Given by path or as bytes; what was unpacked is removed when the bus is left."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(APP)
    (tmp_path / "code.zip").write_bytes(zipped(app_py=APP))
    code: Any = {
        "directory": tmp_path / "code",
        "text": str(tmp_path / "code"),
        "zip": tmp_path / "code.zip",
        "bytes": zipped(app_py=APP),
    }[form]
    bus = make_bus()
    function = bus.add_function("f", "app.handler", code)
    async with bus:
        file, directory, event = (await bus.invoke(function, {"a": 1})).payload
        assert event == {"a": 1}
        assert file == f"{directory}/app.py"
    assert exists(file) == (form in ("directory", "text"))


def test_an_archive_is_removed_with_a_function_that_is_forgotten() -> None:
    """Also when nobody ever entered its bus."""
    handler, _ = prepared("app.handler", zipped(app_py=APP), "python", None)
    assert isinstance(handler, Packaged)
    directory = handler.code.directory
    assert directory.exists()
    del handler
    gc.collect()
    assert not directory.exists()


async def test_a_version_keeps_its_code() -> None:
    """`$LATEST` runs the new archive, the version the old one, each in its own processes; the digests are AWS's."""
    first, second = zipped(app_py="def handler(e, c): return 1"), zipped(app_py="def handler(e, c): return 2")
    bus = make_bus()
    function = bus.add_function("f", "app.handler", first)
    version = function.publish_version()
    assert version.code_sha256 == base64.b64encode(hashlib.sha256(first).digest()).decode()
    function.update_code("app.handler", second)
    assert function.code_sha256 == base64.b64encode(hashlib.sha256(second).digest()).decode()
    async with bus:
        assert (await bus.invoke(function)).payload == 2
        assert (await bus.invoke(version)).payload == 1
        assert (await bus.invoke(version)).executed_version == "1"


async def test_a_version_keeps_the_code_of_a_directory(tmp_path: Path) -> None:
    """It has a copy, which is removed with it; what Python writes beside the code tells nothing apart."""
    app, part = tmp_path / "app.py", tmp_path / "parts" / "part.py"
    part.parent.mkdir()
    part.write_text("value = 'one'")
    app.write_text("from parts.part import value\ndef handler(e, c): return [value, __file__]")
    (tmp_path / "to").symlink_to(tmp_path, target_is_directory=True)
    bus = make_bus()
    function = bus.add_function("f", "app.handler", tmp_path)
    first, digest = function.publish_version(), function.code_sha256
    assert first.code_sha256 == digest
    (tmp_path / "parts" / "__pycache__").mkdir()
    (tmp_path / "parts" / "__pycache__" / "part.pyc").write_bytes(b"compiled")
    assert function.publish_version() is first
    part.write_text("value = 'two'")
    assert function.code_sha256 != digest
    with pytest.raises(InvalidParameterValue, match="is different from current CodeSHA256"):
        function.publish_version(code_sha256=digest)
    second = function.publish_version()
    async with bus:
        values = [(await bus.invoke(one)).payload for one in (first, second, function)]
        assert [value for value, _ in values] == ["one", "two", "two"]
        assert values[2][1] == str(app)
        copies = [Path(file).parent for _, file in values[:2]]
        assert all(copy != tmp_path and copy.exists() for copy in copies)
        assert not (copies[0] / "to").exists()
    assert not any(copy.exists() for copy in copies)


def test_a_directory_that_is_no_package_is_not_published(tmp_path: Path) -> None:
    """Its files have more than 250 MB, or it is gone: nothing is copied, no number is used."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", MAX_UNZIPPED)
    function = make_bus().add_function("f", "app.handler", tmp_path)
    with pytest.raises(InvalidParameterValue, match="Unzipped size must be smaller than 262144000 bytes"):
        function.publish_version()
    (tmp_path / "large").unlink()
    assert function.publish_version().number == "1"
    shutil.rmtree(tmp_path)
    with pytest.raises(ConfigurationError, match=r"the code in .* cannot be read"):
        function.publish_version()


@pytest.mark.parametrize("change", [{}, {"handler": "other.handler"}, {"runtime": "awslambdaric"}, {"code": "other"}])
def test_the_same_archive_again_makes_no_new_version(change: dict[str, str]) -> None:
    """What counts is the code, the handler's name and the runtime, not that it was uploaded once more."""
    sources = {"app": zipped(app_py=APP), "other": zipped(app_py=APP + "#")}
    function = make_bus().add_function("f", "app.handler", sources["app"])
    first = function.publish_version()
    function.update_code(
        change.get("handler", "app.handler"),
        sources[change.get("code", "app")],
        runtime=change.get("runtime", "python"),
    )
    assert (function.publish_version() is first) == (not change)


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"handler": "app.handler"},
        ConfigurationError,
        "the handler 'app.handler' needs a directory that is there, a zip",
    ),
    ({"handler": "app.handler", "code": "/not/there"}, ConfigurationError, "code='/not/there': the handler"),
    (
        {"handler": "app.handler", "code": HERE, "isolation": "thread"},
        ConfigurationError,
        "runs in a process, not in a",
    ),
    (
        {"handler": "app.handler", "code": HERE, "runtime": "ruby"},
        ConfigurationError,
        "a process runs 'python', 'awsla",
    ),
    ({"handler": "a handler", "code": HERE}, ValidationFailed, "Value 'a handler' at 'handler' failed to satisfy"),
    (
        {"handler": "x" * 129, "code": HERE},
        ValidationFailed,
        "failed to satisfy constraint: Member must have length less than or equal to 128",
    ),
    ({"handler": "app.handler", "code": b"no zip"}, InvalidParameterValue, "Could not unzip uploaded file"),
    ({"handler": "app.handler", "code": HERE, "name": None}, ConfigurationError, "does not name its function"),
    ({"handler": handlers.echo, "code": HERE, "isolation": "process"}, ConfigurationError, "code= goes with a handler"),
    ({"handler": handlers.echo, "code": HERE}, ConfigurationError, "code= and runtime= are for processes"),
    (
        {"handler": handlers.echo, "isolation": "process", "runtime": "provided"},
        ConfigurationError,
        "runs an executable",
    ),
    ({"handler": lambda e, c: 1, "isolation": "process"}, ConfigurationError, "define it at the top level of a module"),
    ({"handler": len, "isolation": "process"}, ConfigurationError, "is not a handler"),
    ({"handler": handlers.echo, "tmp": 511}, ConfigurationError, "tmp=511: AWS accepts 512 to 10,240 MB"),
    ({"handler": handlers.echo, "environment": {"AB": 1}}, ConfigurationError, "environment has AB=1: a text"),
    ({"handler": handlers.echo, "environment": {"AWS_REGION": "x"}}, InvalidParameterValue, "contains reserved keys"),
    ({"handler": handlers.echo, "environment": {"A": "x"}}, ConfigurationError, "a name has two or more of"),
    (
        {"handler": handlers.echo, "environment": {"AB": "x" * 4096}},
        InvalidParameterValue,
        "exceeded the 4KB limit. St",
    ),
    ({"handler": handlers.echo, "environment": {"AB": "\0"}}, ConfigurationError, "a text is needed"),
]


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_is_refused_where_it_is_declared(
    options: dict[str, Any],
    kind: type[Exception],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is declared, nothing unpacked."""
    bus = make_bus()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other tests unpack into the common one
    with pytest.raises(kind) as caught:
        bus.add_function(options.pop("name", "f"), **options)
    assert message in str(caught.value)
    assert not bus.functions
    assert not list(tmp_path.iterdir())


def test_a_handler_that_is_elsewhere_cannot_be_called_here() -> None:
    """The error says what can be done."""
    function = make_bus().add_function("f", "handlers.echo", HERE)
    with pytest.raises(ConfigurationError, match=r"runs in processes of its own: await bus.invoke"):
        function(1, None)


async def test_without_h11_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the declaration."""
    monkeypatch.setitem(sys.modules, "h11", None)
    with pytest.raises(ConfigurationError, match=r'need h11: pip install "eventbus\[process\]"'):
        make_bus().add_function("f", "handlers.echo", HERE)


async def test_a_script_declares_its_own_functions(tmp_path: Path) -> None:
    """Its process imports the script under its own name, not as `__main__`."""
    script = tmp_path / "demo.py"
    script.write_text(
        textwrap.dedent(
            """
            import anyio
            from eventbus import EventBus

            bus = EventBus()

            @bus.function(isolation="process")
            def where(event, context):
                return __name__

            async def main():
                async with bus:
                    print((await bus.invoke(where)).payload, where(1, None))

            if __name__ == "__main__":
                anyio.run(main)
            """
        )
    )
    done = await anyio.run_process([sys.executable, str(script)])
    assert done.stdout == b"demo __main__\n"


# -- running -----------------------------------------------------------------------------------------------------------


async def test_the_report_says_what_was_measured() -> None:
    """Memory; and why a process was killed, which the document does not say."""
    bus = EventBus()
    bus.add_function("f", "handlers.hoard", HERE, timeout=20)
    async with bus:
        assert (await bus.invoke("f", 10)).payload == 10
        assert (await bus.invoke("f", 300)).payload["errorType"] == "Runtime.ExitError"
    reports = [event.message for event in bus.logs.tail("f") if event.message.startswith("REPORT")]
    assert 15 < int(reports[0].partition("Max Memory Used: ")[2].split()[0]) < 60
    assert reports[1].endswith("Max Memory Used: 128 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n")


async def test_the_init_phase_is_no_part_of_the_invocation(tmp_path: Path) -> None:
    """Neither of its duration nor of its time limit; what fails in it is known."""
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.5)\ndef handler(event, context): pass\n")
    bus = EventBus()
    function = bus.add_function("f", "slow.handler", tmp_path, timeout=0.4)
    async with bus:
        assert (await bus.invoke(function)).function_error is None
        [environment] = function.lane.environments
        assert environment.init_duration > 0.5
        assert environment.init_failure is None
    [report] = [event.message for event in bus.logs.tail("f") if event.message.startswith("REPORT")]
    assert float(report.partition("Duration: ")[2].split()[0]) < 400


async def test_a_machine_without_processes_fails_the_invocation_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one finds what it needs."""
    bus = EventBus()
    bus.add_function("f", "handlers.echo", HERE)

    def refuse(*arguments: Any, **options: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    async with bus:
        with monkeypatch.context() as patched:
            patched.setattr("eventbus.execution.sandbox.supervised.subprocess.Popen", refuse)
            assert (await bus.invoke("f", 1)).payload["errorType"] == "BlockingIOError"
        assert (await bus.invoke("f", 2)).payload == 2


async def test_an_initialisation_that_is_repeated_is_known() -> None:
    """With its phase and duration, for the log."""
    bus = EventBus()
    function = bus.add_function("f", "handlers.maybe_exit", HERE)
    async with bus:
        await bus.invoke(function, "exit")
        await bus.invoke(function, 1)
        [environment] = function.lane.environments
        assert isinstance(environment, ProcessEnvironment)
        assert environment.repeated_init is not None
        assert environment.repeated_init.phase == "invoke"
        await bus.invoke(function, 1)
        assert environment.repeated_init is None


async def test_a_provisioned_process_is_there_before_the_first_event() -> None:
    """Its INIT phase is over when it stands by."""
    bus = EventBus()
    function = bus.add_function("f", "handlers.environment", HERE)
    version = function.publish_version()
    async with bus:
        version.put_provisioned_concurrency(1)
        while not version.lane.ready:
            await anyio.lowlevel.checkpoint()
        [environment] = version.lane.ready
        assert environment.init_duration > 0
        seen = (await bus.invoke(version)).payload["variables"]
        assert seen["AWS_LAMBDA_INITIALIZATION_TYPE"] == "provisioned-concurrency"
        assert seen["AWS_LAMBDA_FUNCTION_VERSION"] == "1"


async def test_an_environment_outlives_a_handler_that_overruns() -> None:
    """The same one serves the next event, in a new process."""
    bus = EventBus()
    function = bus.add_function("f", "handlers.sleep", HERE, timeout=0.3)
    async with bus:
        await bus.invoke(function, 30)
        await bus.invoke(function, 0)
        assert len(function.lane.environments) == 1
    assert len(bus.logs.streams("f")) == 1


@pytest.mark.parametrize(
    ("body", "value"),
    [("{}", {}), ("", ""), ("no JSON", "no JSON"), ("[1", "[1"), ("NaN", None), ("12345678901234567890123", 0)],
)
async def test_a_response_need_not_be_json(body: str, value: Any, tmp_path: Path) -> None:
    """A runtime may post what it likes: what is no JSON reaches the caller as text."""
    (tmp_path / "app.py").write_text(f"def handler(event, context): return {body.encode()!r}\n")
    bus = EventBus()
    bus.add_function("f", "app.handler", tmp_path)
    async with bus:
        found = (await bus.invoke("f")).payload
        if value is None:
            assert found != found
        else:
            assert found == (value or (int(body) if body.isdigit() else value))


async def test_an_error_need_not_be_a_document(tmp_path: Path) -> None:
    """A bootstrap may post any bytes as its error."""
    (tmp_path / "bootstrap").write_text(
        """#!/bin/sh
API=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
while HEAD=$(curl -sSD - -o /dev/null $API/invocation/next | tr -d '\\r'); do
  ID=$(echo "$HEAD" | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //p')
  curl -sS -o /dev/null -H 'Lambda-Runtime-Function-Error-Type: Function.Odd' -d 'just text' $API/invocation/$ID/error
done
"""
    )
    (tmp_path / "bootstrap").chmod(0o755)
    bus = EventBus()
    bus.add_function("f", "any", tmp_path, runtime="provided")
    async with bus:
        result = await bus.invoke("f")
        assert result.payload == {"errorMessage": "just text", "errorType": "Function.Odd"}


async def test_one_trace_id_goes_through_a_chain() -> None:
    """Every process is told where the chain began, and which event is its own."""
    bus = make_bus()
    traced = bus.add_function("traced", "handlers.described", HERE, tracing="Active")

    @bus.function
    async def first(event: Any, context: Any) -> list[str]:
        return [context.aws_request_id, *[(await bus.invoke(traced)).payload["trace"] for _ in range(2)]]

    first.role.allow("lambda:InvokeFunction", traced)
    async with bus:
        own, *chained = (await bus.invoke(first)).payload
        direct = await bus.invoke(traced)
    form = re.compile(r"Root=1-([0-9a-f]{8})-([0-9a-f]{24});Parent=([0-9a-f]{16});Sampled=1")
    began, roots, parents = zip(*[form.fullmatch(text).groups() for text in chained], strict=True)  # type: ignore[union-attr]
    assert roots == (own.replace("-", "")[:24],) * 2
    assert len(set(parents)) == 2
    assert len(set(began)) == 1
    assert direct.request_id.replace("-", "")[:24] in direct.payload["trace"]


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
async def test_the_log_names_the_runtime_that_runs(log_format: str, tmp_path: Path) -> None:
    """A bootstrap of one's own is run by no Python."""
    (tmp_path / "bootstrap").write_text("#!/bin/sh\nexit 5\n")
    (tmp_path / "bootstrap").chmod(0o755)
    bus = make_bus()
    bus.add_function("f", "any", tmp_path, runtime="provided", log_format=log_format)
    bus.add_function("g", "handlers.described", HERE, log_format=log_format)
    async with bus:
        for name in ("f", "g"):
            await bus.invoke(name)
    assert "provided:al2023.v1" in next(bus.logs.events("f")).message
    assert RUNTIME in next(bus.logs.events("g")).message


async def test_leaving_the_bus_ends_what_still_runs() -> None:
    """Also what would run for minutes."""
    bus = EventBus(grace=0.1)
    function = bus.add_function("f", "handlers.children_then_sleep", HERE, timeout=600)
    function.allow("s3.amazonaws.com")
    async with bus:
        await bus.push(function, 1, source="s3.amazonaws.com")
        while not bus.statistics().running:
            await anyio.lowlevel.checkpoint()
        [environment] = function.lane.environments
        while not environment.lines:
            await anyio.lowlevel.checkpoint()
        pids = [int(word) for word in environment.lines[0][1].split()]
    assert await all_ended(pids)
    assert len(bus.dead_letters) == 1


async def test_nothing_is_left_when_the_program_is_killed() -> None:
    """With kill -9, under load."""
    script = """
        import anyio
        from eventbus import EventBus
        from tests.sandbox.support import HERE

        async def main():
            bus = EventBus()
            bus.add_function("f", "handlers.children_then_sleep", HERE, timeout=600)
            async with bus, anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(bus.invoke, "f")
                lane = bus.functions["f"].lane
                while sum(bool(e.lines) for e in lane.environments) < 3:
                    await anyio.sleep(0.01)
                print(*(e.lines[0][1].strip() for e in lane.environments), "", sep=" ", flush=True)

        anyio.run(main)
    """
    async with await anyio.open_process(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=HERE.parents[1], stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        text = b""
        while not text.endswith(b"\n"):
            text += await process.stdout.receive()
        process.kill()
    pids = [int(word) for word in text.split()]
    assert len(pids) == 15
    assert await all_ended(pids)


async def test_a_failed_initialisation_is_logged_twice_and_before_the_invocation(tmp_path: Path) -> None:
    """In the order of AWS: what was said at first, what was said again, START, END, REPORT."""
    (tmp_path / "app.py").write_text('print("loading")\nimport nothing_of_this_name\n')
    bus = make_bus()
    f = bus.add_function("f", "app.handler", code=tmp_path)
    async with bus:
        for _ in range(2):
            result = await bus.invoke(f)
            assert result.payload["errorType"] == "Runtime.ImportModuleError"
    first = [event.message.partition(" ")[0].partition("\t")[0].strip() for event in bus.logs.tail("f")][:12]
    said = ["loading", "[WARNING]", "[ERROR]"]
    assert first == ["INIT_START", *said, "INIT_REPORT", *said, "INIT_REPORT", "START", "END", "REPORT"]
    reports = [event.message for event in bus.logs.tail("f") if event.message.startswith("INIT_REPORT")]
    assert ["\tPhase: init\t" in reports[0], "\tPhase: invoke\t" in reports[1]] == [True, True]
    assert all(r.endswith("\tStatus: error\tError Type: Runtime.ImportModuleError\n") for r in reports)
