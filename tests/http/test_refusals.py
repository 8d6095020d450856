"""What clients get when there is no answer of the function's own: every row of AWS's tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from eventbus.errors import BusNotRunning, ConfigurationError, ResourceNotFound
from eventbus.testing import Recorder
from triggers.http import FunctionUrl, HttpApi, Response, RestApi
from triggers.http.errors import BadRequest, Conflict, NotFound

pytestmark = pytest.mark.anyio
OK = {"statusCode": 200, "body": "ok"}
REST_500 = '{"message": "Internal server error"}'
HTTP_500 = '{"message": "Internal Server Error"}'


async def everywhere(bus: EventBus, handler: Any, **options: Any) -> list[tuple[int, str]]:
    """What a REST API, an HTTP API and a function URL answer for the same handler."""
    function = bus.add_function("f", handler, **options)
    fronts = RestApi(bus, "rest"), HttpApi(bus, "http"), FunctionUrl(bus, function, grant=True)
    for api in fronts[:2]:
        api.route("GET /", function, grant=True)
    async with bus:
        return [(r.status_code, r.text) for r in [await front.request("GET", "/") for front in fronts]]


async def test_a_function_that_raises(bus: EventBus) -> None:
    """502 with JSON, 500 with capitals, 502 with plain text."""
    answers = await everywhere(bus, Recorder(fail="always"))
    assert answers == [(502, REST_500), (500, HTTP_500), (502, "Internal Server Error")]


async def test_a_result_that_cannot_be_used(bus: EventBus) -> None:
    """As if the function had failed."""
    answers = await everywhere(bus, Recorder(result={"statusCode": "no"}))
    assert answers == [(502, REST_500), (500, HTTP_500), (502, "Internal Server Error")]


async def test_a_foreign_key_matters_to_a_rest_api_only(bus: EventBus) -> None:
    answers = await everywhere(bus, Recorder(result={**OK, "oops": 1}))
    assert answers == [(502, REST_500), (200, "ok"), (200, "ok")]


async def test_a_function_that_is_switched_off(bus: EventBus) -> None:
    """Lambda throttles: a fault for API Gateway, 429 at a URL."""
    answers = await everywhere(bus, Recorder(result=OK), reserved_concurrency=0)
    assert [status for status, _ in answers] == [500, 500, 429]
    assert '"message": "Rate Exceeded."' in answers[2][1]


async def test_a_body_that_lambda_does_not_take(bus: EventBus) -> None:
    """More than 6 MB, with the event around it, and less than API Gateway's 10 MB."""
    function = bus.add_function("f", Recorder(result=OK))
    fronts = RestApi(bus, "rest"), HttpApi(bus, "http"), FunctionUrl(bus, function, grant=True)
    for api in fronts[:2]:
        api.route("POST /", function, grant=True)
    async with bus:
        answers = [await front.request("POST", "/", body="x" * 6_291_456) for front in fronts]
        huge = [await front.request("POST", "/", body=b"x" * (10 * 2**20 + 1)) for front in fronts]
    for each in (answers, huge):
        assert [r.status_code for r in each] == [413, 413, 413]
    assert [r.json()["message"] for r in answers[:2]] == ["Request Too Long", "Request Entity Too Large"]


@pytest.mark.parametrize(
    ("kind", "status", "message"), [(RestApi, 504, "Endpoint request timed out"), (HttpApi, 503, "Service Unavailable")]
)
async def test_a_function_that_takes_too_long(bus: EventBus, kind: Any, status: int, message: str) -> None:
    """The client gets its answer, the function runs on to its end."""
    release, ended = anyio.Event(), anyio.Event()

    async def slow(event: Any, context: Any) -> Any:
        await release.wait()
        ended.set()
        return OK

    api = kind(bus, timeout=0.05)
    api.route("GET /", bus.add_function("slow", slow), grant=True)
    async with bus:
        response = await api.request("GET", "/")
        assert (response.status_code, response.json()) == (status, {"message": message})
        release.set()
        await ended.wait()
        await bus.wait_idle()
    assert bus.metrics.query("Invocations", bus.functions["slow"]).samples == 1


async def test_the_functions_own_time_limit(bus: EventBus) -> None:
    """A function error like any other."""

    async def hang(event: Any, context: Any) -> Any:
        await anyio.sleep_forever()

    assert [status for status, _ in await everywhere(bus, hang, timeout=0.01)] == [502, 500, 502]


def described(response: Response) -> tuple[int, Any, str | None]:
    return response.status_code, response.json(), response.headers.get("x-amzn-errortype")


async def test_there_is_no_route(rest: RestApi, api: HttpApi, bus: EventBus) -> None:
    """And for a REST API no stage is another thing."""
    async with bus:
        assert described(await rest.request("GET", "/")) == (
            403, {"message": "Missing Authentication Token"}, "MissingAuthenticationTokenException",
        )  # fmt: skip
        assert described(await rest.request("GET", "/", stage="none")) == (
            403, {"message": "Forbidden"}, "ForbiddenException",
        )  # fmt: skip
        for stage in (None, "none"):
            assert described(await api.request("GET", "/", stage=stage)) == (404, {"message": "Not Found"}, None)


