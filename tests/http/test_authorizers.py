"""Lambda authorizers: what they get, what their answers mean, how long those are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import (
    APIGatewayAuthorizerEventV2,
    APIGatewayAuthorizerRequestEvent,
    APIGatewayAuthorizerResponse,
    APIGatewayAuthorizerResponseV2,
    APIGatewayAuthorizerTokenEvent,
)

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from eventbus.errors import ConfigurationError
from eventbus.testing import Recorder
from triggers.http import HttpApi, Response, RestApi
from triggers.http.errors import BadRequest, Conflict

pytestmark = pytest.mark.anyio
OK = {"statusCode": 200, "body": "ok"}
OTHER = "arn:aws:execute-api:*:*:other/*"
AUTH = {"Authorization": "Bearer me"}


def policy(effect: str, resource: str, **more: Any) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **more}


@pytest.fixture
def target(bus: EventBus) -> Recorder:
    return Recorder(result=OK)


def guarded_rest(bus: EventBus, rest: RestApi, target: Recorder, result: Any, **options: Any) -> Recorder:
    """A REST API with one route behind an authorizer that answers so; gives the authorizer's recorder."""
    judge = result if isinstance(result, Recorder) else Recorder(result=result)
    authorizer = rest.authorizer(bus.add_function("judge", judge), grant=True, **options)
    rest.route("GET /in/{id}", bus.add_function("f", target), authorizer=authorizer, grant=True)
    return judge


def guarded_http(bus: EventBus, api: HttpApi, target: Recorder, result: Any, **options: Any) -> Recorder:
    judge = result if isinstance(result, Recorder) else Recorder(result=result)
    authorizer = api.authorizer(bus.add_function("judge", judge), grant=True, **options)
    api.route("GET /in/{id}", bus.add_function("f", target), authorizer=authorizer, grant=True)
    return judge


async def get(front: HttpApi | RestApi, path: str = "/in/7", **options: Any) -> Response:
    return await front.request("GET", path, **{"headers": AUTH, **options})


async def test_a_token_authorizer(bus: EventBus, rest: RestApi, target: Recorder) -> None:
    """Gets the token and the ARN of the request; its context reaches the function as texts."""
    context = {"name": "me", "n": 1, "admin": True}
    judge = guarded_rest(bus, rest, target, policy("Allow", f"{rest.arn_stem}/prod/GET/in/*", context=context))
    async with bus:
        assert (await get(rest)).status_code == 200
    arn = f"{rest.arn_stem}/prod/GET/in/7"
    assert judge.events == [{"type": "TOKEN", "authorizationToken": "Bearer me", "methodArn": arn}]
    read = APIGatewayAuthorizerTokenEvent(judge.events[0])
    assert (read.authorization_token, read.parsed_arn.http_method) == ("Bearer me", "GET")
    assert target.events[0]["requestContext"]["authorizer"] == {
        "principalId": "me", "integrationLatency": 0, "name": "me", "n": "1", "admin": "true",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        (policy("Deny", "*"), 403, {"message": "User is not authorized to access this resource with an explicit deny"}),
        (policy("Allow", OTHER), 403, {"message": "User is not authorized to access this resource"}),
        ({}, 500, {"message": None}),
        (None, 500, {"message": None}),
        ({"principalId": "me"}, 500, {"message": None}),
        ({"principalId": 3, "policyDocument": policy("Allow", "*")["policyDocument"]}, 500, {"message": None}),
        ({"principalId": "me", "policyDocument": {"Version": "1"}}, 500, {"message": None}),
        (policy("Allow", "*", context={"a": [1]}), 500, {"message": None}),
        (policy("Allow", "*", context="text"), 500, {"message": None}),
        (Recorder(fail="always", error=Exception("Unauthorized")), 401, {"message": "Unauthorized"}),
        (Recorder(fail="always", error=Exception("unauthorized")), 500, {"message": None}),
    ],
)  # fmt: skip
async def test_what_the_answers_of_a_rest_authorizer_mean(
    bus: EventBus, rest: RestApi, target: Recorder, result: Any, status: int, body: Any
) -> None:
    """The function is not invoked."""
    guarded_rest(bus, rest, target, result)
    async with bus:
        response = await get(rest)
    assert (response.status_code, response.json()) == (status, body)
    assert target.events == []


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": ""}, {"Authorization": "nonsense"}, {"Authorization": "Bearer x\ty"}]
)
async def test_a_token_that_is_missing_or_malformed_is_401_without_a_call(
    bus: EventBus, rest: RestApi, target: Recorder, headers: dict[str, str]
) -> None:
    """The expression has to match all of it."""
    judge = guarded_rest(bus, rest, target, policy("Allow", "*"), validation="Bearer [a-z]+")
    async with bus:
        response = await get(rest, headers=headers)
    assert (response.status_code, response.json()) == (401, {"message": "Unauthorized"})
    assert judge.events == []


