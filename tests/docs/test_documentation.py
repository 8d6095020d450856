"""The documentation is true: its code runs and prints what is shown, its links lead somewhere, nothing is missing."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

import eventbus
import triggers
from eventbus import EventBus, Reason, errors
from eventbus.storage import errors as storage_errors
from eventbus.telemetry.billing import Billing
from eventbus.telemetry.live_tail import LiveTail
from eventbus.telemetry.logs import Logs
from eventbus.telemetry.metrics import Metrics
from eventbus.telemetry.statistics import Statistic
from tests.docs.pages import PAGES, ROOT, Block, anchors, blocks, first_column, links, section
from triggers import S3, SNS, SQS, DynamoDB, EventBridge, FunctionUrl, HttpApi, Kinesis, RestApi, Schedule
from triggers.dynamodb import Stream as TableStream
from triggers.dynamodb import Table
from triggers.eventbridge import Archive, EventBridgeBus, NamedSchedule, Replay, Rule
from triggers.http import Response
from triggers.kinesis import Consumer, Stream
from triggers.kinesis import Subscription as ShardSubscription
from triggers.polling import EventSourceMapping, Mappings
from triggers.s3 import Bucket
from triggers.sns import Subscription, Topic
from triggers.sqs import Queue

REFERENCE = ROOT / "docs" / "reference.md"
SNIPPETS = [block for page in PAGES for block in blocks(page) if block.language == "python"]
PLUMBING = {
    "accept", "access", "account_id", "arn", "is_fifo", "kind", "label", "name", "principal", "send_action", "source",
    "after_start", "go_on_with", "reaches", "poll_into", "replace_routes", "router",
}  # fmt: skip
"""What the engine asks of every resource; the reference says it once."""


def run(block: Block, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a reader would: saved as a file, beside the named files of its page."""
    for other in blocks(block.page):
        if other.name is not None:
            (directory / other.name).write_text(other.code, encoding="utf-8")
    file = directory / (block.name or ("test_snippet.py" if block.is_test else "snippet.py"))
    file.write_text(block.code, encoding="utf-8")
    command = [sys.executable, "-u", "-W", "error"]
    if block.is_test:
        command += ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
        if not any(entry.value == "triggers.pytest_plugin" for entry in entry_points(group="pytest11")):
            command += ["-p", "triggers.pytest_plugin"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*command, file.name],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
    )


def normal(output: str) -> str:
    """Output without what differs from run to run: ids, measured durations, names of log streams, the runtime."""
    output = re.sub(r"python:3\.\d+\.v1", "<runtime>", re.sub(r"\b[0-9a-f]{64}\b", "<64 digits>", output))
    output = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>", output)
    output = re.sub(r"\d+(\.\d+)?( ms|s\b)", r"<time>\2", output)
    output = re.sub(r"\d+ passed in .*", lambda found: found[0].partition(" in ")[0], output)
    return "\n".join(line.rstrip() for line in output.strip().split("\n"))


@pytest.mark.parametrize("block", [pytest.param(b, id=b.id) for b in SNIPPETS if b.reason is None])
def test_a_snippet_runs_and_prints_what_is_shown(block: Block, tmp_path: Path) -> None:
    """Status 0 without a warning; where output is shown, exactly that."""
    done = run(block, tmp_path)
    assert done.returncode == 0, done.stdout
    if block.output is not None:
        assert normal(done.stdout) == normal(block.output)


def test_snippets_that_are_not_run_are_few() -> None:
    """Each says why, and there is at most one in ten."""
    assert sum(block.reason is not None for block in SNIPPETS) <= len(SNIPPETS) // 10


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name a file that is there, and a heading of it."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}, and {target.name} has no such heading"


@pytest.mark.parametrize("package", [eventbus, triggers])
def test_the_reference_lists_exactly_what_a_package_exports(package: ModuleType) -> None:
    """A name that is promised is documented, and the other way round."""
    exported = {
        name
        for name in (getattr(package, "__all__", None) or vars(package))
        if not name.startswith("_") and not isinstance(getattr(package, name), ModuleType)
    }
    assert set(first_column(section(REFERENCE, f"## `{package.__name__}`"))) == exported


def test_the_reference_lists_every_option_of_the_bus() -> None:
    """Every keyword, with its default."""
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section(REFERENCE, "### Options"), re.MULTILINE))
    parameters = list(inspect.signature(EventBus).parameters.values())
    assert set(rows) == {parameter.name for parameter in parameters}
    for parameter in parameters:
        assert rows[parameter.name].replace("_", "") == repr(parameter.default).replace("'", '"')


def test_the_reference_lists_every_reason() -> None:
    """In the table of reasons, and none that doesn't exist."""
    assert set(first_column(section(REFERENCE, "### `Reason`"))) == {reason.value for reason in Reason}


@pytest.mark.parametrize("module", [errors, storage_errors])
def test_the_reference_lists_every_error(module: ModuleType) -> None:
    """By its class name, in the section on errors."""
    text = section(REFERENCE, "## Errors")
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__:
            assert re.search(rf"\b{name}\b", text), f"{name} is not in the reference"


PUBLIC = (
    EventBus,
    eventbus.Function,
    eventbus.Version,
    eventbus.Alias,
    S3,
    Bucket,
    SNS,
    Topic,
    Subscription,
    SQS,
    Queue,
    EventBridge,
    EventBridgeBus,
    Rule,
    Archive,
    Replay,
    Schedule,
    NamedSchedule,
    HttpApi,
    RestApi,
    FunctionUrl,
    Response,
    DynamoDB,
    Table,
    TableStream,
    Kinesis,
    Stream,
    Consumer,
    ShardSubscription,
    EventSourceMapping,
    Mappings,
    Logs,
    LiveTail,
    Metrics,
    Statistic,
    Billing,
)
"""Classes whose every call is in the reference."""


@pytest.mark.parametrize("kind", PUBLIC)
def test_the_reference_names_every_public_call(kind: type) -> None:
    """What users can call is there; twins ending in `_nowait`, and what only the engine calls, are named together."""
    text = REFERENCE.read_text(encoding="utf-8")
    for name in dir(kind):
        if name.startswith("_") or name in PLUMBING or name.endswith("_nowait"):
            continue
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", text), f"{kind.__name__}.{name} is not in the reference"
