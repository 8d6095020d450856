"""`bus.logs`: what functions and the platform write, who may write, and what is kept."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import anyio
import pytest
import structlog

from eventbus import EventBus
from eventbus.errors import AccessDenied, ConfigurationError
from eventbus.execution.outcome import Failed
from eventbus.telemetry.errors import InvalidFilterPattern, InvalidLogParameter, LogGroupExists, LogGroupNotFound
from eventbus.telemetry.log_groups import RETENTION_DAYS, RejectedLogEvents
from eventbus.telemetry.platform_log import RUNTIME, RUNTIME_ARN, log_of, report_line
from eventbus.testing import Recorder
from tests.engine.support import S3, make_bus, virtual
from tests.telemetry.support import attempt_of

pytestmark = pytest.mark.anyio

DAY = 86_400


def messages(bus: EventBus, group: str, pattern: str = "") -> list[str]:
    return [event.message for event in bus.logs.events(group, pattern)]


# -- the platform's lines ----------------------------------------------------------------------------------------------


async def test_a_cold_start_has_init_start_and_init_duration_and_a_warm_one_has_neither() -> None:
    """Two invocations of one environment, one stream, one INIT_START."""
    bus = make_bus()
    bus.add_function("f", Recorder())
    async with bus:
        await bus.invoke("f")
        await bus.invoke("f")
        lines = messages(bus, "f")
    assert [line.split(" ")[0] for line in lines] == ["INIT_START", "START", "END", "REPORT", "START", "END", "REPORT"]
    assert "Init Duration" in lines[3]
    assert lines[3].endswith(" ms\t\n")
    assert "Init" not in lines[6]
    assert lines[6].endswith("Max Memory Used: 0 MB\t\n")


async def test_the_tail_that_a_caller_gets_begins_at_start() -> None:
    """INIT_START is in the log, and not part of the tail."""
    bus = make_bus()
    bus.add_function("f", Recorder())
    async with bus:
        tail = (await bus.invoke("f", log_tail=True)).log_tail
    assert tail is not None
    assert tail.startswith("START RequestId: ")
    assert messages(bus, "f")[0].startswith("INIT_START")


@pytest.mark.parametrize(
    ("duration", "init", "billed"),
    [
        (0.13361, 0.080, 214),
        (3.01678, 0.084, 3101),
        (3.00492, 0.11123, 3117),
        (0.00151, None, 2),
        (0.00301, 0.1101, 114),
    ],
)
async def test_billed_duration_is_that_of_published_report_lines(
    duration: float, init: float | None, billed: int
) -> None:
    """On a cold start the initialisation is part of it; always rounded up to the millisecond."""
    attempt = attempt_of(make_bus(), duration=duration, init=init)
    assert f"\tBilled Duration: {billed} ms\t" in report_line(attempt, "id", 128, 0.001)


async def test_an_environment_that_fails_to_start_says_so_twice() -> None:
    """As recorded on AWS: the error once from INIT and once from within the invocation, then START, END, REPORT."""
    failure = Failed({"errorMessage": "No module named 'x'", "errorType": "Runtime.ImportModuleError"}, "error")
    attempt = attempt_of(make_bus(), duration=0.2, init=0.1242, outcome=failure, init_failure=failure)
    error = "[ERROR] Runtime.ImportModuleError: No module named 'x'\n"
    report = "INIT_REPORT Init Duration: 124.20 ms\tPhase: {}\tStatus: error\tError Type: Runtime.ImportModuleError\n"
    assert [event.message for event in log_of(attempt, "id", 0.001)] == [
        f"INIT_START Runtime Version: {RUNTIME}\tRuntime Version ARN: {RUNTIME_ARN}\n",
        error,
        report.format("init"),
        error,
        report.format("invoke"),
        "START RequestId: id Version: $LATEST\n",
        "END RequestId: id\n",
        "REPORT RequestId: id\tDuration: 200.00 ms\tBilled Duration: 200 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 0 MB\tStatus: error\tError Type: Runtime.ImportModuleError\n",
    ]


async def test_an_initialisation_that_takes_too_long_is_reported_once() -> None:
    """INIT_REPORT with the status timeout; the invocation goes on."""
    failure = Failed({"errorMessage": "too long", "errorType": "Sandbox.Timedout"}, "timeout")
    attempt = attempt_of(make_bus(), duration=0.2, init=9.99981, init_failure=failure)
    texts = [event.message for event in log_of(attempt, "id", 0.001)]
    assert texts[1] == "INIT_REPORT Init Duration: 9999.81 ms\tPhase: init\tStatus: timeout\n"
    assert [text.split(" ")[0] for text in texts[2:]] == ["START", "END", "REPORT"]
    assert texts[-1].endswith("Max Memory Used: 0 MB\t\n")


async def test_old_lines_keep_the_configuration_of_their_time() -> None:
    """A change of memory changes no REPORT line that was there before."""
    bus = make_bus()
    f = bus.add_function("f", Recorder())
    async with bus:
        await bus.invoke(f)
        f.update_configuration(memory=512, log_format="JSON")
        await bus.invoke(f)
        lines = messages(bus, "f")
    assert "Memory Size: 128 MB" in lines[3]
    assert '"memorySizeMB":512' in lines[-1]


async def test_a_log_group_of_ones_choice() -> None:
    """The stream then begins with the function's name behind the date."""
    bus = make_bus()
    bus.add_function("f", Recorder(), log_group="app")
    bus.add_function("g", Recorder(), log_group="app")
    async with bus:
        await bus.invoke("f")
        await bus.invoke("g")
        assert bus.logs.groups() == ["app"]
        first, second = bus.logs.streams("app")
        assert first.startswith("2026/01/01/f[$LATEST]")
        assert second.startswith("2026/01/01/g[$LATEST]")
        assert bus.logs.streams("f") == bus.logs.streams("app")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"log_format": "text"}, "log_format='text': AWS accepts Text, JSON"),
        ({"application_log_level": "DEBUG"}, "need the JSON format; add log_format='JSON'"),
        ({"log_format": "JSON", "system_log_level": "ERROR"}, "AWS accepts DEBUG, INFO, WARN"),
        ({"log_group": "a b"}, "log_group='a b': 1 to 512 letters"),
    ],
)
def test_logging_settings_that_cannot_be_are_refused(options: dict[str, Any], problem: str) -> None:
    """AWS takes levels with JSON only."""
    with pytest.raises(ConfigurationError) as refusal:
        make_bus().add_function("f", Recorder(), **options)
    assert problem in str(refusal.value)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_logger_that_was_set_up_before_the_bus_writes_into_the_log_once(stream: str) -> None:
    """Its `StreamHandler` holds the stream as it was, and has it again afterwards."""
    own, held = logging.getLogger(f"own.{stream}"), getattr(sys, stream)
    handler = logging.StreamHandler(held)
    own.addHandler(handler)
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        logging.getLogger(f"own.{stream}.child").warning("mine")
        logging.getLogger("another").warning("other")

    try:
        async with bus:
            own.warning("outside")
            await bus.invoke(f)
            written = messages(bus, "f")
    finally:
        own.removeHandler(handler)
    assert [line for line in written if "mine" in line or "outside" in line] == ["mine\n"]
    assert sum("other" in line for line in written) == 1
    assert handler.stream is held
    assert "stream" not in vars(logging.StreamHandler)


