"""Over a port, in a process of its own: real clients, unmodified; and what the port refuses."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.aws.packages import made_role, zipped

SCRIPT = """
    import json
    from eventbus import EventBus, VirtualClock
    from triggers import S3, SQS

    bus = EventBus(clock=VirtualClock(), seed=1)
    s3, sqs = S3(bus), SQS(bus)
    photos, failed = s3.create_bucket("photos"), sqs.create_queue("failed")

    @photos.on("s3:ObjectCreated:*")
    async def thumbnail(event, context):
        raise ValueError("not a picture")

    thumbnail.on_failure(failed, grant=True)
"""


def started(*arguments: str, directory: Path) -> tuple[subprocess.Popen[str], str]:
    """A server in a process of its own, and its address."""
    command = [sys.executable, "-m", "triggers.cli", "serve", "--port", "0", *arguments]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=directory)
    assert server.stdout is not None
    line = server.stdout.readline()
    return server, line.split()[4]


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("serve")
    (directory / "flow.py").write_text(textwrap.dedent(SCRIPT))
    server, address = started("--backend", request.param, "flow.py", directory=directory)
    with server:
        yield address
        server.terminate()
    assert server.returncode == 0


@pytest.fixture
def client(url: str) -> Any:
    def make(service: str, **options: Any) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", **options}
        return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys)

    control(url, "reset", {})
    return make


def control(url: str, call: str, given: dict[str, Any] | None = None, **headers: str) -> Any:
    body = None if given is None else json.dumps(given).encode()
    request = urllib.request.Request(f"{url}/_eventbus/{call}", body, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request) as answer:
        text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers["Content-Type"] else text


def raw(url: str, sent: bytes) -> bytes:
    """What the server answers to bytes, until it closes or has nothing more to say."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(sent)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def test_a_flow_runs_and_its_retries_take_no_time(client: Any, url: str) -> None:
    client("s3").put_object(Bucket="photos", Key="cat.jpg", Body=b"meow")
    done = control(url, "wait-idle", {"timeout": 20})
    assert done["dead_lettered"] >= 1
    queue = client("sqs").get_queue_url(QueueName="failed")["QueueUrl"]
    (message,) = client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["requestContext"]["approximateInvokeCount"] == 3
    assert control(url, "queues")["failed"]["in_flight"] == 1
    assert "put_object" in control(url, "trace")
    (letter,) = control(url, "dead-letters")
    assert (letter["reason"], letter["attempts"]) == ("RetriesExhausted", 3)


def test_the_clock_is_read_and_advanced(client: Any, url: str) -> None:
    before = control(url, "clock")
    assert before["is_virtual"]
    assert control(url, "clock/advance", {"seconds": 90})["now"] == before["now"] + 90


def test_a_reset_leaves_what_code_declared(client: Any, url: str) -> None:
    client("s3").create_bucket(Bucket="other")
    client("s3").put_object(Bucket="other", Key="k", Body=b"x")
    role = made_role(client("iam"))
    client("lambda").create_function(FunctionName="f", Role=role, Handler="thumbnail", Code={})
    control(url, "reset", {})
    assert [one["FunctionName"] for one in client("lambda").list_functions()["Functions"]] == ["thumbnail"]
    assert [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]] == ["photos"]


def test_a_function_in_a_process_finds_the_port_and_acts_as_its_role(client: Any, url: str) -> None:
    """Its clients need no settings: the address and keys of its own are in its environment."""
    code = """
        import boto3
        def handler(event, context):
            boto3.client("s3").put_object(Bucket="photos", Key="from-a-process", Body=b"x")
            return boto3.client("sts").get_caller_identity()["Arn"]
    """
    role = made_role(client("iam"), Action="s3:PutObject", Resource="arn:aws:s3:::photos/*")
    client("lambda").create_function(
        FunctionName="writes",
        Role=role,
        Runtime="python3.11",
        Handler="app.handler",
        Code={"ZipFile": zipped(app=textwrap.dedent(code))},
        Timeout=30,
    )
    answer = client("lambda").invoke(FunctionName="writes")
    arn = json.load(answer["Payload"])
    assert arn == "arn:aws:sts::123456789012:assumed-role/role/writes", arn
    assert client("s3").head_object(Bucket="photos", Key="from-a-process")["ContentLength"] == 1


