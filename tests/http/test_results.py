"""What clients get for what a function returns."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from triggers.http.message import Response
from triggers.http.refusals import Refused
from triggers.http.results import Malformed, read_format_1, read_format_2, read_rest

PNG = base64.b64encode(b"\x89PNG").decode()


def rest(result: Any, accept: str | None = None, *binary_types: str) -> Response:
    return read_rest(result, accept, binary_types)


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        ({"statusCode": 201}, 201, b""),
        ({}, 200, b""),
        ({"headers": {"a": "b"}}, 200, b""),
        ({"statusCode": "404"}, 404, b""),
        ({"statusCode": 200, "headers": None, "body": "hé"}, 200, "hé".encode()),
        ({"statusCode": 200, "body": PNG, "isBase64Encoded": True}, 200, PNG.encode()),
    ],
)
def test_what_a_rest_api_takes(result: Any, status: int, body: bytes) -> None:
    """No key is required; base64 stays as it is without binary media types; JSON is what it says it is."""
    response = rest(result)
    assert (response.status_code, response.body) == (status, body)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "result",
    [
        None, "text", ["list"], 3, {"statusCode": 200, "oops": 1}, {"statusCode": "abc"}, {"statusCode": True},
        {"statusCode": 99}, {"statusCode": 600}, {"statusCode": 100}, {"body": {"an": "object"}}, {"headers": []},
        {"headers": {"a": ["b"]}}, {"headers": {"a": {}}}, {"multiValueHeaders": {"a": "b"}},
        {"headers": {"a": "b\r\nset-cookie: evil=1"}}, {"headers": {"a\nb": "c"}}, {"headers": {"": "c"}},
        {"multiValueHeaders": {"a": ["b\nc"]}},
    ],
)  # fmt: skip
def test_what_a_rest_api_cannot_use(result: Any) -> None:
    """502: foreign keys, other shapes, and headers that would end their line."""
    with pytest.raises(Malformed) as problem:
        rest(result)
    assert problem.value.refused is Refused.FUNCTION_FAILED


def test_values_of_headers_become_texts() -> None:
    headers = rest({"headers": {"a": True, "b": 1, "c": "x"}}).headers
    assert (headers["a"], headers["b"], headers["c"]) == ("true", "1", "x")


def test_a_name_in_both_maps_is_one_header() -> None:
    """The values of the lists first, then that of the single map, under the name as the lists write it."""
    response = rest({"headers": {"x-many": "c"}, "multiValueHeaders": {"X-Many": ["a", "b"]}})
    pairs = [pair for pair in response.headers.items_in_order if pair[0].lower() == "x-many"]
    assert pairs == [("X-Many", "a"), ("X-Many", "b"), ("X-Many", "c")]


@pytest.mark.parametrize(
    ("accept", "binary_types", "body"),
    [
        ("image/png, */*", ("image/png",), b"\x89PNG"),
        ("*/*, image/png", ("image/png",), PNG.encode()),
        ("image/png", ("image/*",), b"\x89PNG"),
        (None, ("*/*",), b"\x89PNG"),
        ("text/html", ("image/png",), PNG.encode()),
    ],
)
def test_base64_is_decoded_for_those_who_accept_it(
    accept: str | None, binary_types: tuple[str, ...], body: bytes
) -> None:
    """By the first type of the Accept header."""
    assert rest({"body": PNG, "isBase64Encoded": True}, accept, *binary_types).body == body


def test_what_is_not_base64_is_another_fault() -> None:
    """500 for a REST API, not 502."""
    with pytest.raises(Malformed) as problem:
        rest({"body": "%%%", "isBase64Encoded": True}, "image/png", "*/*")
    assert problem.value.refused is Refused.UNDECODABLE


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ({"a": 1}, b'{"a":1}'),
        (["hello", 3, True], b'["hello",3,true]'), ("hello", b"hello"), (3, b"3"), (3.1, b"3.1"),
        (True, b"true"), (None, b"null"), ({}, b"{}"),
    ],
)  # fmt: skip
def test_format_2_takes_any_json_for_a_body(result: Any, body: bytes) -> None:
    """As answers recorded on AWS: compact JSON; a text as it is, without quotes."""
    response = read_format_2(result, "text/plain")
    assert (response.status_code, response.body, response.headers["content-type"]) == (200, body, "application/json")


def test_format_2_with_a_status_is_an_answer() -> None:
    """Cookies become headers of their own, other keys are ignored, base64 is decoded."""
    response = read_format_2(
        {
            "statusCode": 201,
            "headers": {"X-A": 1},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": PNG,
            "isBase64Encoded": True,
            "oops": 1,
        },
        "text/plain",
    )
    assert (response.status_code, response.body, response.headers["x-a"]) == (201, b"\x89PNG", "1")
    assert response.headers.get_all("set-cookie") == ["a=1; Path=/", "b=2"]
    assert response.cookies == {"a": "1", "b": "2"}
    assert response.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "x"}, {"statusCode": 200, "cookies": "a=b"}, {"statusCode": 200, "cookies": [1]},
        {"statusCode": 200, "cookies": ["a=b\r\nx: y"]}, {"statusCode": 200, "body": {}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)  # fmt: skip
def test_what_format_2_cannot_use(result: Any) -> None:
    with pytest.raises(Malformed):
        read_format_2(result, "text/plain")


def test_format_1_of_an_http_api_needs_a_status() -> None:
    """It decodes base64 whatever the client accepts."""
    with pytest.raises(Malformed):
        read_format_1({"body": "x"})
    assert read_format_1({"statusCode": 200, "body": PNG, "isBase64Encoded": True}).body == b"\x89PNG"
