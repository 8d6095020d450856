"""An API as a plain ASGI application, judged by the clients and frameworks that others use."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from aws_lambda_powertools.event_handler import (
    APIGatewayHttpResolver,
    APIGatewayRestResolver,
    CORSConfig,
    LambdaFunctionUrlResolver,
    Response,
)
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from eventbus.bus import EventBus
from eventbus.errors import BusClosed
from eventbus.testing import Recorder
from triggers.http import FunctionUrl, HttpApi, RestApi
from triggers.http.asgi import MAX_HEADERS
from triggers.http.doors import Doors

pytestmark = pytest.mark.anyio


def client(app: Any, base: str = "http://localhost") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=base)


async def test_a_client_gets_what_the_function_says(bus: EventBus, api: HttpApi) -> None:
    """Status, headers, several cookies, a body with its length."""
    recorder = Recorder(result={"statusCode": 201, "cookies": ["a=1", "b=2"], "headers": {"X-A": "ü"}, "body": "hé"})
    api.route("POST /cats", bus.add_function("f", recorder), grant=True)
    async with bus, client(api) as http:
        response = await http.post("/cats?q=%20x", content=b"\xff", headers={"x-m": "1"})
    assert (response.status_code, response.text, response.headers["content-length"]) == (201, "hé", "3")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert (b"x-a", "ü".encode()) in response.headers.raw
    event = recorder.events[0]
    assert (event["rawPath"], event["rawQueryString"], event["body"]) == ("/cats", "q=%20x", "/w==")
    assert event["headers"]["x-forwarded-proto"] == "http"
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("sent", "seen", "answered"),
    [
        (b"caf\xc3\xa9", "café", b"caf\xc3\xa9"),
        ("日".encode(), "日", "日".encode()),
        (b"caf\xe9", "café", b"caf\xc3\xa9"),
    ],
)
async def test_headers_outside_of_ascii_are_utf_8(
    bus: EventBus, api: HttpApi, sent: bytes, seen: str, answered: bytes
) -> None:
    """Both ways; what is no UTF-8 is read as Latin-1."""
    recorder = Recorder(result={"statusCode": 200, "headers": {"X-A": seen}})
    api.route("GET /", bus.add_function("f", recorder), grant=True)
    async with bus, client(api) as http:
        response = await http.get("/", headers=[(b"x-m", sent)])
    assert recorder.events[0]["headers"]["x-m"] == seen
    assert (b"x-a", answered) in response.headers.raw


async def test_the_path_has_the_stage(bus: EventBus, api: HttpApi, rest: RestApi) -> None:
    """That of a REST API always, that of an HTTP API unless it is the default one."""
    recorder = Recorder(result={"statusCode": 200})
    function = bus.add_function("f", recorder)
    api.create_stage("v1")
    for each in (api, rest):
        each.route("GET /cats", function, grant=True)
    async with bus, client(api) as one, client(rest) as two:
        statuses = [(await one.get(path)).status_code for path in ("/cats", "/v1/cats", "/v2/cats")]
        statuses += [(await two.get(path)).status_code for path in ("/prod/cats", "/cats")]
    assert statuses == [200, 200, 404, 200, 403]
    assert [e.get("rawPath") or e["path"] for e in recorder.events] == ["/cats", "/v1/cats", "/cats"]


async def test_a_head_request_has_no_body(bus: EventBus, api: HttpApi) -> None:
    """But its length; and 204 has neither."""
    api.route("HEAD /cats", bus.add_function("f", Recorder(result={"statusCode": 200, "body": "meow"})), grant=True)
    api.route("GET /none", bus.add_function("g", Recorder(result={"statusCode": 204, "body": "meow"})), grant=True)
    async with bus, client(api) as http:
        head, none = await http.head("/cats"), await http.get("/none")
    assert (head.headers["content-length"], head.content) == ("4", b"")
    assert ("content-length" in none.headers, none.content) == (False, b"")


async def test_a_body_that_is_too_large_is_not_read_to_its_end(bus: EventBus, api: HttpApi) -> None:
    """By what it announces, and by what comes."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100:
            sent += 1
            yield bytes(2**20)

    async with bus, client(api) as http:
        announced = await http.post("/", content=bytes(11 * 2**20))
    assert announced.status_code == 413

    messages = 0

    async def receive() -> dict[str, Any]:
        nonlocal messages
        messages += 1
        return {"type": "http.request", "body": bytes(2**20), "more_body": True}

    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    await api(scope, receive, send)
    assert (answers[0]["status"], messages) == (413, 11)


async def test_too_many_headers(bus: EventBus, api: HttpApi) -> None:
    async with bus, client(api) as http:
        response = await http.get("/", headers=[(f"x-{n}", "") for n in range(MAX_HEADERS)])
    assert response.status_code == 431


