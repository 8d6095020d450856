"""Clients that are not ours, unchanged: AWS's own for Python, and bootstraps with curl and Node."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from eventbus.execution.sandbox.values import Answer, Failure
from tests.sandbox.handlers import RESULTS
from tests.sandbox.support import failure_of, opened

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="needs procfs")]

needs_awslambdaric = pytest.mark.skipif(
    importlib.util.find_spec("awslambdaric") is None, reason="awslambdaric is not installed"
)
VARIABLES = {
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
}


async def both(
    handler: str, event: Any, directory: Path | None = None, **variables: str
) -> list[tuple[bytes, str, str]]:
    """The same invocation by AWS's client and by ours: what was posted, its content type or status, and the log."""
    found = []
    options: dict[str, Any] = {} if directory is None else {"directory": directory}
    for runtime in ("awslambdaric", "python"):
        async with opened(handler, runtime=runtime, variables={**VARIABLES, **variables}, **options) as trial:
            outcome = (await trial.invoke(event, arn="arn:f", client_context='{"custom":{"a":1}}')).outcome
            log = "".join(trial.log)
        match outcome:
            case Answer(body, content_type):
                found.append((body, content_type, stamps_removed(log)))
            case Failure(document, _, status):
                found.append((document, status, stamps_removed(log)))
    return found


def stamps_removed(log: str) -> str:
    return re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", "<time>", log)


@needs_awslambdaric
@pytest.mark.parametrize("execution", ["AWS_Lambda_python3.11", "AWS_Lambda_python3.13"])
@pytest.mark.parametrize("name", sorted(set(RESULTS) - {"circle"}))
async def test_our_client_answers_byte_for_byte_as_that_of_aws(name: str, execution: str) -> None:
    """Whatever a handler returns: named tuples, Decimals, NaN, text in and out of ASCII, what JSON cannot carry."""
    theirs, ours = await both("handlers.result", name, AWS_EXECUTION_ENV=execution)
    assert ours == theirs


@needs_awslambdaric
async def test_a_circle_is_refused_by_both() -> None:
    """In the words of different encoders."""
    for posted, status, _ in await both("handlers.result", "circle"):
        document = json.loads(posted)
        assert status == "failure"
        assert document["errorType"] == "Runtime.MarshalError"
        assert document["errorMessage"].startswith("Unable to marshal response: Circular reference detected")


@needs_awslambdaric
@pytest.mark.parametrize("handler", ["boom", "coroutine", "echo", "nope"])
@pytest.mark.parametrize("format_", ["TEXT", "JSON"])
async def test_our_client_fails_and_logs_as_that_of_aws(handler: str, format_: str) -> None:
    """Exceptions, coroutines that nobody awaits, handlers that are not there: document, types and log."""
    event: dict[str, Any] = {"a": ["ä", 1.5, None]}
    theirs, ours = await both(f"handlers.{handler}", event, AWS_LAMBDA_LOG_FORMAT=format_)
    assert [*ours[:2], *lines_of_runtime(ours[2])] == [*theirs[:2], *lines_of_runtime(theirs[2])]


def lines_of_runtime(log: str) -> list[str]:
    """Without the interpreter's own warning, which names the place where the coroutine was forgotten."""
    return [line for line in log.splitlines() if "RuntimeWarning" not in line and not line.startswith("  ")]


BROKEN = [
    ("broken.handler", "import nothing_of_the_kind"),
    ("broken.handler", "def handler(:"),
    ("broken.handler", "raise KeyError('k')"),
    ("broken.handler", "from os import nothing"),
    ("broken", ""),
    ("pack/broken.handler", ""),
    ("sys.exit", ""),
    ("builtins.print", ""),
]


@needs_awslambdaric
@pytest.mark.parametrize(("handler", "code"), BROKEN)
async def test_our_client_initialises_as_that_of_aws(handler: str, code: str, tmp_path: Path) -> None:
    """Errors at import, by document and log."""
    (tmp_path / "broken.py").write_text(code)
    theirs, ours = await both(handler, None, tmp_path)
    assert ours == theirs


@needs_awslambdaric
async def test_the_context_is_shown_as_by_that_of_aws() -> None:
    """Its whole repr."""
    found = await both("handlers.described", None)
    shown = [json.loads(body)["repr"] for body, _, _ in found]
    assert shown[0] == shown[1]
    assert "client_context=ClientContext([custom={'a': 1},env=None,client=None])" in shown[0]


@needs_awslambdaric
async def test_the_client_of_aws_survives_what_it_should_and_is_replaced_after_the_rest() -> None:
    """It ends itself when a response was too large."""
    async with opened("handlers.big", runtime="awslambdaric", variables=VARIABLES) as trial:
        assert (await trial.error(7_000_000))["errorType"] == "Function.ResponseSizeTooLarge"
        assert await trial.value(2) == "xx"
    async with opened("handlers.end", runtime="awslambdaric", variables=VARIABLES) as trial:
        assert (await trial.error({"exit": 3}))["errorMessage"].endswith("exit status 3")
        assert await trial.value("nothing") is None


