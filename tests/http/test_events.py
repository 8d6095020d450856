"""What functions get: payload formats 1.0 and 2.0, judged by the event classes of AWS's own Powertools library."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aws_lambda_powertools.utilities.data_classes import (
    APIGatewayProxyEvent,
    APIGatewayProxyEventV2,
    LambdaFunctionUrlEvent,
)
from hypothesis import given
from hypothesis import strategies as st

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from eventbus.testing import Recorder
from triggers.http import FunctionUrl, HttpApi, RestApi
from triggers.http.events import Call, http_event_2, log_time, rest_event
from triggers.http.message import Headers, Request, make_request

pytestmark = pytest.mark.anyio
OK = {"statusCode": 200}


async def event_of(front: HttpApi | RestApi | FunctionUrl, recorder: Recorder, *request: str, **options: Any) -> Any:
    """The event that a request becomes."""
    async with front.bus:
        response = await front.request(*request, **options)
    assert response.status_code == 200, response.text
    return recorder.events[0]


@pytest.fixture
def recorder(bus: EventBus) -> Recorder:
    return Recorder(result=OK)


async def test_a_rest_event_is_whole(bus: EventBus, recorder: Recorder) -> None:
    """Every key of AWS's, null where there is nothing."""
    rest = RestApi(bus)
    rest.route("ANY /{proxy+}", bus.add_function("f", recorder), grant=True)
    event = await event_of(rest, recorder, "POST", "/in/a", headers={"Accept": "*/*", "User-Agent": "curl/8"})
    context = event.pop("requestContext")
    headers = event.pop("headers")
    assert event == {
        "resource": "/{proxy+}", "path": "/in/a", "httpMethod": "POST",
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None, "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": "in/a"}, "stageVariables": None, "body": None, "isBase64Encoded": False,
    }  # fmt: skip
    assert headers == {
        "Accept": "*/*", "User-Agent": "curl/8", "Host": rest.domain, "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https", "X-Amzn-Trace-Id": headers["X-Amzn-Trace-Id"],
    }  # fmt: skip
    identity = context.pop("identity")
    assert identity.pop("sourceIp") == "127.0.0.1"
    assert identity.pop("userAgent") == "curl/8"
    assert set(identity.values()) == {None}
    assert len(identity) == 10
    assert context == {
        "accountId": bus.account_id, "apiId": rest.api_id, "deploymentId": rest.deployment_id,
        "domainName": rest.domain, "domainPrefix": rest.api_id, "extendedRequestId": context["extendedRequestId"],
        "httpMethod": "POST", "path": "/prod/in/a", "protocol": "HTTP/1.1", "requestId": context["requestId"],
        "requestTime": "01/Jan/2026:00:00:00 +0000", "requestTimeEpoch": 1767225600000,
        "resourceId": context["resourceId"], "resourcePath": "/{proxy+}", "stage": "prod",
    }  # fmt: skip


async def test_repeated_names_in_format_1(bus: EventBus, recorder: Recorder) -> None:
    """The single maps have the last value, the others all of them in order; commas are not split."""
    rest = RestApi(bus)
    rest.route("GET /", bus.add_function("f", recorder), grant=True)
    event = await event_of(
        rest, recorder, "GET", "/", query=[("a", "1"), ("b", ""), ("a", "2")],
        headers=[("X-Many", "v1"), ("X-Other", "o"), ("x-many", "v2,v3")],
    )  # fmt: skip
    assert event["queryStringParameters"] == {"a": "2", "b": ""}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [""]}
    assert (event["headers"]["X-Many"], event["multiValueHeaders"]["X-Many"]) == ("v2,v3", ["v1", "v2,v3"])