async def test_a_handler_of_the_root_logger_shows_records_on_the_terminal_alone() -> None:
    """As after `logging.basicConfig(stream=sys.stdout)`; the function's log has the record once, in Lambda's form."""
    root, handler = logging.getLogger(), logging.StreamHandler(sys.stdout)
    root.addHandler(handler)
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        logging.getLogger("shop").warning("sold")

    try:
        async with bus:
            await bus.invoke(f)
            (line,) = [line for line in messages(bus, "f") if "sold" in line]
    finally:
        root.removeHandler(handler)
    assert line.startswith("[WARNING]\t")


# -- JSON --------------------------------------------------------------------------------------------------------------


async def json_log(level: str = "DEBUG", system: str = "DEBUG", fail: bool = False) -> list[dict[str, Any]]:
    bus = make_bus()

    @bus.function(log_format="JSON", application_log_level=level, system_log_level=system)
    async def f(event: Any, context: Any) -> int:
        print("plain")
        print(json.dumps({"level": "debug", "timestamp": "2026-01-01T00:00:00Z", "message": "own"}))
        print(json.dumps({"level": "debug", "message": "without an instant"}))
        logging.getLogger("shop").warning("sold %d", 2, extra={"order": 7})
        if fail:
            raise ValueError("boom")
        return 1

    async with bus:
        await bus.invoke(f)
        return [json.loads(line) if line.startswith("{") else {"text": line} for line in messages(bus, "f")]


