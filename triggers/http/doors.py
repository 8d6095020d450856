"""Several APIs on one port: which of them a request is for; pure, but for the fronts that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from eventbus.errors import ConfigurationError
from triggers.http.asgi import Receive, Scope, Send, serve_scope
from triggers.http.front import Front
from triggers.http.message import Headers, Request, Response

if TYPE_CHECKING:
    from eventbus.bus import EventBus

_LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")


class Doors:
    """An ASGI application of several APIs and function URLs.

    A request is for the front that its Host names (`<name>.localhost`, or the host name that it has on AWS); else,
    where there is only one, for that; else for the one that the first segment of its path names. `hosts` are the host
    names that are answered beside those, None for any: a page of another site that a browser was told lives here
    (DNS rebinding) gets 403.
    """

    def __init__(self, fronts: Iterable[Front], hosts: Iterable[str] | None = None) -> None:
        listed = list(fronts)
        if not listed or not all(isinstance(front, Front) for front in listed):
            raise ConfigurationError("nothing to serve: give an HttpApi, a RestApi or a FunctionUrl")
        self.fronts = {front.name: front for front in listed}
        if len(self.fronts) != len(listed):
            raise ConfigurationError("several on one port need names of their own: HttpApi(bus, 'shop')")
        self._hosts = None if hosts is None else {*_LOOPBACK, *(host.lower() for host in hosts)}

    def __repr__(self) -> str:
        return f"<Doors: {', '.join(self.fronts)}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await serve_scope(self, scope, receive, send)

    @property
    def buses(self) -> list[EventBus]:
        """The buses of all that is served."""
        return list({id(front.bus): front.bus for front in self.fronts.values()}.values())

    def front_of(self, request: Request) -> tuple[Front, Request] | Response:
        """The front that a request is for, with the request as it sees it; or the refusal of one that is for none."""
        host = _name(request.headers.get("host", "localhost"))
        for front in self.fronts.values():
            if host in (front.domain, f"{front.name.lower()}.localhost"):
                return front, request
        if self._hosts is not None and host not in self._hosts and not host.endswith(".localhost"):
            return _refusal(403, "Forbidden")
        if len(self.fronts) == 1:
            return next(iter(self.fronts.values())), request
        _, first, *rest = request.path.split("/", 2)
        front_named = self.fronts.get(first)
        if front_named is None:
            return _refusal(404, "Not Found")
        return front_named, attrs.evolve(request, path=f"/{rest[0] if rest else ''}")


def _name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def _refusal(status: int, message: str) -> Response:
    body = json.dumps({"message": message}).encode()
    return Response(status_code=status, headers=Headers([("content-type", "application/json")]), body=body)
