"""Who may import whom: the rooms' walls, shown by walking every import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("s3", "sns", "sqs", "dynamodb", "kinesis", "eventbridge", "http")
PURE = (
    *("eventbus.iam", "eventbus.delivery.retry", "eventbus.functions.configuration", "triggers.patterns"),
    *(
        f"triggers.eventbridge.{name}"
        for name in ("cron", "events", "expressions", "paths", "retrying", "transforming")
    ),
    *(f"triggers.polling.{name}" for name in ("settings", "filters", "answers", "decisions", "scaling", "windows")),
    *(f"triggers.kinesis.{name}" for name in ("hashing", "iterators", "throughput", "shards")),
)
IMPURE = ("anyio", "asyncio", "trio", "time", "random", "uuid", "eventbus.clock", "eventbus.bus")
FRONTS = ("triggers.aws", "triggers.console", "triggers.cli")
MAY_USE_FRONTS = (*FRONTS, "triggers.pytest_plugin")
EXTRAS = (
    *("httpx2", "hypercorn", "h11", "trio", "botocore", "boto3", "aiobotocore", "awslambdaric"),
    *("pytest", "uvicorn", "opentelemetry", "prometheus_client"),
)
FOR_AN_EXTRA = (
    *("triggers.pytest_plugin", "triggers.connection"),
    *(f"eventbus.telemetry.{module}" for module in ("otel", "otel_meters", "otel_xray", "prometheus")),
)
"""Modules that are imported only by who has the extra."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in ("eventbus", "triggers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def is_for_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def imports(tree: ast.AST, *, top_level_only: bool = False) -> Iterator[str]:
    """Every module that this one imports when it runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and is_for_types(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
        elif not (top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from imports(node, top_level_only=top_level_only)


def within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


EDGES = [(name, imported) for name, tree in modules() for imported in imports(tree)]


def test_the_engine_has_never_heard_of_triggers() -> None:
    assert [edge for edge in EDGES if edge[0].startswith("eventbus") and edge[1].startswith("triggers")] == []


def test_no_source_imports_a_sibling_source() -> None:
    rooms = tuple(f"triggers.{source}" for source in SOURCES)
    forbidden = [
        (name, imported)
        for name, imported in EDGES
        for room in rooms
        if within(name, (room,)) and within(imported, tuple(r for r in rooms if r != room))
    ]
    assert forbidden == []


def test_pure_modules_know_no_event_loop_no_clock_and_no_chance() -> None:
    assert [edge for edge in EDGES if within(edge[0], PURE) and within(edge[1], IMPURE)] == []


def test_an_event_loop_is_named_only_by_the_clock() -> None:
    named = [edge for edge in EDGES if within(edge[1], ("asyncio", "trio"))]
    assert [edge for edge in named if edge[0] not in ("eventbus.clock", "eventbus.testing")] == []


def test_only_the_fronts_import_the_fronts() -> None:
    assert [edge for edge in EDGES if within(edge[1], FRONTS) and not within(edge[0], MAY_USE_FRONTS)] == []


def test_what_comes_with_an_extra_is_imported_only_where_it_is_used() -> None:
    eager = [
        (name, imported)
        for name, tree in modules()
        for imported in imports(tree, top_level_only=True)
        if within(imported, EXTRAS) and name not in FOR_AN_EXTRA and not within(name, ("triggers.aws",))
    ]
    assert eager == []


@pytest.mark.parametrize(
    "statement", ["import eventbus", "import triggers; [getattr(triggers, n) for n in triggers.__all__]"]
)
def test_importing_loads_nothing_that_an_extra_brings(statement: str) -> None:
    script = f"{statement}; import sys; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert set(loaded.split()) & set(EXTRAS) == set()