def test_what_is_called_by_an_address_has_one_at_the_port(client: Any, url: str) -> None:
    """Some SDKs send to a queue's URL, and people open the others."""
    queue = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    assert (
        queue
        == client("sqs").get_queue_url(QueueName="q")["QueueUrl"]
        == f"{url}/123456789012/q".replace("localhost", "127.0.0.1")
    )
    client("sqs").send_message(QueueUrl=queue, MessageBody="text")
    function = client("lambda").create_function_url_config(FunctionName="thumbnail", AuthType="NONE")["FunctionUrl"]
    api = client("apigatewayv2").create_api(Name="cats", ProtocolType="HTTP")["ApiEndpoint"]
    for address, status in ((function, 403), (api + "/", 404)):
        host, port = address.removeprefix("http://").rstrip("/").rsplit(":", 1)
        assert host.endswith(".us-east-1.localhost")
        sent = f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
        assert raw(url, sent).startswith(b"HTTP/1.1 %d" % status)


def test_large_objects_travel_in_parts_and_back(client: Any, tmp_path: Path) -> None:
    source = tmp_path / "big"
    source.write_bytes(bytes(range(256)) * 50_000)
    client("s3").create_bucket(Bucket="big")
    client("s3").upload_file(str(source), "big", "k")
    client("s3").download_file("big", "k", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


def test_a_bucket_may_stand_in_the_host(client: Any, url: str) -> None:
    client("s3").create_bucket(Bucket="hosted")
    port = url.rpartition(":")[2]
    answer = raw(
        url,
        f"PUT /k HTTP/1.1\r\nHost: hosted.localhost:{port}\r\nContent-Length: 1\r\nConnection: close\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
        f"Signature={'0' * 64}\r\n\r\nx".encode(),
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert client("s3").get_object(Bucket="hosted", Key="k")["Body"].read() == b"x"


def test_streams_of_events_come_while_they_happen(client: Any, url: str) -> None:
    logs, kinesis = client("logs", config=Config(inject_host_prefix=False)), client("kinesis")
    logs.create_log_group(logGroupName="app")
    logs.create_log_stream(logGroupName="app", logStreamName="web")
    arn = next(g for g in logs.describe_log_groups()["logGroups"] if g["logGroupName"] == "app")["logGroupArn"]
    tail = logs.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]
    events = iter(tail)
    assert next(events)["sessionStart"]["logGroupIdentifiers"] == [arn]
    written = {"timestamp": int(control(url, "clock")["now"] * 1000), "message": "hello"}
    logs.put_log_events(logGroupName="app", logStreamName="web", logEvents=[written])
    control(url, "clock/advance", {"seconds": 1})
    assert [one["message"] for one in next(events)["sessionUpdate"]["sessionResults"]] == ["hello"]
    tail.close()
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    stream = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="reader")["Consumer"]["ConsumerARN"]
    wanted = {"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "LATEST"}}
    pushed = iter(kinesis.subscribe_to_shard(**wanted)["EventStream"])
    assert next(pushed)["SubscribeToShardEvent"]["Records"] == []
    kinesis.put_record(StreamName="clicks", Data=b"x" * 100_000, PartitionKey="p")
    (record,) = next(pushed)["SubscribeToShardEvent"]["Records"]
    assert record["Data"] == b"x" * 100_000
    control(url, "clock/advance", {"seconds": 300})
    assert all(not event["SubscribeToShardEvent"]["Records"] for event in pushed)


def test_clients_that_go_away_make_room_for_others(client: Any, url: str) -> None:
    """There may be fifteen sessions at the same time."""
    logs = client("logs", config=Config(inject_host_prefix=False))
    logs.create_log_group(logGroupName="left")
    arn = next(g for g in logs.describe_log_groups()["logGroups"] if g["logGroupName"] == "left")["logGroupArn"]
    for _ in range(40):
        logs.start_live_tail(logGroupIdentifiers=[arn])["responseStream"].close()


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_curl_fetches_and_puts_with_presigned_urls(client: Any, url: str, tmp_path: Path, version: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    client("s3").create_bucket(Bucket="shared")
    signing = client("s3", config=Config(signature_version=version, s3={"addressing_style": "path"}))
    put = signing.generate_presigned_url("put_object", Params={"Bucket": "shared", "Key": "a b"}, ExpiresIn=600_000)
    get = signing.generate_presigned_url("get_object", Params={"Bucket": "shared", "Key": "a b"}, ExpiresIn=600_000)
    (tmp_path / "file").write_bytes(b"z" * 5000)
    sent = [curl, "-sS", "--fail", "-T", str(tmp_path / "file"), "-H", "Expect: 100-continue", put]
    subprocess.run(sent, check=True)
    got = subprocess.run([curl, "-sS", "--fail", get], check=True, capture_output=True).stdout
    assert got == b"z" * 5000


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Host", "evil.example"),
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ],
)
def test_what_a_web_page_elsewhere_makes_a_browser_send_is_refused(url: str, header: str, value: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        control(url, "reset", {}, **{header: value})
    assert caught.value.code == 403
    caught.value.close()


def test_a_form_cannot_control_the_bus(url: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        control(url, "reset", {}, **{"Content-Type": "text/plain"})
    assert caught.value.code == 415
    caught.value.close()


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "Host: localhost", "Connection: close", "", ""]).encode()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head("GET / HTTP/1.1", *[f"x-{n}: y" for n in range(150)]), b"431"),
        (head("PUT /b/k HTTP/1.1", "Content-Length: 99999999999"), b"413"),
        (head("POST / HTTP/1.1", "x-amz-target: AmazonSQS.SendMessage", "Content-Length: 99999999"), b"413"),
        (head("POST / HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked"), b"400"),
        (b"\x00\xff\r\n\r\n", b"400"),
    ],
)
def test_what_is_too_much_or_unclear_is_refused_before_it_is_read(url: str, sent: bytes, status: bytes) -> None:
    assert raw(url, sent).startswith(b"HTTP/1.1 " + status)