async def test_an_http_event_is_whole(bus: EventBus, recorder: Recorder) -> None:
    """Lower-case names, values joined, cookies taken out of the headers."""
    api = HttpApi(bus, stage_variables={"k": "v"})
    api.route("POST /in/{id}", bus.add_function("f", recorder), grant=True)
    event = await event_of(
        api, recorder, "POST", "/in/7?a=1&a=2&b=%20", body='{"x":1}', cookies={"k1": "v1", "k2": "v2"},
        headers={"Content-Type": "application/json", "X-Multi": ["v1", "v2"], "User-Agent": "curl/8"},
    )  # fmt: skip
    trace_id = event["headers"].pop("x-amzn-trace-id")
    assert trace_id.startswith("Root=1-6955b900-")
    request_id = event["requestContext"].pop("requestId")
    assert (len(request_id), request_id[-1]) == (16, "=")
    assert event == {
        "version": "2.0", "routeKey": "POST /in/{id}", "rawPath": "/in/7", "rawQueryString": "a=1&a=2&b=%20",
        "cookies": ["k1=v1", "k2=v2"],
        "headers": {
            "content-type": "application/json", "content-length": "7", "x-multi": "v1,v2", "user-agent": "curl/8",
            "host": api.domain, "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "443", "x-forwarded-proto": "https",
        },
        "queryStringParameters": {"a": "1,2", "b": " "},
        "requestContext": {
            "accountId": bus.account_id, "apiId": api.api_id, "domainName": api.domain, "domainPrefix": api.api_id,
            "http": {
                "method": "POST", "path": "/in/7", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                "userAgent": "curl/8",
            },
            "routeKey": "POST /in/{id}", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "body": '{"x":1}', "pathParameters": {"id": "7"}, "isBase64Encoded": False, "stageVariables": {"k": "v"},
    }  # fmt: skip


async def test_what_is_empty_is_absent_in_format_2(bus: EventBus, recorder: Recorder) -> None:
    api = HttpApi(bus)
    api.route("$default", bus.add_function("f", recorder), grant=True)
    event = await event_of(api, recorder, "GET", "/")
    assert set(event) == {
        "version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext", "isBase64Encoded",
    }  # fmt: skip
    assert event["routeKey"] == event["requestContext"]["routeKey"] == "$default"


async def test_a_route_may_have_the_other_format(bus: EventBus, recorder: Recorder) -> None:
    """Format 1.0 in an HTTP API has a version key, and what is empty is null."""
    api = HttpApi(bus)
    api.route("GET /old", bus.add_function("f", recorder), payload_format="1.0", grant=True)
    event = await event_of(api, recorder, "GET", "/old")
    assert (event["version"], event["resource"], event["queryStringParameters"]) == ("1.0", "/old", None)
    assert (event["requestContext"]["resourceId"], "deploymentId" in event["requestContext"]) == (None, False)


async def test_a_named_stage_is_in_the_path(bus: EventBus, recorder: Recorder) -> None:
    """Of the URL and of `rawPath`; its variables come along."""
    api = HttpApi(bus)
    api.create_stage("v1", {"table": "cats"})
    api.route("GET /cats", bus.add_function("f", recorder), grant=True)
    event = await event_of(api, recorder, "GET", "/cats", stage="v1")
    assert (event["rawPath"], event["requestContext"]["http"]["path"]) == ("/v1/cats", "/v1/cats")
    assert (event["requestContext"]["stage"], event["stageVariables"]) == ("v1", {"table": "cats"})


async def test_a_function_url_event(bus: EventBus, recorder: Recorder) -> None:
    """As of a `$default` route; nobody's account; the path as it was sent."""
    url = FunctionUrl(bus, bus.add_function("f", recorder), grant=True)
    event = await event_of(url, recorder, "GET", "/pa2%Fth/1", query={"a": ["1", "2"]})
    context = event["requestContext"]
    assert (event["rawPath"], event["routeKey"], context["stage"]) == ("/pa2%Fth/1", "$default", "$default")
    assert (context["accountId"], context["apiId"], "authorizer" in context) == ("anonymous", url.url_id, False)
    assert event["queryStringParameters"] == {"a": "1,2"}
    assert "pathParameters" not in event


BINARY = b"\x89PNG\xff"


@pytest.mark.parametrize(
    ("content_type", "body", "is_base64"),
    [
        ("application/json", b"{}", False),
        ("application/problem+json", b"{}", False),
        ("text/csv; charset=utf-8", b"a,b", False),
        ("application/octet-stream", b"text", True),
        ("application/x-www-form-urlencoded", b"a=b", True),
        ("multipart/form-data; boundary=x", b"--x", True),
        ("text/plain", BINARY, True),
    ],
)
def test_which_bodies_travel_as_base64_in_format_2(content_type: str, body: bytes, is_base64: bool) -> None:
    """Text as text, everything else as base64."""
    event = http_event_2(call(body=body, headers=Headers([("content-type", content_type)])))
    assert event["isBase64Encoded"] is is_base64
    assert event["body"] == (base64.b64encode(body) if is_base64 else body).decode()


@pytest.mark.parametrize(
    ("binary_types", "content_type", "is_base64"),
    [
        ((), "image/png", False),
        (("image/png",), "image/png; q=1", True),
        (("image/*",), "image/png", True),
        (("*/*",), "text/plain", True),
        (("image/jpeg",), "image/png", False),
    ],
)
def test_which_bodies_travel_as_base64_in_a_rest_api(
    binary_types: tuple[str, ...], content_type: str, is_base64: bool
) -> None:
    """Those of the API's binary media types; all others are taken for text."""
    event = rest_event(call(body=BINARY, headers=Headers([("content-type", content_type)])), binary_types)
    assert event["isBase64Encoded"] is is_base64
    assert event["body"] == (base64.b64encode(BINARY).decode() if is_base64 else BINARY.decode(errors="replace"))


def call(**request: Any) -> Call:
    """A call with nothing special about it."""
    made = Request(**{"method": "GET", "path": "/", **request})
    return Call(
        request=made, path=made.path, full_path=made.path, account_id="123456789012", api_id="a", domain="a.example",
        stage="s", stage_variables={}, at=0.0, request_id="r", extended_id="e", trace_id="Root=1-0-0",
    )  # fmt: skip


def test_who_forwarded_a_request_stays_known() -> None:
    """The client's own X-Forwarded-For goes first."""
    made = call(headers=Headers([("X-Forwarded-For", "203.0.113.9")]), source_ip="198.51.100.1")
    assert http_event_2(made)["headers"]["x-forwarded-for"] == "203.0.113.9, 198.51.100.1"


def test_an_access_log_time() -> None:
    assert log_time(1772651717.135) == "04/Mar/2026:19:15:17 +0000"


NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=6)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x7f"), max_size=8)
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(ANYTHING, ANYTHING), max_size=6), st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_query_and_headers_come_back_as_they_were_given(
    query: list[tuple[str, str]], headers: list[tuple[str, str]]
) -> None:
    """Whatever their characters: both maps of format 1.0 hold them in order, format 2.0 has the query as it was."""
    request = make_request("GET", "/", headers=headers, body=None, query=query, cookies=None)
    event = rest_event(call(headers=request.headers, query=request.query), ())
    many = event["multiValueQueryStringParameters"] or {}
    assert many == {name: [v for n, v in query if n == name] for name, _ in query}
    for name in {name for name, _ in headers} - {"host", "connection", "content-length"}:
        assert event["multiValueHeaders"][name] == [v for n, v in headers if n == name]
    assert parse_qsl(http_event_2(call(query=request.query))["rawQueryString"], keep_blank_values=True) == query