async def test_json_logs_have_the_platforms_events_as_envelopes() -> None:
    """The names and the fields of the Telemetry API, in its order."""
    lines = await json_log()
    platform = [line for line in lines if line.get("type", "").startswith("platform.")]
    assert [line["type"] for line in platform] == [
        f"platform.{kind}" for kind in ("initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report")
    ]
    start, done, report = (line["record"] for line in platform[3:])
    assert start == {"requestId": start["requestId"], "version": "$LATEST"}
    assert done["status"] == "success"
    assert done["metrics"]["producedBytes"] == 1
    assert list(report["metrics"]) == [
        "durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs",
    ]  # fmt: skip
    assert platform[0]["record"]["initializationType"] == "on-demand"


async def test_json_records_of_logging_carry_their_extras() -> None:
    """Level, logger, request id and what came in through `extra=`."""
    (record,) = [line for line in await json_log() if line.get("logger") == "shop"]
    request_id = record.pop("requestId")
    assert len(request_id) == 36
    assert record == {
        "timestamp": "2026-01-01T00:00:00Z", "level": "WARNING", "message": "sold 2", "logger": "shop", "order": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ("DEBUG", ["plain\n", "own", "without an instant", "sold 2"]),
        ("INFO", ["plain\n", "without an instant", "sold 2"]),
        ("WARN", ["sold 2"]),
        ("ERROR", []),
    ],
)
async def test_the_application_level_filters_lines_by_the_level_that_they_state(level: str, kept: list[str]) -> None:
    """What states no level, or no instant, counts as INFO."""
    lines = [line for line in await json_log(level) if not line.get("type", "").startswith("platform.")]
    assert [line.get("message", line.get("text")) for line in lines] == kept


@pytest.mark.parametrize(
    ("system", "fail", "kinds"),
    [
        ("INFO", False, ["initStart", "start", "report"]),
        ("WARN", False, []),
        ("WARN", True, ["runtimeDone", "report"]),
    ],
)
async def test_the_system_level_filters_the_platforms_events(system: str, fail: bool, kinds: list[str]) -> None:
    """At WARN a good invocation leaves nothing, a failed one its report."""
    lines = await json_log(system=system, fail=fail)
    types = [line["type"] for line in lines if line.get("type", "").startswith("platform.")]
    assert types == [f"platform.{kind}" for kind in kinds]


async def test_an_uncaught_error_in_json() -> None:
    """One record with type, message and stack."""
    (error,) = [line for line in await json_log(fail=True) if line.get("errorType") == "ValueError"]
    assert (error["level"], error["errorMessage"]) == ("ERROR", "boom")
    assert "raise ValueError" in error["stackTrace"][0]


async def test_an_exception_that_is_logged_in_json() -> None:
    """Type, message, stack and place; a dict as message stays one."""
    bus = make_bus()

    @bus.function(log_format="JSON")
    async def f(event: Any, context: Any) -> None:
        try:
            raise KeyError("inner")
        except KeyError:
            logging.getLogger().exception({"what": "caught"})

    async with bus:
        await bus.invoke(f)
        (line,) = messages(bus, "f", '{ $.errorType = "KeyError" }')
    record = json.loads(line)
    assert record["message"] == {"what": "caught"}
    assert record["errorMessage"] == "'inner'"
    assert record["location"].endswith(f":f:{f.handler.__code__.co_firstlineno + 5}")