CURL = """#!/bin/sh
# the runtime of a function, as AWS's tutorial writes it
set -eu
API="http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime"
while true; do
  HEADERS="$(mktemp)"
  EVENT=$(curl -sS -L -D "$HEADERS" "$API/invocation/next")
  ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  echo "handling $ID"
  curl -sS "$API/invocation/$ID/response" -d "{\\"got\\":$EVENT,\\"handler\\":\\"$_HANDLER\\"}" > /dev/null
done
"""
NODE = """#!/usr/bin/env node
const http = require('http');
const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const call = (method, path, body, headers) => new Promise((resolve, reject) => {
  const options = { hostname, port, agent, method, path: '/2018-06-01/runtime/' + path, headers };
  const request = http.request(options, (answer) => {
    let text = '';
    answer.on('data', (data) => { text += data; });
    answer.on('end', () => resolve({ text, headers: answer.headers }));
  });
  request.on('error', reject);
  request.end(body);
});
(async () => {
  for (;;) {
    const { text, headers } = await call('GET', 'invocation/next');
    const id = headers['lambda-runtime-aws-request-id'];
    const event = JSON.parse(text);
    console.log('handling ' + id);
    if (event.fail) {
      const error = JSON.stringify({ errorMessage: event.fail, errorType: 'Odd', stackTrace: [] });
      await call('POST', `invocation/${id}/error`, error, { 'Lambda-Runtime-Function-Error-Type': 'Odd' });
    } else {
      await call('POST', `invocation/${id}/response`, JSON.stringify({ got: event }));
    }
  }
})();
"""


def bootstrap(directory: Path, text: str, mode: int = 0o755) -> Path:
    (directory / "bootstrap").write_text(text)
    (directory / "bootstrap").chmod(mode)
    return directory


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_a_bootstrap_with_curl_serves(tmp_path: Path) -> None:
    """A shell script, one process after another."""
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "_HANDLER": "any thing"}
    async with opened("any thing", bootstrap(tmp_path, CURL), runtime="provided", variables=variables) as trial:
        assert await trial.value({"a": 1}) == {"got": {"a": 1}, "handler": "any thing"}
        assert await trial.value([2]) == {"got": [2], "handler": "any thing"}
        assert trial.log == ["handling r1\n", "handling r2\n"]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
async def test_a_bootstrap_in_node_serves(tmp_path: Path) -> None:
    """With Node's own HTTP client, and errors of its own making."""
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    options: dict[str, Any] = {"runtime": "provided", "variables": variables, "memory": 512}
    async with opened("any", bootstrap(tmp_path, NODE), **options) as trial:
        assert await trial.value({"ä": [1]}) == {"got": {"ä": [1]}}
        document, kind, status = failure_of(await trial.invoke({"fail": "because"}))
        assert document == {"errorMessage": "because", "errorType": "Odd", "stackTrace": []}
        assert (kind, status) == ("Odd", "failure")
        assert (await trial.invoke({"b": 2})).outcome == Answer(b'{"got":{"b":2}}')


async def test_the_last_words_of_a_bootstrap_are_heard(tmp_path: Path) -> None:
    """It posts its answer and ends without waiting for the reply: the answer counts, not the end."""
    (tmp_path / "last.py").write_text(
        """
import os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
connection = socket.create_connection((host, int(port)))
path = "/2018-06-01/runtime/invocation"
connection.sendall(f"GET {path}/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
head = connection.recv(65536).decode()
request_id = head.split("Lambda-Runtime-Aws-Request-Id: ")[1].split()[0]
body = b'"' + b"x" * 100_000 + b'"'
connection.sendall(f"POST {path}/{request_id}/response HTTP/1.1\\r\\nHost: x\\r\\n"
                   f"Content-Length: {len(body)}\\r\\n\\r\\n".encode() + body)
os._exit(0)
"""
    )
    directory = bootstrap(tmp_path, f"#!/bin/sh\nexec {sys.executable} last.py\n")
    async with opened("any", directory, runtime="provided", memory=256) as trial:
        for _ in range(5):
            assert await trial.value() == "x" * 100_000


async def test_without_a_bootstrap_there_is_nothing_to_run(tmp_path: Path) -> None:
    """AWS's text, for every invocation."""
    async with opened("any", tmp_path, runtime="provided") as trial:
        for number in (1, 2):
            assert await trial.error() == {
                "errorType": "Runtime.InvalidEntrypoint",
                "errorMessage": f"RequestId: r{number} Error: Couldn't find valid bootstrap(s): "
                "[/var/task/bootstrap /opt/bootstrap]",
            }


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [("echo no interpreter", 0o755, "exec format error"), ("#!/bin/sh\n", 0o644, "permission denied")],
)
async def test_a_bootstrap_that_cannot_be_run_is_named(text: str, mode: int, reason: str, tmp_path: Path) -> None:
    """As Go names the cause."""
    async with opened("any", bootstrap(tmp_path, text, mode), runtime="provided") as trial:
        assert await trial.error() == {
            "errorType": "Runtime.InvalidEntrypoint",
            "errorMessage": f"RequestId: r1 Error: fork/exec /var/task/bootstrap: {reason}",
        }


async def test_a_bootstrap_that_ends_is_an_exit_error(tmp_path: Path) -> None:
    """Before it has asked for an event."""
    async with opened("any", bootstrap(tmp_path, "#!/bin/sh\nexit 5\n"), runtime="provided") as trial:
        assert (await trial.error())["errorMessage"] == "RequestId: r1 Error: Runtime exited with error: exit status 5"
