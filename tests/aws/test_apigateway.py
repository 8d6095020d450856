"""API Gateway by boto3: APIs are made part by part, and then answer requests; in process and at the port."""

from __future__ import annotations

from typing import Any

import anyio
import boto3
import pytest
from botocore.exceptions import ClientError

from eventbus import EventBus
from eventbus.testing import Recorder
from triggers.aws import AWS
from triggers.aws.app import App
from triggers.http.endpoints import Endpoints
from triggers.http.function_urls import FunctionUrls


@pytest.fixture
def function(bus: EventBus) -> str:
    recorder = Recorder(result={"statusCode": 200, "body": "meow"})
    made = bus.add_function("cat", recorder)
    made.add_permission("api", "apigateway.amazonaws.com")
    return made.arn


def uri(function: str) -> str:
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"


async def at_the_port(bus: EventBus, host: str, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body of an answer of the application that serves the wire."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", host.encode())],
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await App(bus)(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


def ask(bus: EventBus, *arguments: str) -> tuple[int, bytes]:
    async def main() -> tuple[int, bytes]:
        async with bus:
            return await at_the_port(bus, *arguments)

    return anyio.run(main)


def http_api(function: str) -> tuple[Any, str, str]:
    client = boto3.client("apigatewayv2", region_name="us-east-1")
    api = client.create_api(Name="shop", ProtocolType="HTTP")["ApiId"]
    integration = client.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    client.create_route(ApiId=api, RouteKey="GET /cats/{id}", Target=f"integrations/{integration}")
    return client, api, integration


def rest_api(function: str) -> tuple[Any, str, str]:
    client = boto3.client("apigateway", region_name="us-east-1")
    made = client.create_rest_api(name="shop")
    api, root = made["id"], made["rootResourceId"]
    cats = client.create_resource(restApiId=api, parentId=root, pathPart="cats")["id"]
    one = client.create_resource(restApiId=api, parentId=cats, pathPart="{id}")["id"]
    where: dict[str, str] = {"restApiId": api, "resourceId": one, "httpMethod": "GET"}
    client.put_method(**where, authorizationType="NONE")
    client.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri(function))
    return client, api, one


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("{}.execute-api.localhost:4566", "/cats/1", 200),
        ("{}.execute-api.us-east-1.amazonaws.com", "/cats/1", 200),
        ("localhost:4566", "/_aws/execute-api/{}/$default/cats/1", 200),
        ("localhost", "/_aws/execute-api/{}/%24default/cats/1", 200),
        ("localhost", "/_aws/execute-api/{}/cats/1", 200),
        ("localhost", "/_aws/execute-api/{}/$default/dogs", 404),
        ("localhost", "/_aws/execute-api/nothing/$default/cats/1", 403),
        ("nothing.execute-api.localhost", "/cats/1", 403),
        ("evil.example", "/_aws/execute-api/{}/$default/cats/1", 403),
    ],
)
def test_a_http_api_answers_where_clients_look_for_it(
    bus: EventBus, aws: AWS, function: str, host: str, path: str, status: int
) -> None:
    client, api, _ = http_api(function)
    client.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    answered, body = ask(bus, host.format(api), path.format(api))
    assert answered == status
    assert (body == b"meow") is (status == 200)


def test_a_stage_without_auto_deploy_has_the_routes_of_its_deployment(bus: EventBus, aws: AWS, function: str) -> None:
    client, api, integration = http_api(function)
    client.create_stage(ApiId=api, StageName="v1")
    endpoint: Any = bus.shared(Endpoints).find(api)

    async def main() -> list[int]:
        async def status(path: str) -> int:
            return int((await endpoint.request("GET", path, stage="v1")).status_code)

        async with bus:
            found = [await status("/cats/1")]
            client.create_deployment(ApiId=api, StageName="v1")
            client.create_route(ApiId=api, RouteKey="GET /dogs", Target=f"integrations/{integration}")
            found += [await status("/cats/1"), await status("/dogs")]
            client.create_deployment(ApiId=api, StageName="v1")
            return [*found, await status("/dogs")]

    assert anyio.run(main) == [404, 200, 404, 200]


def test_a_function_is_served_by_one_call(bus: EventBus, aws: AWS, function: str) -> None:
    client = boto3.client("apigatewayv2", region_name="us-east-1")
    api = client.create_api(Name="quick", ProtocolType="HTTP", Target=function)["ApiId"]
    assert [route["RouteKey"] for route in client.get_routes(ApiId=api)["Items"]] == ["$default"]
    assert ask(bus, f"{api}.execute-api.localhost", "/any") == (200, b"meow")