async def test_structlog_in_a_handler_is_filtered_like_any_json() -> None:
    """Its level and its ISO timestamp are what the filter reads."""
    bus = make_bus()

    @bus.function(log_format="JSON", application_log_level="WARN", system_log_level="WARN")
    def f(event: Any, context: Any) -> None:
        log = structlog.wrap_logger(
            structlog.PrintLogger(),
            processors=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.BoundLogger,
        )
        log.info("sold", order=1)
        log.error("refused", order=2)

    async with bus:
        await bus.invoke(f)
        (line,) = messages(bus, "f")
    assert json.loads(line)["order"] == 2


# -- who may write -----------------------------------------------------------------------------------------------------


async def test_a_role_without_log_permissions_runs_and_leaves_no_log() -> None:
    """No group, no stream, no error; the caller's tail and the metrics are there all the same."""
    bus = make_bus()
    f = bus.add_function("f", Recorder(result=1))
    f.role.detach("AWSLambdaBasicExecutionRole")
    async with bus:
        result = await bus.invoke(f, log_tail=True)
        assert (result.payload, bus.logs.groups(), messages(bus, "f")) == (1, [], [])
        assert result.log_tail is not None
        assert bus.metrics.query("Invocations", f).sum == 1


async def test_every_invocation_is_judged_by_the_policies_of_its_time() -> None:
    """Also when nobody reads between the changes."""
    bus = make_bus()
    f = bus.add_function("f", Recorder())
    async with bus:
        await bus.invoke(f, 1)
        f.role.detach("AWSLambdaBasicExecutionRole")
        await bus.invoke(f, 2)
        f.role.attach("AWSLambdaBasicExecutionRole")
        await bus.invoke(f, 3)
        assert [line.split(" ")[0] for line in messages(bus, "f")].count("START") == 2


@pytest.mark.parametrize(
    ("allowed", "exists", "written"),
    [
        (["CreateLogStream", "PutLogEvents"], False, False),
        (["CreateLogStream", "PutLogEvents"], True, True),
        (["CreateLogGroup", "PutLogEvents"], False, False),
        (["CreateLogGroup", "CreateLogStream"], True, False),
        (["CreateLogGroup", "CreateLogStream", "PutLogEvents"], False, True),
    ],
)
async def test_a_log_takes_a_group_a_stream_and_events(allowed: list[str], exists: bool, written: bool) -> None:
    """Each has its own permission; a group that exists need not be made."""
    bus = make_bus()
    f = bus.add_function("f", Recorder())
    f.role.detach("AWSLambdaBasicExecutionRole")
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/f"
    f.role.allow([f"logs:{action}" for action in allowed], group, f"{group}:*")
    if exists:
        bus.logs.create_log_group("/aws/lambda/f")
    async with bus:
        await bus.invoke(f)
        assert bool(messages(bus, "f")) is written


# -- reading -----------------------------------------------------------------------------------------------------------


async def noisy(bus: EventBus) -> None:
    @bus.function
    async def f(event: int, context: Any) -> None:
        print(f"level={'ERROR' if event % 2 else 'INFO'} n={event}")

    for number in range(4):
        await bus.invoke("f", number)
        await virtual(bus).advance(10)


async def test_a_log_is_read_by_pattern_time_stream_and_limit() -> None:
    """Tail gives the last, filter the first; both ends of the time are inclusive."""
    bus = make_bus()
    async with bus:
        t0 = bus.clock.now()
        await noisy(bus)
        logs = bus.logs
        assert [e.message for e in logs.tail("f", 1, filter_pattern="ERROR")] == ["level=ERROR n=3\n"]
        assert [e.message for e in logs.filter("f", "ERROR", limit=1)] == ["level=ERROR n=1\n"]
        assert [e.at - t0 for e in logs.filter("f", "level", start=t0 + 10, end=t0 + 20)] == [10, 20]
        (stream,) = logs.streams("f")
        assert len(logs.tail("f", stream=stream)) == len(logs.tail("f"))
        assert logs.tail("f", stream="another") == []
        assert logs.tail("f", 0) == []
        with pytest.raises(InvalidFilterPattern):
            logs.tail("f", filter_pattern="{ $.a")