async def test_a_request_authorizer_gets_the_request(bus: EventBus, rest: RestApi, target: Recorder) -> None:
    """The event without a body, and the ARN; every identity source has to be there."""
    sources = "method.request.header.Authorization, method.request.querystring.who"
    judge = guarded_rest(bus, rest, target, policy("Allow", "*"), type="REQUEST", identity_sources=sources)
    async with bus:
        assert (await get(rest)).status_code == 401
        assert (await get(rest, query={"who": "me"})).status_code == 200
    event = judge.events[0]
    read = APIGatewayAuthorizerRequestEvent(event)
    assert (read.path_parameters, read.query_string_parameters) == ({"id": "7"}, {"who": "me"})
    assert (event["type"], event["resource"], event["methodArn"]) == (
        "REQUEST", "/in/{id}", f"{rest.arn_stem}/prod/GET/in/7",
    )  # fmt: skip
    assert "body" not in event
    assert "authorizer" not in event["requestContext"]


async def test_answers_are_kept_for_the_whole_api(
    bus: EventBus, rest: RestApi, target: Recorder, clock: VirtualClock
) -> None:
    """By the token, for 300 s: so a policy that is too narrow denies other paths."""
    judge = guarded_rest(bus, rest, target, policy("Allow", f"{rest.arn_stem}/prod/GET/in/7"))
    async with bus:
        assert [(await get(rest, p)).status_code for p in ("/in/7", "/in/7", "/in/8")] == [200, 200, 403]
        await get(rest, headers={"Authorization": "Bearer other"})
        assert len(judge.events) == 2
        await clock.advance(299)
        await get(rest)
        assert len(judge.events) == 2
        await clock.advance(1)
        await get(rest)
        assert len(judge.events) == 3
        rest.authorizers["judge"].forget()
        await get(rest)
    assert len(judge.events) == 4


async def test_nothing_is_kept_without_ttl(bus: EventBus, rest: RestApi, target: Recorder) -> None:
    judge = guarded_rest(bus, rest, target, policy("Allow", "*"), ttl=0)
    async with bus:
        await get(rest)
        await get(rest)
    assert len(judge.events) == 2


async def test_a_simple_authorizer(bus: EventBus, api: HttpApi, target: Recorder) -> None:
    """Gets format 2.0; its context reaches the function as JSON, below `lambda`."""
    judge = guarded_http(bus, api, target, {"isAuthorized": True, "context": {"roles": ["a", "b"]}})
    async with bus:
        assert (await get(api, cookies={"a": "b"}, query={"q": "1"})).status_code == 200
    event = judge.events[0]
    read = APIGatewayAuthorizerEventV2(event)
    assert (read.identity_source, read.route_arn) == (["Bearer me"], f"{api.arn_stem}/$default/GET/in/7")
    assert (read.route_key, read.path_parameters, read.cookies) == ("GET /in/{id}", {"id": "7"}, ["a=b"])
    assert (event["version"], event["type"], "body" in event, "isBase64Encoded" in event) == (
        "2.0",
        "REQUEST",
        False,
        False,
    )
    assert target.events[0]["requestContext"]["authorizer"] == {"lambda": {"roles": ["a", "b"]}}


@pytest.mark.parametrize(
    ("result", "options", "status", "message"),
    [
        ({"isAuthorized": False}, {}, 403, "Forbidden"),
        ({"isAuthorized": "yes"}, {}, 500, "Internal Server Error"),
        (policy("Allow", "*"), {}, 500, "Internal Server Error"),
        (policy("Deny", "*"), {"simple": False}, 403, "Forbidden"),
        ({"isAuthorized": True}, {"simple": False}, 500, "Internal Server Error"),
        (Recorder(fail="always", error=Exception("Unauthorized")), {}, 500, "Internal Server Error"),
    ],
)
async def test_what_the_answers_of_an_http_authorizer_mean(
    bus: EventBus, api: HttpApi, target: Recorder, result: Any, options: dict[str, Any], status: int, message: str
) -> None:
    guarded_http(bus, api, target, result, **options)
    async with bus:
        response = await get(api)
    assert (response.status_code, response.json()) == (status, {"message": message})
    assert target.events == []


async def test_an_http_authorizer_without_identity(bus: EventBus, api: HttpApi, target: Recorder) -> None:
    """401, and nobody is asked."""
    judge = guarded_http(bus, api, target, {"isAuthorized": True})
    async with bus:
        response = await get(api, headers={})
    assert (response.status_code, response.json(), judge.events) == (401, {"message": "Unauthorized"}, [])


async def test_format_1_of_an_http_authorizer(bus: EventBus, api: HttpApi, target: Recorder) -> None:
    """Answers with a policy; the event has the token twice, as AWS sends it."""
    judge = guarded_http(bus, api, target, policy("Allow", f"{api.arn_stem}/*/GET/*"), payload_format="1.0")
    async with bus:
        assert (await get(api)).status_code == 200
    event = judge.events[0]
    assert (event["version"], event["identitySource"], event["authorizationToken"]) == ("1.0", "Bearer me", "Bearer me")
    assert event["methodArn"] == f"{api.arn_stem}/$default/GET/in/7"