def test_a_rest_api_answers_once_it_is_deployed(bus: EventBus, aws: AWS, function: str) -> None:
    client, api, one = rest_api(function)
    assert client.get_stages(restApiId=api)["item"] == []
    client.create_deployment(restApiId=api, stageName="prod", variables={"a": "b"})
    assert client.get_stage(restApiId=api, stageName="prod")["variables"] == {"a": "b"}
    paths = [resource["path"] for resource in client.get_resources(restApiId=api)["items"]]
    assert paths == ["/", "/cats", "/cats/{id}"]
    method = client.get_method(restApiId=api, resourceId=one, httpMethod="GET")
    assert method["methodIntegration"]["uri"] == uri(function)
    client.delete_method(restApiId=api, resourceId=one, httpMethod="GET")
    assert ask(bus, "localhost", f"/_aws/execute-api/{api}/prod/cats/1") == (200, b"meow")


@pytest.mark.parametrize("is_let_in", [True, False])
def test_an_authorizer_is_asked(bus: EventBus, aws: AWS, function: str, is_let_in: bool) -> None:
    guard = bus.add_function("guard", Recorder(result={"isAuthorized": is_let_in}))
    guard.add_permission("api", "apigateway.amazonaws.com")
    client, api, integration = http_api(function)
    made = client.create_authorizer(
        ApiId=api,
        AuthorizerType="REQUEST",
        AuthorizerUri=uri(guard.arn),
        AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True,
        IdentitySource=["$request.header.Host"],
        Name="guard",
    )["AuthorizerId"]
    client.create_route(
        ApiId=api,
        RouteKey="GET /secret",
        Target=f"integrations/{integration}",
        AuthorizationType="CUSTOM",
        AuthorizerId=made,
    )
    client.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    assert ask(bus, f"{api}.execute-api.localhost", "/secret")[0] == (200 if is_let_in else 403)


def test_what_is_refused_changes_nothing(bus: EventBus, aws: AWS, function: str) -> None:
    client, api, integration = http_api(function)
    refused = [
        ("ConflictException", lambda: client.create_route(ApiId=api, RouteKey="GET /cats/{id}")),
        ("BadRequestException", lambda: client.create_route(ApiId=api, RouteKey="cats")),
        ("NotFoundException", lambda: client.create_route(ApiId=api, RouteKey="GET /x", Target="integrations/none")),
        ("NotFoundException", lambda: client.get_api(ApiId="none")),
        ("BadRequestException", lambda: client.delete_integration(ApiId=api, IntegrationId=integration)),
        ("BadRequestException", lambda: client.create_api(Name="s", ProtocolType="WEBSOCKET")),
        (
            "BadRequestException",
            lambda: client.create_integration(ApiId=api, IntegrationType="HTTP_PROXY", IntegrationUri="http://x"),
        ),
    ]
    before = client.get_routes(ApiId=api)["Items"]
    for code, call in refused:
        attempt: Any = call
        with pytest.raises(ClientError) as caught:
            attempt()
        assert caught.value.response["Error"]["Code"] == code
    assert client.get_routes(ApiId=api)["Items"] == before
    client.delete_api(ApiId=api)
    assert client.get_apis()["Items"] == []
    assert bus.shared(Endpoints).find(api) is None


def test_an_api_declared_in_code_answers_at_the_port_too(bus: EventBus) -> None:
    from triggers.http import HttpApi

    api = HttpApi(bus)
    api.route("GET /", bus.add_function("f", Recorder(result="declared")), grant=True)
    assert ask(bus, f"{api.api_id}.execute-api.localhost", "/") == (200, b"declared")


@pytest.mark.parametrize("how", ["url", "function"])
def test_a_function_url_that_was_deleted_is_found_no_more(how: str) -> None:
    """Neither when the URL itself was deleted, nor with its function."""
    bus = EventBus()
    function, urls = bus.add_function("f", Recorder()), bus.shared(FunctionUrls)
    front = urls.create(function, auth_type="NONE").front
    url_id = front.domain.partition(".")[0]
    assert bus.shared(Endpoints).find(url_id) is front
    if how == "url":
        urls.delete(function)
    else:
        function.delete()
    assert bus.shared(Endpoints).find(url_id) is None
