"""Every example of docs/examples runs, in an interpreter of its own, and prints what it is there to show."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
SHOWS = {
    "boto3_in_process.py": [
        "given up after 3 attempts:\n",
        "is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::thumbs/cat.jpg",
        "thumbs holds ['dog.jpg']",
        "An error occurred (NoSuchKey) when calling the GetObject operation: The specified key does not exist.",
    ],
    "embedded_asyncio.py": [
        "alarm: kitchen has 31 degrees",
        "alarm: attic has 35 degrees",
        "3 of 5 readings reached the function, 0 were lost",
    ],
    "embedded_trio.py": [
        "converted: ['one.txt', 'two.txt']",
        "given up after 3 attempts: ",
        "timed out after 0.50 seconds",
    ],
    "fan_out.py": [
        "published: nobody has been waited for\nprint_label: to Bergen\ncharge: 12 euros\n",
        'archive: {"total": 12, "city": "Bergen"}',
        "(3 of 3 subscriptions matched)\n├─ send archive/",
    ],
    "filter_policies.py": [
        "storm, level 2, at 140 m\nflood-warning, level 4, at 140 m\n  alarm: ",
        "sunshine, level 1, at 2410 m\n  mountain_log: ",
        "storm, level 5, at 2410 m\n  alarm: ",
        'function:alarm: is filtered out: "level" is 2',
    ],
    "front_door.py": [
        "thumbnail made a thumbnail of raw/cat.jpg, with 256 MB\n",
        "thumbs holds ['raw/cat.jpg']",
        "   └─ λ thumbnail  ✓ finished\n      └─ put_object thumbs/raw/cat.jpg",
        "(0 of 1 subscriptions matched)",
    ],
    "own_trigger.py": [
        "somebody rang 2 times at the front door",
        "door/front → λ answer  ✓ finished",
        "door/back → λ answer  ✗ AccessDenied",
        'call bus.functions["answer"].allow(back)',
    ],
    "permissions.py": [
        'call bus.functions["thumbnail"].allow(s3["photos"]) or pass grant=True to notify',
        'call bus.functions["thumbnail"].role.allow("s3:PutObject", s3["thumbs"])\n\nmade a thumbnail\n',
        "AccessDenied: User: events.amazonaws.com is not authorized to perform: lambda:InvokeFunction",
    ],
    "retries_and_dead_letters.py": [
        "+180 s  flaky.txt: read\n+180 s  hopeless.txt: fails\n",
        "<DeadLetter RetriesExhausted for ",
        "The queue got: RetriesExhausted, the disk does not answer",
        "+180 s  hopeless.txt: read\n<DeadLetters: 0>, after 180 seconds of virtual time",
    ],
}
"""Characteristic pieces of what each one prints, in this order."""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter as a user would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, capture_output=True, env=environment, timeout=60, text=True)


@pytest.mark.parametrize("name", SHOWS)
def test_an_example_runs_and_shows_what_it_says(name: str) -> None:
    """Status 0, and its characteristic lines in their order."""
    done = python(str(EXAMPLES / name))
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    position = 0
    for piece in SHOWS[name]:
        assert piece in done.stdout[position:], done.stdout
        position = done.stdout.index(piece, position) + len(piece)


def test_the_example_of_a_test_passes() -> None:
    """Through pytest, with the fixtures of the package's own plugin, on both event loops."""
    is_installed = any(entry.value == "triggers.pytest_plugin" for entry in entry_points(group="pytest11"))
    plugin = () if is_installed else ("-p", "triggers.pytest_plugin")
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, str(EXAMPLES / "test_flow.py"))
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_every_example_is_tested_and_short() -> None:
    """None is forgotten, each says what it shows, and none is longer than 60 lines."""
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {*SHOWS, "test_flow.py"}
    for name in names:
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        assert text.startswith('"""'), name
        assert text.count("\n") < 60, name
