"""Requests and answers as values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode

import attrs

from eventbus.delivery.payload import encode
from eventbus.delivery.targets import Source
from eventbus.errors import ConfigurationError

Pairs: TypeAlias = tuple[tuple[str, str], ...]
Fields: TypeAlias = Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]]
"""Headers or query parameters as callers give them: a mapping, whose values may be lists, or pairs."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE: Final = re.compile("[\r\n\0\ud800-\udfff]")
_PATH: Final = "/:@!$&'()*+,;=~%{}"
"""What stays as it is in a path that somebody gives; `%` since it may be encoded already."""


def pairs(fields: Fields | None) -> Pairs:
    """Headers or query parameters as pairs, in their order."""
    if fields is None:
        return ()
    if not isinstance(fields, Mapping):
        try:
            return tuple((str(name), str(value)) for name, value in fields)
        except (TypeError, ValueError):
            raise ConfigurationError(f"{fields!r}: headers and queries are mappings or pairs") from None
    found = []
    for name, value in fields.items():
        values = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else value
        found += [(str(name), str(each)) for each in values]
    return tuple(found)


def is_header(name: str, value: str) -> bool:
    """Whether this can be sent as a header: a name of token characters, a value without line ends."""
    return _TOKEN.fullmatch(name) is not None and _BAD_VALUE.search(value) is None


class Headers(Mapping[str, str]):
    """Headers: names compare without case, `[]` joins the values of one name with a comma, `get_all` lists them."""

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items_in_order: Pairs = tuple(items)

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name, _ in self.items_in_order))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self.items_in_order})

    def __repr__(self) -> str:
        return f"Headers({list(self.items_in_order)!r})"

    def get_all(self, name: str) -> list[str]:
        """Every value of a name, in order."""
        wanted = name.lower()
        return [value for known, value in self.items_in_order if known.lower() == wanted]


@attrs.frozen(kw_only=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    """Raw, as it stands in the URL, percent-encoded."""
    query: str = ""
    """Raw."""
    headers: Headers = attrs.field(factory=Headers)
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    protocol: str = "HTTP/1.1"
    scheme: str = "https"
    port: int = 443
    caller: Source | None = None
    """Whose signature it carries; None is the account's owner."""
    is_signed: bool = False

    @property
    def query_pairs(self) -> Pairs:
        """The query parameters, decoded, in order."""
        return tuple(parse_qsl(self.query, keep_blank_values=True)) if self.query else ()

    @property
    def head_size(self) -> int:
        """Bytes of the request line and the headers, as they are on the wire."""
        target = len(self.path) + len(self.query) + len(self.method) + 12
        return target + sum(len(name) + len(value.encode()) + 4 for name, value in self.headers.items_in_order)


def make_request(
    method: object,
    path: object,
    *,
    headers: Fields | None,
    body: Any,
    query: Fields | str | None,
    cookies: Mapping[str, str] | None,
    **rest: Any,
) -> Request:
    """A request out of what a caller in Python gives.

    Raises ConfigurationError for what could not be sent: a path without a slash, a header with a line end.
    """
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigurationError(f"path={path!r}: a path begins with a slash, as in /cats/1")
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise ConfigurationError(f"method={method!r}: a method is a word such as GET")
    path, _, in_path = path.partition("?")
    text = query if isinstance(query, str) else urlencode(pairs(query))
    given = list(pairs(headers))
    if not isinstance(rest.get("source_ip", ""), str):
        raise ConfigurationError(f"source_ip={rest['source_ip']!r}: a text is needed")
    if not isinstance(cookies, Mapping | None):
        raise ConfigurationError(f"cookies={cookies!r}: a mapping of names to values is needed")
    if cookies:
        given.append(("cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
    data, content_type = _encoded(body)
    if content_type is not None and not any(name.lower() == "content-type" for name, _ in given):
        given.append(("Content-Type", content_type))
    for name, value in given:
        if not is_header(name, value):
            raise ConfigurationError(f"header {name!r}: {value!r}: a name is a word, a value has no line end")
    return Request(
        method=method.upper(),
        path=quote(path, safe=_PATH),
        query="&".join(part for part in (quote(in_path, safe=f"{_PATH}?/"), text) if part),
        headers=Headers(given),
        body=data,
        **rest,
    )


def _encoded(body: Any) -> tuple[bytes, str | None]:
    """The bytes of a body, and the content type that goes without saying."""
    if body is None:
        return b"", None
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body), None
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    data = encode(body)
    return data if isinstance(data, bytes) else data.encode(), "application/json"


@attrs.frozen(kw_only=True)
class Response:
    """What a client gets: `status_code`, `headers` (names without case), `body` in bytes."""

    status_code: int
    headers: Headers = attrs.field(factory=Headers)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text; UTF-8."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as a JSON value. Raises ValueError if it isn't JSON."""
        return json.loads(self.body)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the answer sets, without their attributes."""
        set_cookies = (value.partition(";")[0].partition("=") for value in self.headers.get_all("set-cookie"))
        return {name.strip(): value.strip() for name, _, value in set_cookies}

    def with_headers(self, *added: tuple[str, str]) -> Response:
        """The same answer with these headers, in place of those of the same name."""
        names = {name.lower() for name, _ in added}
        kept = [(name, value) for name, value in self.headers.items_in_order if name.lower() not in names]
        return attrs.evolve(self, headers=Headers((*kept, *added)))