async def test_a_client_that_goes_before_its_body_is_there(bus: EventBus, api: HttpApi) -> None:
    """Nothing is invoked and nothing is sent."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    async with bus:
        await api({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    assert len(bus.trace) == 0


async def test_unsigned_requests_from_outside_are_nobodys(bus: EventBus, api: HttpApi) -> None:
    """Over ASGI a request has no caller on the bus."""
    api.route("GET /", bus.add_function("f", Recorder()), authorizer="AWS_IAM", grant=True)
    async with bus, client(api) as http:
        assert (await http.get("/")).status_code == 403


def test_a_server_runs_the_bus_through_its_lifespan() -> None:
    """Starlette's client, in its own thread and event loop: `with` enters the bus, leaving leaves it."""
    bus = EventBus()
    api = HttpApi(bus)

    @api.on("GET /thread")
    async def thread(event: Any, context: Any) -> Any:
        return threading.current_thread() is threading.main_thread()

    with TestClient(api) as http:
        assert http.get("/thread").json() is False
        states = [bus.is_running]
    states.append(bus.is_running)
    assert states == [True, False]
    with pytest.raises(BusClosed), TestClient(api):  # a bus lives once
        pass


def test_an_api_is_mounted_in_an_application(bus: EventBus) -> None:
    """The prefix is not part of its path."""
    recorder = Recorder(result={"statusCode": 200})
    api = HttpApi(bus)
    api.route("GET /cats/{id}", bus.add_function("f", recorder), grant=True)

    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with bus:
            yield

    from contextlib import asynccontextmanager

    app = Starlette(routes=[Mount("/shop", app=api)], lifespan=asynccontextmanager(lifespan))
    with TestClient(app) as http:
        assert http.get("/shop/cats/1").status_code == 200
    assert recorder.events[0]["rawPath"] == "/cats/1"


async def test_several_behind_one_door(bus: EventBus) -> None:
    """By the first segment of the path, or by the host."""
    shop, admin = HttpApi(bus, "shop"), RestApi(bus, "admin")
    url = FunctionUrl(bus, bus.add_function("url", Recorder(result="url")), grant=True)
    shop.route("GET /", bus.add_function("f", Recorder(result="shop")), grant=True)
    admin.route("GET /", bus.add_function("g", Recorder(result={"body": "admin"})), grant=True)
    async with bus, client(Doors([shop, admin, url], hosts=[])) as http:
        assert [(await http.get(p)).text for p in ("/shop/", "/admin/prod", "/url/x", "/shop")] == [
            "shop",
            "admin",
            "url",
            "shop",
        ]
        assert (await http.get("/other/")).status_code == 404
        for host, text in (("shop.localhost:8000", "shop"), (shop.domain, "shop"), (url.domain, "url")):
            assert (await http.get("/", headers={"host": host})).text == text


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:8000", 200), ("x.localhost", 200), ("mine.example", 200),
     ("evil.example", 403), ("127.0.0.1.evil.example", 403)],
)  # fmt: skip
async def test_a_foreign_host_is_refused(bus: EventBus, api: HttpApi, host: str, status: int) -> None:
    """So a page whose name was made to point here (DNS rebinding) cannot read answers."""
    api.route("GET /", bus.add_function("f", Recorder(result="ok")), grant=True)
    async with bus, client(Doors([api], hosts=["mine.example"])) as http:
        assert (await http.get("/", headers={"host": host})).status_code == status


RESOLVERS = {
    "REST": (APIGatewayRestResolver, RestApi, "/prod"),
    "HTTP": (APIGatewayHttpResolver, HttpApi, ""),
    "URL": (LambdaFunctionUrlResolver, None, ""),
}


@pytest.mark.parametrize("kind", RESOLVERS)
async def test_powertools_runs_unmodified(bus: EventBus, kind: str) -> None:
    """Its resolver as the handler: paths, queries, bodies, statuses, headers, cookies, base64, its own CORS."""
    resolver, api_kind, prefix = RESOLVERS[kind]
    app: Any = resolver(cors=CORSConfig(allow_origin="https://shop.example"))

    @app.get("/cats/<name>")  # type: ignore[untyped-decorator]
    def cat(name: str) -> Any:
        return {"name": name, "q": app.current_event.get_query_string_value("q")}

    @app.post("/cats")  # type: ignore[untyped-decorator]
    def make() -> Any:
        return Response(201, "application/json", json.dumps(app.current_event.json_body), headers={"x-made": "1"})

    @app.get("/png", compress=False)  # type: ignore[untyped-decorator]
    def png() -> Any:
        return Response(200, "image/png", b"\x89PNG")

    def handler(event: Any, context: Any) -> Any:
        return app.resolve(event, context)

    function = bus.add_function("app", handler)
    front: Any = FunctionUrl(bus, function, grant=True) if api_kind is None else api_kind(bus)
    if isinstance(front, RestApi):
        front.binary_media_types = ("image/png",)
    if api_kind is not None:
        front.route("ANY /{proxy+}", function, grant=True)
    async with bus, client(front) as http:
        got = await http.get(f"{prefix}/cats/tom?q=1", headers={"Origin": "https://shop.example"})
        made = await http.post(f"{prefix}/cats", json={"a": 1})
        picture = await http.get(f"{prefix}/png", headers={"Accept": "image/png"})
        missing = await http.get(f"{prefix}/dogs")
    assert (got.status_code, got.json()) == (200, {"name": "tom", "q": "1"})
    assert got.headers["access-control-allow-origin"] == "https://shop.example"
    assert (made.status_code, made.json(), made.headers["x-made"]) == (201, {"a": 1}, "1")
    assert (picture.content, picture.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert missing.status_code == 404