async def test_a_log_can_be_followed_until_the_bus_is_left() -> None:
    """From entering on, one invocation after another, filtered."""
    bus = make_bus()
    seen: list[str] = []
    bus.add_function("g", Recorder())

    async def follow() -> None:
        with bus.logs.follow("f", "level") as events:
            entered.set()
            async for event in events:
                seen.append(event.message)

    entered = anyio.Event()
    async with anyio.create_task_group() as tasks, bus:
        tasks.start_soon(follow)
        await entered.wait()
        await bus.invoke("g")
        await noisy(bus)
    assert seen == [f"level={'ERROR' if n % 2 else 'INFO'} n={n}\n" for n in range(4)]


async def test_a_group_of_ones_own_can_be_followed() -> None:
    """What others write elsewhere does not appear; when the block is left, nothing more does."""
    bus = make_bus()
    now = bus.clock.now()
    for group in ("app", "other"):
        bus.logs.create_log_group(group)
        bus.logs.create_log_stream(group, "s")
    async with bus:
        with bus.logs.follow("app", "?one ?two") as events:
            bus.logs.put_log_events("other", "s", [(now, "one")])
            bus.logs.put_log_events("app", "s", [(now, "one"), (now, "three"), (now, "two")])
            assert [(await anext(events)).message for _ in range(2)] == ["one", "two"]
        bus.logs.put_log_events("app", "s", [(now, "two")])
        assert [event async for event in events] == []


# -- groups of one's own -----------------------------------------------------------------------------------------------


async def test_events_of_ones_own() -> None:
    """Made, written, read like any other, deleted."""
    bus = make_bus()
    async with bus:
        now = bus.clock.now()
        bus.logs.create_log_group("app")
        bus.logs.create_log_stream("app", "web")
        await virtual(bus).advance(5)
        assert bus.logs.put_log_events("app", "web", [(now, "one"), (now + 1, "two")]) == RejectedLogEvents()
        assert [(e.at, e.message, e.ingested_at) for e in bus.logs.tail("app", 1)] == [(now + 1, "two", now + 5)]
        assert (bus.logs.groups(), bus.logs.streams("app")) == (["app"], ["web"])
        bus.logs.delete_log_group("app")
        assert bus.logs.groups() == []
        with pytest.raises(LogGroupNotFound):
            bus.logs.tail("app")


async def test_a_deleted_group_of_a_function_comes_back_with_its_next_invocation() -> None:
    """Without what it held."""
    bus = make_bus()
    bus.add_function("f", Recorder())
    async with bus:
        await bus.invoke("f")
        bus.logs.delete_log_group("f")
        assert bus.logs.groups() == []
        await bus.invoke("f")
        assert [line.split(" ")[0] for line in messages(bus, "f")] == ["START", "END", "REPORT"]


async def test_events_expire_after_the_retention_by_the_buss_clock() -> None:
    """Of functions as well as of one's own; a group in which everything has expired holds nothing."""
    bus = make_bus()
    bus.add_function("f", Recorder())
    async with bus:
        await bus.invoke("f")
        bus.logs.put_retention_policy("f", 1)
        assert bus.logs.retention("f") == 1
        await virtual(bus).advance(DAY)
        assert bus.logs.tail("f") != []
        await virtual(bus).advance(1)
        assert (bus.logs.tail("f"), bus.logs.groups()) == ([], [])
        bus.logs.delete_retention_policy("f")
        assert bus.logs.retention("f") is None


@pytest.mark.parametrize("days", [0, 2, 10, 366, True, "1", None])
def test_only_aws_retentions_are_accepted(days: Any) -> None:
    """The refusal lists them."""
    bus = make_bus()
    bus.logs.create_log_group("app")
    with pytest.raises(InvalidLogParameter, match="1, 3, 5, 7, 14, 30") as refusal:
        bus.logs.put_retention_policy("app", days)
    assert refusal.value.code == "InvalidParameterException"
    for accepted in RETENTION_DAYS:
        bus.logs.put_retention_policy("app", accepted)