async def test_throttling_is_a_token_bucket_on_the_bus_s_clock(bus: EventBus, clock: VirtualClock) -> None:
    """Two at once, then one a second."""
    fronts = RestApi(bus, "rest", rate=1, burst=2), HttpApi(bus, "http", rate=1, burst=2)
    function = bus.add_function("f", Recorder(result=OK))
    for api in fronts:
        api.route("GET /", function, grant=True)
    async with bus:
        for api in fronts:
            assert [(await api.request("GET", "/")).status_code for _ in range(4)] == [200, 200, 429, 429]
        await clock.advance(1)
        for api in fronts:
            answers = [await api.request("GET", "/") for _ in range(2)]
            assert [r.status_code for r in answers] == [200, 429]
            assert answers[1].json() == {"message": "Too Many Requests"}


@pytest.mark.parametrize("kind", [RestApi, HttpApi])
async def test_a_head_of_more_than_10_240_bytes(bus: EventBus, kind: Any) -> None:
    async with bus:
        response = await kind(bus).request("GET", "/", headers={"x": "y" * 10_240})
    assert response.status_code == 431


async def test_headers_that_belong_to_the_connection_stay_out(bus: EventBus) -> None:
    """A function cannot break the framing; a REST API renames some, as AWS does."""
    headers = {"Content-Length": "999", "Transfer-Encoding": "chunked", "Connection": "close", "X-Mine": "1"}
    function = bus.add_function("f", Recorder(result={**OK, "headers": headers}))
    rest, api = RestApi(bus, "rest"), HttpApi(bus, "http")
    for each in (rest, api):
        each.route("GET /", function, grant=True)
    async with bus:
        one, two = await rest.request("GET", "/"), await api.request("GET", "/")
    assert set(two.headers) == {"content-type", "x-mine", "apigw-requestid"}
    assert one.headers["x-amzn-remapped-content-length"] == "999"
    assert not {"content-length", "transfer-encoding", "connection"} & set(one.headers)
    assert {"x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"} < set(one.headers)


async def test_what_cannot_be_sent_is_refused_at_the_call(api: HttpApi, bus: EventBus) -> None:
    """A header with a line end, a path without a slash; and nothing before the bus runs."""
    with pytest.raises(BusNotRunning):
        await api.request("GET", "/")
    async with bus:
        with pytest.raises(ConfigurationError, match="line end"):
            await api.request("GET", "/", headers={"x": "a\r\nb: c"})
        with pytest.raises(ConfigurationError, match="begins with a slash"):
            await api.request("GET", "cats")


async def test_requests_are_counted_and_traced(bus: EventBus, api: HttpApi, rest: RestApi) -> None:
    """Under AWS's names; the tree shows what became of a request, and why."""
    function = bus.add_function("f", Recorder(result={"statusCode": 404}))
    api.route("GET /cats", function, grant=True)
    rest.route("GET /cats", bus.add_function("bad", Recorder(result="text")), grant=True)
    async with bus:
        await api.request("GET", "/cats")
        await rest.request("GET", "/cats")
    for front, name in ((api, "4xx"), (rest, "5XXError")):
        assert bus.metrics.query("Count", front.arn).sum == 1
        assert bus.metrics.query(name, front.arn).sum == 1
    assert str(bus.trace) == (
        "GET shop/cats  (404)\n└─ λ f  ✓ finished\n"
        'GET shop/cats  (502, malformed result: an object is needed, not "text")\n└─ λ bad  ✓ finished'
    )


def test_configuration_is_checked_at_the_call(bus: EventBus, api: HttpApi, rest: RestApi) -> None:
    """Nothing is changed by a refusal."""
    function = bus.add_function("f", Recorder(result=OK))
    api.route("GET /", function, grant=True)
    for call in (
        lambda: api.route("GET /", function),
        lambda: api.create_stage("$default"),
    ):
        with pytest.raises(Conflict):
            call()
    refused: tuple[Callable[[], object], ...] = (
        lambda: HttpApi(bus, payload_format="3.0"),
        lambda: api.route("GET /x", function, payload_format="3.0"),
        lambda: rest.route("GET /x", function, payload_format="2.0"),
        lambda: rest.route("$default", function),
        lambda: api.route("GET /x", function, timeout=31),
        lambda: rest.route("GET /x", function, timeout=30),
        lambda: api.route("GET /x", function, timeout=0.01),
        lambda: api.create_stage("a b"),
    )
    for each in refused:
        with pytest.raises(BadRequest):
            each()
    with pytest.raises(NotFound):
        api.delete_stage("none")
    with pytest.raises(ResourceNotFound):
        api.route("GET /x", "nobody")
    with pytest.raises(ConfigurationError):
        api.route("GET /x", function, authorizer=rest.authorizer(function, grant=True))
    assert (api.routes, rest.routes) == (["GET /"], [])


def test_on_makes_no_function_when_the_route_is_wrong(bus: EventBus, api: HttpApi) -> None:
    for wrong in ("nonsense", "GET /{a+}/b"):
        with pytest.raises(BadRequest):
            api.on(wrong)
    with pytest.raises(ConfigurationError, match="takes the route first"):
        api.on(lambda event, context: None)  # type: ignore[arg-type]
    assert dict(bus.functions) == {}