async def test_powertools_reads_the_events(bus: EventBus, recorder: Recorder) -> None:
    """Every property that its classes have for these events."""
    rest, api = RestApi(bus, "rest"), HttpApi(bus, "http")
    function = bus.add_function("f", recorder)
    url = FunctionUrl(bus, function, grant=True)
    rest.route("POST /a/{id}", function, grant=True)
    api.route("POST /a/{id}", function, grant=True)
    async with bus:
        for front in (rest, api, url):
            await front.request("POST", "/a/1", query={"q": "v"}, body={"x": 1}, headers={"X-One": "1"})
    one, two, three = recorder.events
    old, new, direct = APIGatewayProxyEvent(one), APIGatewayProxyEventV2(two), LambdaFunctionUrlEvent(three)
    for event in (old, new, direct):
        assert event.json_body == {"x": 1}
        assert event.resolved_query_string_parameters == {"q": ["v"]}
        assert event.resolved_headers_field["x-one"] in ("1", ["1"])
        assert event.http_method == "POST"
    assert old.request_context.identity.source_ip == new.request_context.http.source_ip == "127.0.0.1"
    assert old.path_parameters == new.path_parameters == {"id": "1"}
    assert (old.path, new.path, direct.path) == ("/a/1", "/a/1", "/a/1")
    assert old.request_context.request_time_epoch == new.request_context.time_epoch == 1767225600000
    assert direct.request_context.api_id == url.url_id


async def test_a_run_repeats_with_its_seed() -> None:
    """Ids and all."""
    seen = []
    for _ in range(2):
        bus, recorder = EventBus(clock=VirtualClock(), seed=3), Recorder(result=OK)
        api = HttpApi(bus)
        api.route("GET /", bus.add_function("f", recorder), grant=True)
        seen.append(await event_of(api, recorder, "GET", "/"))
    assert seen[0] == seen[1]
