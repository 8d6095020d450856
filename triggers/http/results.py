"""From what a function returned to an answer over HTTP; pure.

Sources: API Gateway developer guide, "Lambda proxy integrations" and "AWS Lambda integrations for HTTP APIs"; Lambda
developer guide, "Invoking function URLs"; answers recorded on AWS for each shape.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from typing import Any

from triggers.http.media import first_accepted, is_binary
from triggers.http.message import Headers, Response, is_header
from triggers.http.refusals import Refused

JSON_TYPE = "application/json"
_KEYS_1 = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})


class Malformed(Exception):
    """A result that cannot be turned into an answer; the text says what is wrong with it."""

    def __init__(self, reason: str, refused: Refused = Refused.FUNCTION_FAILED) -> None:
        super().__init__(reason)
        self.refused = refused


def read_rest(result: Any, accept: str | None, binary_types: Collection[str]) -> Response:
    """Format 1.0 of a REST API: no key is required, no other key is allowed.

    A base64 body is decoded only if the first type of the Accept header is one of the API's binary types. Raises
    Malformed.
    """
    document = _object(result)
    foreign = sorted(set(document) - _KEYS_1)
    if foreign:
        raise Malformed(f"a REST API knows no key {', '.join(foreign)}; it knows {', '.join(sorted(_KEYS_1))}")
    is_decoded = bool(document.get("isBase64Encoded")) and is_binary(first_accepted(accept), binary_types)
    return _read_1(document, is_decoded=is_decoded, status=200)


def read_format_1(result: Any) -> Response:
    """Format 1.0 of an HTTP API: statusCode is required, base64 is decoded. Raises Malformed."""
    document = _object(result)
    return _read_1(document, is_decoded=bool(document.get("isBase64Encoded")), status=None)


def read_format_2(result: Any, default_type: str) -> Response:
    """Format 2.0: with `statusCode` an answer, without it the body of one. Raises Malformed."""
    if not isinstance(result, dict) or "statusCode" not in result:
        text = result if isinstance(result, str) else _json(result)
        return Response(status_code=200, headers=Headers([("Content-Type", JSON_TYPE)]), body=text.encode())
    pairs = _headers(result.get("headers"))
    cookies = result.get("cookies") or []
    if not isinstance(cookies, list) or not all(isinstance(cookie, str) for cookie in cookies):
        raise Malformed("cookies is a list of texts")
    pairs += [_checked("set-cookie", cookie) for cookie in cookies]
    body = _body(result, is_decoded=bool(result.get("isBase64Encoded")))
    return Response(
        status_code=_status(result["statusCode"]), headers=Headers(_with_type(pairs, default_type)), body=body
    )


def read_metadata(document: Mapping[str, Any], default_type: str) -> Response:
    """What a streaming handler says first: statusCode, headers, cookies; the body follows. Raises Malformed."""
    return read_format_2({"statusCode": 200, **document, "body": None}, default_type)


def _read_1(document: dict[str, Any], *, is_decoded: bool, status: int | None) -> Response:
    lists = document.get("multiValueHeaders")
    single = _headers(document.get("headers"))
    many: list[tuple[str, str]] = []
    for name, values in (_object(lists) if lists is not None else {}).items():
        if not isinstance(values, list):
            raise Malformed(f"multiValueHeaders[{name!r}] is a list")
        many += [_checked(name, value) for value in values]
    # the values of the lists come first, under the name as the lists write it
    case = {name.lower(): name for name, _ in many}
    merged = [*many]
    for name, value in single:
        at = max((i for i, (known, _) in enumerate(merged) if known.lower() == name.lower()), default=None)
        merged.insert(len(merged) if at is None else at + 1, (case.get(name.lower(), name), value))
    given = document.get("statusCode", status)
    if given is None:
        raise Malformed("statusCode is missing")
    body = _body(document, is_decoded=is_decoded)
    return Response(status_code=_status(given), headers=Headers(_with_type(merged, JSON_TYPE)), body=body)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"an object is needed, not {_json(value)[:60]}")
    return value


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599:
        raise Malformed(f"statusCode {value!r} is no status from 200 to 599")
    return value


def _headers(document: Any) -> list[tuple[str, str]]:
    if document is None:
        return []
    return [_checked(name, value) for name, value in _object(document).items()]


def _checked(name: str, value: Any) -> tuple[str, str]:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = _json(value)
    elif value is None:
        value = ""
    if not isinstance(value, str) or not is_header(name, value):
        raise Malformed(f"header {name!r} cannot be sent: its name is no word, or its value no text of one line")
    return name, value


def _body(document: Mapping[str, Any], *, is_decoded: bool) -> bytes:
    body = document.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Malformed(f"body is a text, not {_json(body)[:60]}; json.dumps() makes it one")
    if not is_decoded:
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("isBase64Encoded is true, and body is not base64", Refused.UNDECODABLE) from None


def _with_type(pairs: list[tuple[str, str]], default: str) -> list[tuple[str, str]]:
    if any(name.lower() == "content-type" for name, _ in pairs):
        return pairs
    return [("Content-Type", default), *pairs]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
