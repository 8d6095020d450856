"""The AWS CLI, where it is installed, with `AWS_ENDPOINT_URL` at `eventbus serve`, also after a restart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.aws.test_serving import started

CLI = shutil.which("aws")
pytestmark = pytest.mark.skipif(CLI is None, reason="the AWS CLI is not installed")
Run = Callable[..., Any]


@contextmanager
def serving(directory: Path) -> Iterator[Run]:
    """A server in a process of its own, and the CLI pointed at it."""
    server, url = started("--store", "bus.db", directory=directory)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_PAGER": "",
    }
    environment |= {name: value for name, value in os.environ.items() if name.startswith("PYENV")}

    def run(*arguments: str, until: Callable[[], object] | None = None) -> Any:
        command = [str(CLI), *arguments]
        if arguments[0] == "sqs":  # version 1 of the CLI has an address of its own for SQS, whatever the variable says
            command += ["--endpoint-url", url]
        if until is not None:
            return _first_line(command, directory, environment, until)
        done = subprocess.run(command, capture_output=True, text=True, cwd=directory, env=environment)
        assert done.returncode == 0, done.stderr
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    with server:
        try:
            yield run
        finally:
            server.terminate()


def _first_line(command: list[str], directory: Path, environment: dict[str, str], until: Callable[[], object]) -> str:
    """The first line of a command that doesn't end by itself; `until` is called until it is there, thirty times."""
    lines: list[str] = []
    unbuffered = {**environment, "PYTHONUNBUFFERED": "1", "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=directory, env=unbuffered) as process:
        assert process.stdout is not None
        reading = Thread(target=lambda out: lines.append(out.readline()), args=(process.stdout,))
        reading.start()
        for _ in range(30):
            if reading.is_alive():
                until()
        process.terminate()
        reading.join()
    return lines[0]


def test_a_log_is_tailed_live(tmp_path: Path) -> None:
    with serving(tmp_path) as aws:
        aws("logs", "create-log-group", "--log-group-name", "app")
        aws("logs", "create-log-stream", "--log-group-name", "app", "--log-stream-name", "web")
        arn = "arn:aws:logs:us-east-1:123456789012:log-group:app"
        written = json.dumps([{"timestamp": int(time.time() * 1000), "message": "hello"}])
        put = ("put-log-events", "--log-group-name", "app", "--log-stream-name", "web", "--log-events", written)
        tail = ("start-live-tail", "--log-group-identifiers", arn)
        assert aws("logs", *tail, until=lambda: aws("logs", *put)) == "hello\n"


def test_commands_work_and_what_they_made_survives(tmp_path: Path) -> None:
    with serving(tmp_path) as aws:
        (tmp_path / "cat.txt").write_text("meow")
        aws("s3", "mb", "s3://photos")
        aws("s3", "cp", "cat.txt", "s3://photos/a/cat.txt")
        aws("sqs", "create-queue", "--queue-name", "events")
        topic = aws("sns", "create-topic", "--name", "uploads")["TopicArn"]
        queue = "arn:aws:sqs:us-east-1:123456789012:events"
        subscribe = ("sns", "subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue)
        subscription = aws(*subscribe)["SubscriptionArn"]
    with serving(tmp_path) as aws:
        assert aws("s3", "cp", "s3://photos/a/cat.txt", "-") == "meow"
        listed = aws("sns", "list-subscriptions")["Subscriptions"]
        assert [one["SubscriptionArn"] for one in listed] == [subscription]
