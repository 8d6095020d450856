"""Requests and responses as values, whichever way they came: by a socket, or straight from a client in this process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

import attrs

from triggers.aws.errors import Malformed

if TYPE_CHECKING:
    from triggers.aws.streaming import Pieces

Pairs = list[tuple[str, str]]

MAX_PAIRS = 10_000
"""Fields of a query string or a form. A batch of ten messages with ten attributes each has some four hundred."""


@attrs.define(slots=False)
class Request:
    """One HTTP request. Names of headers are lower-case; `path` and `query_string` are as they came, still encoded."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes = b""

    @cached_property
    def query(self) -> Pairs:
        """The parameters of the query string, decoded, in their order. Raises Malformed."""
        return pairs(self.query_string)

    def parameter(self, name: str) -> str | None:
        """The first value of a parameter of the query string; None if there is none."""
        return next((value for key, value in self.query if key == name), None)

    @property
    def host(self) -> str:
        """Name of the host that the client means, without port, in lower case."""
        return host_name(self.headers.get("host", ""))

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@attrs.define
class Response:
    """One HTTP response; `headers` are names as they are to be sent."""

    status: int
    headers: dict[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    pieces: Pieces | None = None
    """The body, where it is made while it is sent."""


def pairs(text: str) -> Pairs:
    """Decode a query string or a form. Raises Malformed for more than 10,000 fields or what isn't UTF-8."""
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PAIRS, errors="strict") if text else []
    except ValueError:
        raise Malformed("the parameters are no form in UTF-8, or too many") from None


def decoded(part: str) -> str:
    """A part of a path, percent-decoded. Raises Malformed for what isn't UTF-8."""
    try:
        return unquote(part, errors="strict") if "%" in part else part
    except UnicodeDecodeError:
        raise Malformed("Couldn't parse the specified URI.", code="InvalidURI") from None


def host_name(host: str) -> str:
    """A Host header without its port; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()
