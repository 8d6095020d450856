"""Who may invoke what: the permission of an API, and of those who call it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from eventbus.bus import EventBus
from eventbus.testing import Recorder
from triggers.http import FunctionUrl, HttpApi, RestApi

pytestmark = pytest.mark.anyio
OK = {"statusCode": 200, "body": "ok"}


async def status(bus: EventBus, front: Any, method: str = "GET", path: str = "/in/7", **options: Any) -> int:
    return int((await front.request(method, path, **options)).status_code)


@pytest.mark.parametrize("kind", [HttpApi, RestApi])
async def test_without_permission_a_request_fails_and_the_log_names_the_call(
    bus: EventBus, kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """API Gateway lets the wiring pass; the client gets 500; the mending call mends it."""
    api, function = kind(bus, "shop"), bus.add_function("f", Recorder(result=OK))
    with caplog.at_level(logging.WARNING, "eventbus"):
        api.route("GET /in/{id}", function)
    assert 'call bus.functions["f"].allow(shop) or pass grant=True' in caplog.text
    async with bus:
        assert await status(bus, api) == 500
        assert "access_denied" in caplog.text
        function.allow(api)
        assert await status(bus, api) == 200


async def test_grant_allows_the_very_route(bus: EventBus, api: HttpApi) -> None:
    """In any stage; another route of the same function is not covered."""
    function = bus.add_function("f", Recorder(result=OK))
    api.route("GET /in/{id}", function, grant=True)
    api.route("POST /in/{id}", function)
    assert function.policy is not None
    assert [s["Condition"]["ArnLike"]["AWS:SourceArn"] for s in function.policy["Statement"]] == [
        f"arn:aws:execute-api:us-east-1:123456789012:{api.api_id}/*/GET/in/{{id}}"
    ]
    async with bus:
        assert (await status(bus, api), await status(bus, api, "POST")) == (200, 500)


@pytest.mark.parametrize(
    ("pattern", "is_allowed"),
    [
        ("*", True), ("*/GET/*", True), ("prod/*/in/{id}", True), ("prod/GET/in/*", True), ("*/*/*", True),
        ("test/GET/in/{id}", False), ("*/POST/*", False), ("prod/GET/in/7", False),
    ],
)  # fmt: skip
async def test_patterns_of_the_source_arn(bus: EventBus, rest: RestApi, pattern: str, is_allowed: bool) -> None:
    """The ARN has the stage and the resource as it is written, not the path that was asked for."""
    function = bus.add_function("f", Recorder(result=OK))
    function.add_permission("api", "apigateway.amazonaws.com", source_arn=f"{rest.arn_stem}/{pattern}")
    rest.route("GET /in/{id}", function)
    async with bus:
        assert await status(bus, rest) == (200 if is_allowed else 500)


async def test_the_default_route_has_an_arn_of_its_own(bus: EventBus, api: HttpApi) -> None:
    function = bus.add_function("f", Recorder(result=OK))
    function.add_permission(
        "api", "apigateway.amazonaws.com", source_arn=f"{api.arn_stem}/$default/$default",
        source_account=bus.account_id,
    )  # fmt: skip
    api.route("$default", function)
    async with bus:
        assert await status(bus, api) == 200


async def test_a_route_of_any_method_is_granted_for_all(bus: EventBus, rest: RestApi) -> None:
    function = bus.add_function("f", Recorder(result=OK))
    rest.route("ANY /in/{id}", function, grant=True)
    async with bus:
        assert [await status(bus, rest, method) for method in ("GET", "DELETE")] == [200, 200]


async def test_signed_requests_of_handlers(bus: EventBus, api: HttpApi, rest: RestApi) -> None:
    """The handler's role must allow execute-api:Invoke; the owner may; an unsigned request is nobody's."""
    recorder = Recorder(result=OK)
    function = bus.add_function("f", recorder)
    for each in (api, rest):
        each.route("GET /in/{id}", function, authorizer="AWS_IAM", grant=True)

    @bus.function
    async def client(event: Any, context: Any) -> Any:
        answers = [await each.request("GET", "/in/7") for each in (api, rest)]
        return [(answer.status_code, answer.json() if answer.status_code != 200 else None) for answer in answers]

    async with bus:
        assert (await status(bus, api, signed=False), await status(bus, rest, signed=False)) == (403, 403)
        denied = (await bus.invoke(client)).payload
        assert denied[0] == [403, {"message": "Forbidden"}]
        assert denied[1][0] == 403
        assert denied[1][1]["Message"].startswith(
            "User: arn:aws:sts::123456789012:assumed-role/client-role/client is not authorized to perform: "
            f"execute-api:Invoke on resource: {rest.arn_stem}/prod/GET/in/7"
        )
        client.role.allow("execute-api:Invoke", f"{api.arn_stem}/*/GET/in/*", f"{rest.arn_stem}/*/GET/in/*")
        assert [s for s, _ in (await bus.invoke(client)).payload] == [200, 200]
        assert await status(bus, api) == 200
    new, old, owner = recorder.events
    iam = new["requestContext"]["authorizer"]["iam"]
    assert iam["userArn"] == old["requestContext"]["identity"]["userArn"] == client.source.principal
    assert (iam["accountId"], iam["cognitoIdentity"], iam["accessKey"][:4], len(iam["accessKey"])) == (
        bus.account_id, None, "ASIA", 20,
    )  # fmt: skip
    assert owner["requestContext"]["authorizer"]["iam"]["userArn"] == "arn:aws:iam::123456789012:root"


async def test_a_public_url_needs_both_statements(bus: EventBus, caplog: pytest.LogCaptureFixture) -> None:
    """As since October 2025; what the console adds is what `grant` adds."""
    function = bus.add_function("f", Recorder(result=OK))
    with caplog.at_level(logging.WARNING, "eventbus"):
        url = FunctionUrl(bus, function)
    assert "url_not_permitted" in caplog.text
    async with bus:
        response = await url.request("GET", "/")
        assert (response.status_code, response.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
        assert response.json()["Message"].startswith("Forbidden. For troubleshooting Function URL authorization")
        function.add_permission("one", "*", action="lambda:InvokeFunctionUrl", function_url_auth_type="NONE")
        assert await status(bus, url) == 403
        function.add_permission("two", "*", action="lambda:InvokeFunction", invoked_via_function_url=True)
        assert await status(bus, url) == 200
        function.remove_permission("one")
        url.grant()
        url.grant()
        assert await status(bus, url) == 200
    assert function.policy is not None
    assert [s["Sid"] for s in function.policy["Statement"]] == [
        "two", "FunctionURLAllowPublicAccess", "FunctionURLInvokeAllowPublicAccess",
    ]  # fmt: skip


async def test_a_url_for_signed_requests(bus: EventBus) -> None:
    """The caller's role is enough in the same account; the event says who it was."""
    recorder = Recorder(result=OK)
    function = bus.add_function("f", recorder)
    url = FunctionUrl(bus, function, auth_type="AWS_IAM")

    @bus.function
    async def client(event: Any, context: Any) -> Any:
        return (await url.request("GET", "/")).status_code

    async with bus:
        assert await status(bus, url, signed=False) == 403
        assert (await bus.invoke(client)).payload == 403
        client.role.allow(["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], function)
        assert (await bus.invoke(client)).payload == 200
    context = recorder.events[0]["requestContext"]
    assert context["accountId"] == bus.account_id
    assert context["authorizer"]["iam"]["userArn"] == client.source.principal


async def test_a_bus_that_does_not_enforce_iam_asks_nobody() -> None:
    bus = EventBus(enforce_iam=False)
    function = bus.add_function("f", Recorder(result=OK))
    api, url = HttpApi(bus), FunctionUrl(bus, function)
    api.route("GET /in/{id}", function)
    async with bus:
        assert [await status(bus, front) for front in (api, url)] == [200, 200]


async def test_a_loop_over_http_is_not_taken_for_recursion(bus: EventBus, api: HttpApi) -> None:
    """As on AWS, where it is followed through queues, buckets and topics only."""

    @api.on("GET /in/{n}", timeout=30)
    async def again(event: Any, context: Any) -> Any:
        n = int(event["pathParameters"]["n"])
        return n if n == 0 else (await api.request("GET", f"/in/{n - 1}")).json()

    async with bus:
        assert (await api.request("GET", "/in/20")).json() == 0


async def test_a_url_names_the_invocation_and_refuses_in_its_name_too(bus: EventBus) -> None:
    """`x-amzn-RequestId` is the id that the handler sees, also where it fails."""
    recorder = Recorder(result=OK, fail=1)
    url = FunctionUrl(bus, bus.add_function("f", recorder), grant=True)
    async with bus:
        answers = [await url.request("GET", "/") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [502, 200]
    assert [answer.headers["x-amzn-requestid"] for answer in answers] == recorder.request_ids
