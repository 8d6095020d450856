"""Cross-origin requests of HTTP APIs and function URLs: what is configured, and what follows; pure.

Sources: API Gateway developer guide, "Configure CORS for HTTP APIs"; Lambda API reference, Cors (2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from triggers.http.checks import checked_flag, texts
from triggers.http.errors import BadRequest
from triggers.http.message import Request
from triggers.http.paths import METHODS

_LONGEST = 100
MAX_AGE = 86_400
"""Seconds for which a browser may keep the answer to a preflight request."""


def _texts(value: str | Iterable[str]) -> tuple[str, ...]:
    return texts("CORS", value)


@attrs.frozen(kw_only=True)
class Cors:
    """Who may call from a page of another origin.

        Cors(allow_origins=["https://shop.example"], allow_methods=["GET"], allow_headers=["authorization"])

    Origins are `https://host`, `*`, `http://*` or `https://*`; methods and headers may be `*`. `max_age` is in seconds,
    0 to 86,400; None sends none. Raises BadRequest for what AWS does not take.
    """

    allow_origins: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    allow_methods: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    allow_headers: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    expose_headers: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    allow_credentials: bool = False
    max_age: int | None = None

    def __attrs_post_init__(self) -> None:
        for method in self.allow_methods:
            if method not in (*METHODS, "*"):
                raise BadRequest(f"Invalid CORS method {method!r}", mend=f"allowed are {', '.join(METHODS)} and *")
        for origin in self.allow_origins:
            if origin != "*" and not origin.startswith(("http://", "https://", "chrome-extension://")):
                raise BadRequest(f"Invalid CORS origin {origin!r}", mend="an origin is https://host, or *")
        if self.allow_credentials and "*" in self.allow_origins:
            raise BadRequest("CORS with credentials needs origins by name", mend='allow_origins=["https://host"]')
        checked_flag("allow_credentials", self.allow_credentials)
        age: object = self.max_age
        if age is not None and not (type(age) is int and 0 <= age <= MAX_AGE):
            raise BadRequest(f"max_age={age!r}: AWS accepts 0 to {MAX_AGE:,} seconds")
        for name in ("allow_origins", "allow_headers", "expose_headers"):
            if len(getattr(self, name)) > _LONGEST:
                raise BadRequest(f"{name} has more than {_LONGEST} entries")

    def allows(self, origin: str) -> str | None:
        """What `access-control-allow-origin` says to this origin; None if it may not call."""
        if "*" in self.allow_origins:
            return "*"
        scheme = origin.partition("://")[0]
        is_listed = origin in self.allow_origins or f"{scheme}://*" in self.allow_origins
        return origin if is_listed else None

    def preflight_headers(self, request: Request) -> list[tuple[str, str]]:
        """The headers of the answer to a preflight request; none if the origin may not call."""
        headers = self.headers(request)
        if not headers:
            return []
        if self.allow_methods:
            headers.append(("access-control-allow-methods", ",".join(self.allow_methods)))
        if self.allow_headers:
            headers.append(("access-control-allow-headers", ",".join(self.allow_headers)))
        if self.max_age is not None:
            headers.append(("access-control-max-age", str(self.max_age)))
        return headers

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """The headers of any answer to a cross-origin request."""
        origin = request.headers.get("origin")
        allowed = None if origin is None else self.allows(origin)
        if allowed is None:
            return []
        headers = [("access-control-allow-origin", allowed)]
        if allowed != "*":
            headers.append(("vary", "origin"))
        if self.allow_credentials:
            headers.append(("access-control-allow-credentials", "true"))
        if self.expose_headers:
            headers.append(("access-control-expose-headers", ",".join(self.expose_headers)))
        return headers


def is_preflight(request: Request) -> bool:
    """Whether a browser asks for permission."""
    return (
        request.method == "OPTIONS"
        and "origin" in request.headers
        and "access-control-request-method" in request.headers
    )


def as_cors(value: Cors | dict[str, Any] | None) -> Cors | None:
    """A configuration, from a `Cors`, a dict of its arguments, or None. Raises BadRequest."""
    given: object = value
    names = {field.name for field in attrs.fields(Cors)}
    if isinstance(given, Cors | None):
        return given
    if not isinstance(given, Mapping) or not given.keys() <= names:
        raise BadRequest(f"cors={value!r} is not valid", mend=f"a Cors, or a dict with {', '.join(sorted(names))}")
    return Cors(**given)
