"""What a hostile client sends: answered with a 4xx and AWS's error document, never with a 5xx, in bounded memory."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventbus import EventBus, VirtualClock
from tests.aws.generated import request_of, structure
from triggers import S3, SNS, SQS
from triggers.aws import chunked
from triggers.aws.errors import Malformed
from triggers.aws.front import Front
from triggers.aws.http import Request, Response
from triggers.aws.maps import maps
from triggers.aws.models import service_model
from triggers.aws.protocols import cbor, json, xml

OPERATIONS = [(one.service, name) for one in maps() for name in service_model(one.service).operation_names]
NOT_HERE = 501


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    bus = EventBus(clock=VirtualClock(), seed=1)
    S3(bus).create_bucket("abc")
    SNS(bus).create_topic("abc")
    SQS(bus).create_queue("abc")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(bus):
        yield Front(bus)


def signed(request: Request, service: str) -> Request:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    request.headers = {
        **request.headers,
        "authorization": f"AWS4-HMAC-SHA256 Credential=k/{day:%Y%m%d}/us-east-1/{service}/aws4_request, "
        f"SignedHeaders=host, Signature={'0' * 64}",
    }
    return request


def ask(front: Front, request: Request) -> Response:
    """The answer; without waiting, for virtual time stands still."""

    async def answer() -> Response:
        return front.answer_nowait(request)

    answered: Response = front.bus.from_thread(answer)
    return answered


def is_fine(response: Response) -> bool:
    return response.status < 500 or response.status == NOT_HERE


@pytest.mark.parametrize("service", sorted({service for service, _ in OPERATIONS} - {"s3"}))
def test_whatever_the_model_allows_is_answered(front: Front, service: str) -> None:
    """Every operation that is here, with every member given and with some."""
    signing_name = service_model(service).signing_name
    [map_] = [one for one in maps() if one.service == service]
    for name in service_model(service).operation_names:
        operation = service_model(service).operation_model(name)
        shape = operation.input_shape
        if shape is None or not map_.has(name):
            continue
        for seed in range(6):
            values = structure(shape, Random(f"{name}{seed}"), is_full=seed == 0)
            response = ask(front, signed(request_of(operation, values), signing_name))
            assert is_fine(response), (name, values, response)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.sampled_from(OPERATIONS), seed=st.integers(0, 2**32), data=st.data())
def test_valid_requests_that_were_tampered_with_are_never_our_fault(
    front: Front, chosen: tuple[str, str], seed: int, data: st.DataObject
) -> None:
    service, name = chosen
    operation = service_model(service).operation_model(name)
    random = Random(seed)
    shape = operation.input_shape
    values = {} if shape is None else structure(shape, random)
    request = signed(request_of(operation, values), service_model(service).signing_name)
    tamper: Callable[[Request, st.DataObject], None] = data.draw(st.sampled_from(TAMPERING))
    tamper(request, data)
    response = ask(front, request)
    assert is_fine(response), (response, request)


def cut(request: Request, data: st.DataObject) -> None:
    request.body = request.body[: data.draw(st.integers(0, len(request.body)))]


def flip(request: Request, data: st.DataObject) -> None:
    body = bytearray(request.body)
    for _ in range(data.draw(st.integers(1, 5))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    request.body = bytes(body)


def replace_body(request: Request, data: st.DataObject) -> None:
    request.body = data.draw(st.binary(max_size=200) | st.sampled_from(NASTY))


def change_path(request: Request, data: st.DataObject) -> None:
    request.path = data.draw(
        st.sampled_from(["", "/", "//", "/abc/%ff", "/abc/../../etc/passwd", "/%00", "/abc//x", "*"])
    )


def change_query(request: Request, data: st.DataObject) -> None:
    request.query_string = data.draw(
        st.sampled_from(
            ["%ff", "a&b=%zz&=", "partNumber=x&uploadId=1", "max-keys=-1", "versionId=", "X-Amz-Credential=a"]
        )
    )


def change_header(request: Request, data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(sorted({*request.headers, "authorization", "x-amz-target", "content-type", "range"}))
    )
    value = data.draw(
        st.text(max_size=50) | st.sampled_from(["", "AWS4-HMAC-SHA256", "-1", "bytes=5-1", "aws-chunked"])
    )
    request.headers = {**request.headers, name: value}


TAMPERING = [cut, flip, replace_body, change_path, change_query, change_header]
NASTY = [
    b"",
    b"\xff" * 50,
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"QueueUrl": 1e999}',
    b"<a>" * 100_000,
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    b'<?xml version="1.0" encoding="utf-99"?><a/>',
    b"\x9f" * 100_000,
    b"&".join(b"a.%d.b=1" % n for n in range(20_000)),
    b"Action=" + b"x." * 5_000,
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "X"]),
    path=st.text(max_size=40).map(lambda text: "/" + text),
    query=st.text(max_size=60),
    headers=st.dictionaries(
        st.sampled_from(["host", "authorization", "x-amz-target", "content-type", "content-encoding", "content-md5"]),
        st.text(max_size=60),
    ),
    body=st.binary(max_size=300) | st.sampled_from(NASTY),
)
def test_raw_requests_are_never_our_fault(
    front: Front, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    assert is_fine(ask(front, Request(method, path, query, headers, body)))


@pytest.mark.parametrize("body", NASTY, ids=lambda body: repr(body[:20]))
def test_nasty_documents_are_refused_while_they_are_read(body: bytes) -> None:
    for read in (xml.read_document, json.load, cbor.load):
        with suppress(Malformed):  # and nothing else
            read(body)


def test_a_document_type_declaration_is_refused_before_an_entity_is_defined() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x "' + b"y" * 50_000 + b'">]><a>' + b"&x;" * 150 + b"</a>"
    with pytest.raises(Malformed) as caught:
        xml.read_document(bomb)
    assert caught.value.code == "MalformedXML"
    assert "document type declaration" in str(caught.value)


def test_a_length_that_isnt_there_makes_nothing() -> None:
    for body in (b"\x5a\xff\xff\xff\xff", b"\x9a\xff\xff\xff\xff", b"\xba\xff\xff\xff\xff", b"\x7b" + b"\xff" * 8):
        with pytest.raises(Malformed):
            cbor.load(body)


@pytest.mark.parametrize(
    "body", [b"", b"FFFFFFFFF\r\n", b"5\r\nabc", b"zz\r\n", b"-1\r\n", b"3\r\nabcX0\r\n\r\n", b"1" * 10_000]
)
def test_a_broken_chunk_is_refused(body: bytes) -> None:
    with pytest.raises(chunked.InvalidChunk):
        chunked.unchunk(body)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("crc32", b"123456789", "cbf43926"),
        ("crc32c", b"123456789", "e3069283"),
        ("crc64nvme", b"123456789", "ae8b14860a799888"),
    ],
)
def test_checksums_have_the_values_of_their_definitions(name: str, text: bytes, expected: str) -> None:
    assert chunked.ALGORITHMS[name](text).hex() == expected


def test_trailers_are_taken_for_headers_and_compared() -> None:
    checksum = base64.b64encode(chunked.ALGORITHMS["crc32"](b"hello")).decode()

    def sent(value: str) -> Request:
        body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + value.encode() + b"\r\n\r\n"
        return Request("PUT", "/b/k", "", {"content-encoding": "gzip,aws-chunked"}, body)

    request: Any = chunked.decoded(sent(checksum))
    assert (request.body, request.headers["content-encoding"]) == (b"hello", "gzip")
    with pytest.raises(chunked.BadChecksum):
        chunked.decoded(sent("AAAAAA=="))


def test_a_body_of_too_many_values_is_refused_before_it_is_looked_at() -> None:
    """Commas in texts are no values."""
    with pytest.raises(Malformed, match="more than 200,000 values"):
        json.load(b"[" + b"{}," * 200_000 + b"{}]")
    with pytest.raises(Malformed, match="more than 200,000 values"):
        cbor.load(b"\x9a" + (200_001).to_bytes(4, "big") + b"\xa0" * 200_001)
    assert json.load(b'["' + b"," * 300_000 + b'"]') == ["," * 300_000]


@pytest.mark.anyio
async def test_of_many_faults_the_first_are_told() -> None:
    body = json.dump({"StreamName": "s", "Records": [{} for _ in range(1000)]})
    request = signed(Request("POST", "/", "", {"x-amz-target": "Kinesis_20131202.PutRecords"}, body), "kinesis")
    async with EventBus() as bus:
        refused = await Front(bus).answer(request)
    assert refused.status == 400
    assert len(refused.body) < 2000
    assert b"and 990 more" in refused.body
