"""Clients that nobody here has written, each unmodified and in an environment of its own.

`tests/aws/judges/*.txt` say how the environments are made; a test is skipped where its environment isn't there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.test_serving import started

ROOT = Path(__file__).parents[2]
JUDGES = Path(__file__).parent / "judges"
CLIENTS = ROOT / ".venv" / "clients" / "bin" / "python"
CLI = ROOT / ".venv" / "awscli" / "bin" / "aws"
NODE, NPM = shutil.which("node"), shutil.which("npm")
PACKAGES = ("@aws-sdk/client-dynamodb", "@aws-sdk/client-cloudwatch-logs", "@aws-sdk/client-kinesis")
has_clients = pytest.mark.skipif(not CLIENTS.exists(), reason="tests/aws/judges/clients.txt is not installed")
has_cli = pytest.mark.skipif(not CLI.exists(), reason="tests/aws/judges/awscli.txt is not installed")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    server, address = started(directory=tmp_path)
    with server:
        yield address
        server.terminate()


def run(*command: object, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    given = [str(part) for part in command]
    done = subprocess.run(given, capture_output=True, text=True, env={**kept, **environment}, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@has_clients
def test_aiobotocore_is_served_in_this_process() -> None:
    assert run(CLIENTS, JUDGES / "in_process.py") == "ok\n"


@has_clients
def test_aiobotocore_s3fs_and_smart_open_are_served_over_a_port(url: str) -> None:
    assert run(CLIENTS, JUDGES / "over_a_port.py", url) == "ok\n"


@pytest.fixture
def sdk() -> Path:
    """The directory of modules with three packages of the AWS SDK for JavaScript; kept from run to run."""
    if NODE is None or NPM is None:
        pytest.skip("node and npm are not installed")
    directory = Path(tempfile.gettempdir()) / "eventbus-aws-sdk-for-javascript"
    if not all((directory / "node_modules" / package).exists() for package in PACKAGES):
        directory.mkdir(exist_ok=True)
        command = [NPM, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(directory), *PACKAGES]
        if subprocess.run(command, capture_output=True, timeout=180).returncode:
            pytest.skip(f"npm cannot install {', '.join(PACKAGES)}")
    return directory / "node_modules"


@pytest.mark.parametrize("script", ["flow.mjs", "streams.mjs"])
def test_the_sdk_for_javascript_is_served_over_a_port(url: str, sdk: Path, script: str) -> None:
    assert run(NODE, JUDGES / script, sdk, url) == "ok\n"


@has_cli
def test_the_aws_cli_is_served_over_a_port(url: str, tmp_path: Path) -> None:
    def aws(*arguments: object) -> str:
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        return run(CLI, "--endpoint-url", url, "--output", "text", *arguments, HOME=str(tmp_path), **keys)

    source = tmp_path / "cat.txt"
    source.write_bytes(b"meow" * 3_000_000)
    assert aws("s3", "mb", "s3://photos") == "make_bucket: photos\n"
    aws("s3", "cp", source, "s3://photos/raw/cat.txt", "--no-progress")
    assert "12000000 cat.txt" in aws("s3", "ls", "s3://photos/raw/")
    aws("s3", "cp", "s3://photos/raw/cat.txt", tmp_path / "back", "--no-progress")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    aws("s3", "rb", "--force", "s3://photos")
    queue = aws("sqs", "create-queue", "--queue-name", "q").strip()
    aws("sqs", "send-message", "--queue-url", queue, "--message-body", "hello")
    assert aws("sqs", "receive-message", "--queue-url", queue, "--query", "Messages[0].Body") == "hello\n"
    topic = aws("sns", "create-topic", "--name", "t").strip()
    aws("sns", "publish", "--topic-arn", topic, "--message", "hi")
    assert aws("sts", "get-caller-identity", "--query", "Account") == "123456789012\n"