def test_what_cannot_stand_in_a_header_is_no_fault_when_it_comes_back(client: Any, url: str) -> None:
    sent = "x-amz-meta-a: b\x01\r\nContent-Disposition: a\x02\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
    assert raw(url, f"PUT /photos/odd HTTP/1.1\r\nHost: localhost\r\n{sent}".encode()).startswith(b"HTTP/1.1 403")
    link = client("s3").generate_presigned_url("put_object", Params={"Bucket": "photos", "Key": "odd"})
    path = link.removeprefix(url)
    assert raw(url, f"PUT {path} HTTP/1.1\r\nHost: localhost\r\n{sent}".encode()).startswith(b"HTTP/1.1 200")
    assert client("s3").head_object(Bucket="photos", Key="odd")["Metadata"] == {"a": "b"}


def test_a_huge_chunk_that_never_comes_takes_no_memory(url: str, client: Any) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    for end in (socket.SHUT_WR, socket.SHUT_RDWR):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head("PUT /b/k HTTP/1.1", "Transfer-Encoding: chunked") + b"FFFFFFFFFFFFFFFF\r\n")
            connection.shutdown(end)
    assert client("sts").get_caller_identity()["Account"] == "123456789012"


def test_answers_are_never_run_by_a_browser(url: str) -> None:
    with urllib.request.urlopen(f"{url}/_eventbus/health") as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'"


def test_signatures_are_verified_where_that_is_asked_for(tmp_path: Path) -> None:
    server, url = started("--verify-signatures", "--credentials", "me:secret", directory=tmp_path)
    try:
        made: dict[str, Any] = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "me"}
        right = {
            service: boto3.client(service, aws_secret_access_key="secret", **made) for service in ("s3", "sqs", "iam")
        }
        right["s3"].create_bucket(Bucket="photos")
        right["s3"].put_object(Bucket="photos", Key="a b/ü+~.txt", Body=b"meow", Metadata={"x": "a  b"})
        right["s3"].list_objects_v2(Bucket="photos", Prefix="a b/", Delimiter="/")
        right["sqs"].create_queue(QueueName="q")
        right["iam"].list_roles()
        signing = boto3.client("s3", aws_secret_access_key="secret", config=Config(signature_version="s3v4"), **made)
        shared = signing.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "a b/ü+~.txt"})
        with urllib.request.urlopen(shared) as answer:
            assert answer.read() == b"meow"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(shared.replace("a%20b", "a%20c"))
        caught.value.close()
        assert caught.value.code == 403
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            boto3.client("s3", aws_secret_access_key="wrong", **made).list_buckets()
    finally:
        server.terminate()
        server.communicate(timeout=20)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "x"], "x is not a port from 0 to 65535"),
        (["nothing.py"], "nothing.py does not exist"),
        (["--credentials", "x"], "it reads KEY:SECRET"),
        (["--clock", "virtual", "flow.py"], "the script makes its own"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text("")
    command = [sys.executable, "-m", "triggers.cli", "serve", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "triggers.cli", "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1" in done.stderr
