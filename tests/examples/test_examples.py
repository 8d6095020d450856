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
    "boto3_services.py": [
        "keeping a\nkeeping c\nrefused: 0\n",
        "kept: [('a', 300), ('c', 150)]\nlogged: ['keeping a\\n', 'keeping c\\n']\nmeasured: 450 in 2 orders\n",
    ],
    "deploy_with_boto3.py": [
        "The function execution role does not have permissions to call ReceiveMessage on SQS",
        "Unhandled name 'json' is not defined\n",
        "live ships a pencil",
    ],
    "dynamodb_table.py": [
        "not overwritten: The conditional request failed\nnot ordered: ['ConditionalCheckFailed', 'None']",
        "orders of ada: [1]\nan hour later: []",
        "MODIFY {'article': {'S': 'pencil'}, 'pieces': {'N': '1'}}",
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
    "event_bus.py": [
        "  big_order: Ann paid 300\n",
        "  new_photo: Object Created, my cat.jpg\n",
        """labels: ['"A parcel for Ann"', '"A parcel for Bo"']""",
        'big_order: does not match: "detail.total" is 20',
        "  big_order: Ann paid 300 (replay again)\n",
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
        "\n  mountain_log: ",
        'function:alarm: is filtered out: "level" is 2',
    ],
    "front_door.py": [
        "thumbnail made a thumbnail of raw/cat.jpg, with 256 MB\n",
        "thumbs holds ['raw/cat.jpg']",
        "   └─ λ thumbnail  ✓ finished\n      └─ put_object thumbs/raw/cat.jpg",
        "(0 of 1 subscriptions matched)",
    ],
    "http_api.py": [
        'GET /cats/1: 200 {"name":"Tom"}',
        "GET /cats/9: 404 no such cat",
        'POST /orders: 401 {"message": "Unauthorized"}',
        "Ada orders 2\nprr prrr prrrr\n",
        "POST shop/orders  (201)\n├─ λ guard  ✓ finished\n└─ λ order  ✓ finished",
    ],
    "kinesis_stream.py": [
        "+0 s  1  cellar0 cellar1 cellar2 cellar3\n+0.25 s  1  cellar0 cellar1\n+0.25 s  1  cellar2 cellar3\n",
        "+1.75 s  1  cellar2\n+1.75 s  1  cellar3\nRetryAttemptsExhausted: 1 record\n",
        "<EventSourceMapping store ← readings: Enabled, OK>, after 1.75 s of virtual time",
    ],
    "own_trigger.py": [
        "somebody rang 2 times at the front door",
        "door/front → λ answer  ✓ finished",
        "door/back → λ answer  ✗ AccessDenied",
        'call bus.functions["answer"].allow(back)',
    ],
    "process_isolation.py": [
        "crash: Runtime exited with error: exit status 3\nafter the crash: {'colour': 'red', 'memory'",
        "log: call 3 of this process, 3 of this environment\nlog: call 1 of this process, 4 of this environment\n",
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
    "what_happened.py": [
        'with more than 1000 cents:\n  +0 s  {"order": 0, "cents": 1200}\n  +0 s  {"order": 2, "cents": 9900}\n  +60 s',
        "revenue: 2000 cents in 2 orders, median 800\n  +0 s  33% of the invocations failed\n  +60 s  100%",
        "charge    $LATEST  512 MB         5       0.250  $0.00000517",
        "λ charge  ✗ RetriesExhausted",
    ],
    "schedules.py": [
        "first night: 2026-03-15 03:00:00+01:00\n",
        "['write the report', 'remember 2026-03-18T12:00:00Z']\n",
        "31 runs in 30 days, the first night twice: True\n",
        "in winter at 02:00 and in summer at 01:00 UTC\n",
        "schedules left: ['nightly', 'weekly']",
    ],
    "table_stream.py": [
        "+5 s  order 1: paid → sent\n        the post office is closed\n+5 s  order 1: paid → sent\n+5 s  order 2: new",
        "<EventSourceMapping notify ← orders: Enabled, OK>; records waited for 5000 ms",
        "├─ poll orders/5 records  (the function reported a failure from record 4 on)\n",
        "└─ poll orders/2 records\n   └─ λ notify  ✓ finished\ndelete_item orders/1",
    ],
    "sqs_worker.py": [
        "+0 s  resize: done\n+0 s  upload: failed\n+0 s  divide by zero: failed\n+60 s  upload: done\n",
        "left: 0, set aside: ['divide by zero']\n3 invocations in 180 s of virtual time",
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
