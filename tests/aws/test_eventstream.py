"""How events are framed and written, judged by botocore's own parser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import botocore.session
import pytest
from botocore.eventstream import EventStream, EventStreamBuffer
from botocore.exceptions import EventStreamError
from botocore.model import DenormalizedStructureBuilder, OperationModel, StructureShape
from botocore.parsers import create_parser

from tests.aws.generated import structure
from tests.aws.test_protocols import comparable
from triggers.aws.protocols.eventstream import Encoding, answer, framed

SESSION = botocore.session.get_session()
PROTOCOLS = ("json", "rest-json", "rest-xml", "smithy-rpc-v2-cbor")


def operations() -> Iterator[Any]:
    """Every operation of the services here that answers with a stream."""
    for service in ("logs", "kinesis", "lambda", "s3"):
        model = SESSION.get_service_model(service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            if operation.has_event_stream_output:
                yield pytest.param(operation, id=name)


class Body:
    """A body as a real client has it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        for at in range(0, len(self._body), 7):
            yield self._body[at : at + 7]


def parsed(protocol: str, shape: Any, body: bytes) -> list[dict[str, Any]]:
    parser: Any = create_parser(protocol)
    stream: Any = EventStream(Body(body), shape, parser._event_stream_parser, "Operation")
    events: list[dict[str, Any]] = list(stream)
    return [{name: value for name, value in event.items() if name != "ResponseMetadata"} for event in events]


@pytest.mark.parametrize("operation", list(operations()))
def test_every_event_of_every_service_is_read_as_it_was_meant(operation: OperationModel) -> None:
    protocol = operation.service_model.resolved_protocol
    shape: Any = operation.get_event_stream_output()
    for seed in range(3):
        for name, member in shape.members.items():
            if member.metadata.get("exception"):
                continue
            value = structure(member, Random(f"{name}{seed}"), is_full=seed == 0)
            body = Encoding(protocol, shape).event({name: value})
            (event,) = parsed(protocol, shape, body)
            assert comparable(event[name]) == comparable(value), name


@pytest.mark.parametrize("operation", list(operations()))
def test_every_modelled_error_is_raised_by_a_client(operation: OperationModel) -> None:
    protocol = operation.service_model.resolved_protocol
    shape: Any = operation.get_event_stream_output()
    codes = [name for name, member in shape.members.items() if member.metadata.get("exception")]
    for code in [*codes, "SomethingElse"]:
        with pytest.raises(EventStreamError) as caught:
            parsed(protocol, shape, Encoding(protocol, shape).refusal(code, "the reason", {}))
        assert caught.value.response["Error"] == {"Code": code, "Message": "the reason"}


KINDS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "flag": ({"type": "boolean"}, [True, False]),
    "integer": ({"type": "integer"}, [-5]),
    "long": ({"type": "long"}, [1 << 40]),
    "blob": ({"type": "blob"}, [b"\x00\xff"]),
    "text": ({"type": "string"}, ["ü"]),
    "at": ({"type": "timestamp"}, [datetime(2026, 1, 1, 0, 0, 0, 5000, UTC)]),
}


def shape_of(members: dict[str, dict[str, Any]], mark: str) -> StructureShape:
    """A stream of one event, whose members are marked."""
    built: Any = DenormalizedStructureBuilder().with_members({"event": {"type": "structure", "members": members}})
    shape: StructureShape = built.build_model()
    event: Any = shape.members["event"]
    shape.serialization["eventstream"] = event.serialization["event"] = True
    for member in event.members.values():
        member.serialization[mark] = True
    return shape


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_member_that_is_marked_as_a_header_is_one_of_its_type(kind: str) -> None:
    member, values = KINDS[kind]
    shape = shape_of({kind: member}, "eventheader")
    for value in values:
        (event,) = parsed("json", shape, Encoding("json", shape).event({"event": {kind: value}}))
        assert event == {"event": {kind: value}}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("kind", "value"), [("blob", b"\x00\xff"), ("string", "ü"), ("structure", {"inner": "1"})], ids=str
)
def test_a_member_that_is_marked_as_the_payload_is_all_of_it(protocol: str, kind: str, value: Any) -> None:
    member: dict[str, Any] = {"type": kind} | (
        {"members": {"inner": {"type": "string"}}} if kind == "structure" else {}
    )
    shape = shape_of({"payload": member}, "eventpayload")
    (event,) = parsed(protocol, shape, Encoding(protocol, shape).event({"event": {"payload": value}}))
    assert event == {"event": {"payload": value}}


def test_other_members_come_first_where_the_head_has_no_place_for_them() -> None:
    operation = SESSION.get_service_model("kinesis").operation_model("SubscribeToShard")
    response = answer("json", operation, {}, "the-id")
    assert response.headers == {"x-amzn-RequestId": "the-id", "Content-Type": "application/vnd.amazon.eventstream"}
    buffer: Any = EventStreamBuffer()
    buffer.add_data(response.body)
    (message,) = buffer
    assert message.headers == {
        ":message-type": "event",
        ":event-type": "initial-response",
        ":content-type": "application/x-amz-json-1.1",
    }
    assert message.payload == b"{}"


def test_a_message_is_framed_as_the_specification_shows() -> None:
    """The test vector of Smithy's implementations for a payload with a header."""
    expected = bytes.fromhex(
        "0000003d0000002007fd8396"
        "0c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
        "7b27666f6f273a27626172277d8d9c08b1"
    )
    assert framed({"content-type": "application/json"}, b"{'foo':'bar'}") == expected