async def test_answers_by_route(bus: EventBus, api: HttpApi, target: Recorder) -> None:
    """`$context.routeKey` among the identity sources keeps one answer for each."""
    sources = ["$request.header.Authorization", "$context.routeKey"]
    judge = guarded_http(bus, api, target, {"isAuthorized": True}, ttl=60, identity_sources=sources)
    api.route("GET /out", "f", authorizer=api.authorizers["judge"], grant=True)
    async with bus:
        for path in ("/in/7", "/in/8", "/out", "/out"):
            assert (await get(api, path)).status_code == 200
    assert [event["identitySource"][1] for event in judge.events] == ["GET /in/{id}", "GET /out"]


@pytest.mark.parametrize(("kind", "status"), [(RestApi, 500), (HttpApi, 500)])
async def test_an_authorizer_that_may_not_be_invoked(bus: EventBus, kind: Any, status: int, target: Recorder) -> None:
    """It needs a permission of its own; then it works."""
    api, judge = (
        kind(bus),
        bus.add_function("judge", Recorder(result={"isAuthorized": True} if kind is HttpApi else policy("Allow", "*"))),
    )
    authorizer = api.authorizer(judge)
    api.route("GET /in/{id}", bus.add_function("f", target), authorizer=authorizer, grant=True)
    async with bus:
        assert (await get(api)).status_code == status
        judge.allow(authorizer)
        assert (await get(api)).status_code == 200
    assert judge.policy is not None
    assert judge.policy["Statement"][0]["Condition"]["ArnLike"]["AWS:SourceArn"] == authorizer.arn


async def test_an_authorizer_that_takes_too_long(bus: EventBus, api: HttpApi, target: Recorder) -> None:
    release = anyio.Event()

    async def slow(event: Any, context: Any) -> Any:
        await release.wait()

    authorizer = api.authorizer(bus.add_function("slow", slow), timeout=0.02, grant=True)
    api.route("GET /in/{id}", bus.add_function("f", target), authorizer=authorizer, grant=True)
    async with bus:
        assert (await get(api)).status_code == 500
        release.set()


async def test_powertools_writes_answers_that_are_understood(
    bus: EventBus, api: HttpApi, rest: RestApi, target: Recorder
) -> None:
    """Its response classes, as handlers use them."""

    @bus.function
    async def token(event: Any, context: Any) -> Any:
        arn = APIGatewayAuthorizerTokenEvent(event).parsed_arn
        answer = APIGatewayAuthorizerResponse(
            principal_id="me", region=arn.region, aws_account_id=arn.aws_account_id, api_id=arn.api_id, stage=arn.stage
        )
        answer.allow_route("GET", "/in/*")
        return answer.asdict()

    @bus.function
    async def simple(event: Any, context: Any) -> Any:
        answer: Any = APIGatewayAuthorizerResponseV2(authorize=True, context={"tenant": 7})
        return answer.asdict()

    function = bus.add_function("f", target)
    rest.route("GET /in/{id}", function, authorizer=rest.authorizer(token, grant=True), grant=True)
    api.route("GET /in/{id}", function, authorizer=api.authorizer(simple, grant=True), grant=True)
    async with bus:
        assert [(await get(each)).status_code for each in (rest, api)] == [200, 200]


def test_authorizers_are_checked_at_the_call(bus: EventBus, api: HttpApi, rest: RestApi) -> None:
    judge = bus.add_function("judge", Recorder())
    refused: tuple[Callable[[], object], ...] = (
        lambda: rest.authorizer(judge, ttl=3601),
        lambda: rest.authorizer(judge, type="OTHER"),  # type: ignore[arg-type]
        lambda: rest.authorizer(judge, identity_sources="method.request.querystring.q"),
        lambda: rest.authorizer(judge, type="REQUEST", ttl=60),
        lambda: rest.authorizer(judge, type="REQUEST", validation="x"),
        lambda: rest.authorizer(judge, validation="("),
        lambda: api.authorizer(judge, identity_sources="$request.body.x"),
        lambda: api.authorizer(judge, payload_format="1.0", simple=True),
        lambda: api.authorizer(judge, payload_format="3.0"),
        lambda: api.authorizer(judge, timeout=11),
        lambda: api.authorizer(judge, identity_sources=(), ttl=60),
    )
    for call in refused:
        with pytest.raises(BadRequest):
            call()
    api.authorizer(judge, name="a", grant=True)
    with pytest.raises(Conflict):
        api.authorizer(judge, name="a")
    assert list(api.authorizers) == ["a"]


@pytest.mark.parametrize("authorizer", ["guard", object()])
async def test_nothing_is_made_for_a_route_whose_authorizer_is_none(bus: EventBus, authorizer: Any) -> None:
    """The line can be mended and run again: neither function nor role are there."""
    api, roles = HttpApi(bus, "shop"), set(bus.roles)
    with pytest.raises(ConfigurationError, match="authorizer="):

        @api.on("GET /z", authorizer=authorizer)
        async def z(event: Any, context: Any) -> None: ...

    assert "z" not in bus.functions
    assert set(bus.roles) == roles
    assert api.routes == []