def test_what_cloudwatch_logs_refuses() -> None:
    """With its codes, and nothing is changed."""
    bus = make_bus()
    logs, now = bus.logs, bus.clock.now()
    logs.create_log_group("app")
    logs.create_log_stream("app", "s")
    with pytest.raises(LogGroupExists, match="The specified log group already exists"):
        logs.create_log_group("app")
    with pytest.raises(InvalidLogParameter):
        logs.create_log_group("a b")
    with pytest.raises(LogGroupNotFound, match="call bus\\.logs\\.create_log_group"):
        logs.put_log_events("/nothing", "s", [(now, "x")])
    with pytest.raises(LogGroupNotFound, match="call bus\\.logs\\.create_log_stream"):
        logs.put_log_events("app", "t", [(now, "x")])
    with pytest.raises(InvalidLogParameter):
        logs.create_log_stream("app", "a:b")
    for batch in [
        [],
        [(now, "")],
        [(now, "a"), (now - 1, "b")],
        [(now - 2 * DAY, "a"), (now, "b")],
        [(now, "x" * 2**20)],
    ]:
        with pytest.raises(InvalidLogParameter):
            logs.put_log_events("app", "s", batch)
    assert logs.tail("app") == []


def test_events_that_are_too_old_or_too_new_are_left_out() -> None:
    """And said by their place, as PutLogEvents does."""
    bus = make_bus()
    bus.logs.create_log_group("app")
    bus.logs.create_log_stream("app", "s")
    now = bus.clock.now()
    put = bus.logs.put_log_events
    assert put("app", "s", [(now, "a"), (now + 7201, "b")]) == RejectedLogEvents(too_new_from=1)
    assert put("app", "s", [(now - 14 * DAY - 1, "c"), (now - 14 * DAY, "d")]) == RejectedLogEvents(too_old_until=1)
    bus.logs.put_retention_policy("app", 1)
    assert put("app", "s", [(now - DAY - 1, "e"), (now - DAY, "f")]) == RejectedLogEvents(expired_until=1)
    assert [e.message for e in bus.logs.events("app")] == ["f", "a"]


async def test_a_handler_manages_logs_as_its_role() -> None:
    """The basic role may make groups, and not delete them."""
    bus = make_bus()

    @bus.function
    async def f(event: Any, context: Any) -> None:
        bus.logs.create_log_group("app")
        bus.logs.delete_log_group("app")

    async with bus:
        await bus.invoke(f)
        assert bus.logs.retention("app") is None
        (text,) = messages(bus, "f", '"[ERROR]"')
        assert text.startswith(f"[ERROR] {AccessDenied.__name__}: ")
        assert "logs:DeleteLogGroup" in text


async def test_a_version_logs_as_the_role_that_it_was_published_with() -> None:
    """And what ran before a change of the role is judged by the role that it ran as."""
    bus = make_bus()
    bus.roles.create("mute")
    f = bus.add_function("f", Recorder())
    version = f.publish_version()
    async with bus:
        first = await bus.invoke(f)
        f.update_configuration(role="mute")
        await bus.invoke(f)
        last = await bus.invoke(version)
        starts = [line for line in messages(bus, "f") if line.startswith("START")]
    assert starts == [
        f"START RequestId: {first.request_id} Version: $LATEST\n",
        f"START RequestId: {last.request_id} Version: 1\n",
    ]


# -- what the bus says -------------------------------------------------------------------------------------------------


async def deny(capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    bus = make_bus(**options)
    f = bus.add_function("f", Recorder())
    async with bus:
        await bus.push(f, 1, source=S3)
        await bus.wait_idle()
        assert "call bus.functions" in str(bus.trace)
        assert "call bus.functions" in bus.dead_letters[0].error
    return capsys.readouterr().err


async def test_the_bus_is_silent_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """The mending call is in the trace and in the dead letter; with console=True also on standard error."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []  # pytest listens there
    try:
        assert await deny(capsys) == ""
        shown = await deny(capsys, console=True)
    finally:
        root.handlers = handlers
    assert shown.startswith("[warning  ] access_denied")
    assert "mend='call bus.functions" in shown
