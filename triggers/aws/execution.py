"""Requests for APIs and function URLs at the port of the wire, rather than for a service of AWS.

http://<id>.execute-api.localhost:4566/<stage>/path       also <id>.execute-api.<region>.amazonaws.com
http://localhost:4566/_aws/execute-api/<id>/<stage>/path  for clients that cannot resolve names below localhost
http://<id>.lambda-url.localhost:4566/path                also <id>.lambda-url.<region>.on.aws
"""

from __future__ import annotations

import re
from collections.abc import Collection, MutableMapping
from typing import TYPE_CHECKING, Any

from triggers.aws.http import host_name
from triggers.http.asgi import Receive, Send, serve_one
from triggers.http.endpoints import Endpoints
from triggers.http.front import Front

if TYPE_CHECKING:
    from eventbus.bus import EventBus

PREFIX = b"/_aws/execute-api/"
"""What begins so is for an API; no bucket can be called like that."""
_HOST = re.compile(r"([a-z0-9]+)\.(?:execute-api|lambda-url)(?:\.[a-z0-9-]+)*\.(?:localhost|amazonaws\.com|on\.aws)")
_DEFAULT = (b"$default", b"%24default")

Scope = MutableMapping[str, Any]


def find(bus: EventBus, scope: Scope, hosts: Collection[str]) -> tuple[Front | None, Scope] | None:
    """The API that a request is for, with the request as it sees it.

    None for a request that is for none; an API of None for one that is for an API that isn't there.
    """
    host = host_name(next((v.decode("latin-1") for n, v in scope["headers"] if n.lower() == b"host"), ""))
    endpoints = bus.shared(Endpoints)
    if (named := _HOST.fullmatch(host)) is not None:
        return endpoints.find(named[1]), scope
    path: bytes = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    if not path.startswith(PREFIX) or not (host in hosts or host.endswith(".localhost")):
        return None
    api_id, _, rest = path.removeprefix(PREFIX).partition(b"/")
    stage, slash, below = rest.partition(b"/")
    seen = b"/" + (below if stage in _DEFAULT else stage + slash + below)
    return endpoints.find(api_id.decode("latin-1")), {**scope, "raw_path": seen, "path": seen.decode("latin-1")}


async def serve(front: Front | None, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for an API."""
    if front is not None:
        await serve_one(front, scope, receive, send)
        return
    headers = [(b"content-type", b"application/json"), (b"x-amzn-errortype", b"ForbiddenException")]
    body = b'{"message":"Forbidden"}'
    await send({"type": "http.response.start", "status": 403, "headers": [*headers, (b"content-length", b"23")]})
    await send({"type": "http.response.body", "body": body})
