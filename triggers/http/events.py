"""The events that functions and authorizers get: payload formats 1.0 and 2.0; pure.

Sources: API Gateway developer guide, "Input format of a Lambda function for proxy integration" and "AWS Lambda
integrations for HTTP APIs"; Lambda developer guide, "Invoking function URLs"; events recorded on AWS.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from triggers.http.media import is_binary, is_text
from triggers.http.message import Pairs, Request
from triggers.http.paths import DEFAULT, DEFAULT_ROUTE, RouteKey

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOT_IN_REST: Final = ("content-length", "connection")
_RECASED: Final = {
    name.lower(): name
    for name in (
        "Authorization", "Host", "User-Agent", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port",
        "X-Forwarded-Proto",
    )
}  # fmt: skip
"""Names that REST APIs write in their own case; all others arrive as they were sent."""


@attrs.frozen(kw_only=True)
class Call:
    """One request on its way through an API, with everything that its event says."""

    request: Request
    path: str
    """Raw, below the stage."""
    account_id: str
    api_id: str
    domain: str
    stage: str
    stage_variables: Mapping[str, str]
    at: float
    request_id: str
    extended_id: str
    trace_id: str
    key: RouteKey = DEFAULT_ROUTE
    parameters: Mapping[str, str] = attrs.field(factory=dict)
    full_path: str = ""
    """Raw, with the stage where the URL has one."""
    resource_id: str | None = None
    deployment_id: str | None = None
    authorizer: Mapping[str, Any] | None = None
    """`requestContext.authorizer`."""
    identity: Mapping[str, Any] = attrs.field(factory=dict)
    """What is known of a signer, in the words of `requestContext.identity`."""

    @property
    def user_agent(self) -> str | None:
        return self.request.headers.get("user-agent")


def log_time(instant: float) -> str:
    """An instant as access logs write it: `04/Mar/2026:19:15:17 +0000`."""
    at = datetime.fromtimestamp(int(instant), UTC)
    return f"{at.day:02}/{_MONTHS[at.month - 1]}/{at.year}:{at.hour:02}:{at.minute:02}:{at.second:02} +0000"


def forwarded(call: Call) -> Pairs:
    """The headers of a request, with those that AWS adds on the way."""
    request = call.request
    replaced = ("x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id")
    before = request.headers.get_all("x-forwarded-for")
    headers = [(name, value) for name, value in request.headers.items_in_order if name.lower() not in replaced]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.append(("host", call.domain))
    if request.body and not any(name.lower() == "content-length" for name, _ in headers):
        headers.append(("content-length", str(len(request.body))))
    return (
        *headers,
        ("x-amzn-trace-id", call.trace_id),
        ("x-forwarded-for", ", ".join((*before, request.source_ip))),
        ("x-forwarded-port", str(request.port)),
        ("x-forwarded-proto", request.scheme),
    )


def rest_event(call: Call, binary_types: Collection[str]) -> dict[str, Any]:
    """The event of a REST API's proxy integration."""
    headers = _grouped(
        [(_RECASED.get(n.lower(), n), v) for n, v in forwarded(call) if n.lower() not in _NOT_IN_REST], fold=True
    )
    return {
        **_head_1(call, headers),
        "requestContext": _context_1(call, protocol=call.request.protocol),
        **_body_1(call, is_base64=is_binary(call.request.headers.get("content-type"), binary_types)),
    }


def http_event_1(call: Call) -> dict[str, Any]:
    """Format 1.0 of an HTTP API."""
    headers = _grouped(forwarded(call), fold=True)
    return {
        "version": "1.0",
        **_head_1(call, headers),
        "path": call.full_path,
        "requestContext": _context_1(call, protocol=call.request.protocol),
        **_body_1(call, is_base64=not is_text(call.request.headers.get("content-type"))),
    }


def http_event_2(call: Call) -> dict[str, Any]:
    """Format 2.0 of an HTTP API, and of a function URL; what is empty is absent."""
    request = call.request
    event: dict[str, Any] = {**_head_2(call), "requestContext": _context_2(call)}
    if request.body:
        text = _text(request.body) if is_text(request.headers.get("content-type")) else None
        event["body"] = base64.b64encode(request.body).decode() if text is None else text
        event["isBase64Encoded"] = text is None
    else:
        event["isBase64Encoded"] = False
    return event


def rest_token_event(call: Call, token: str, method_arn: str) -> dict[str, Any]:
    """What a TOKEN authorizer gets."""
    return {"type": "TOKEN", "authorizationToken": token, "methodArn": method_arn}


def rest_request_event(call: Call, method_arn: str) -> dict[str, Any]:
    """What a REQUEST authorizer of a REST API gets: the event without a body."""
    event = rest_event(call, ())
    del event["body"], event["isBase64Encoded"]
    return {"type": "REQUEST", "methodArn": method_arn, **event}


def http_authorizer_event_1(call: Call, method_arn: str, identities: list[str]) -> dict[str, Any]:
    """What an authorizer of an HTTP API gets in format 1.0."""
    event = http_event_1(call)
    del event["body"], event["isBase64Encoded"], event["version"]
    token = ",".join(identities)
    head = {"version": "1.0", "type": "REQUEST", "methodArn": method_arn}
    return {**head, "identitySource": token, "authorizationToken": token, **event}


def http_authorizer_event_2(call: Call, route_arn: str, identities: list[str]) -> dict[str, Any]:
    """What an authorizer of an HTTP API gets in format 2.0."""
    event = {**_head_2(call), "requestContext": _context_2(call)}
    del event["version"]
    head = {"version": "2.0", "type": "REQUEST", "routeArn": route_arn}
    return {**head, "identitySource": identities or None, **event}


def _head_1(call: Call, headers: dict[str, list[str]]) -> dict[str, Any]:
    query = _grouped(call.request.query_pairs, fold=False)
    return {
        "resource": call.key.template or DEFAULT,
        "path": call.path,
        "httpMethod": call.request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(call.parameters) or None,
        "stageVariables": dict(call.stage_variables) or None,
    }


def _context_1(call: Call, *, protocol: str) -> dict[str, Any]:
    context: dict[str, Any] = {
        "accountId": call.account_id,
        "apiId": call.api_id,
        "domainName": call.domain,
        "domainPrefix": call.domain.partition(".")[0],
        "extendedRequestId": call.extended_id,
        "httpMethod": call.request.method,
        "identity": {
            "accessKey": None,
            "accountId": None,
            "caller": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": call.request.source_ip,
            "user": None,
            "userAgent": call.user_agent,
            "userArn": None,
            **call.identity,
        },
        "path": call.full_path,
        "protocol": protocol,
        "requestId": call.request_id,
        "requestTime": log_time(call.at),
        "requestTimeEpoch": int(call.at * 1000),
        "resourceId": call.resource_id,
        "resourcePath": call.key.template or DEFAULT,
        "stage": call.stage,
    }
    if call.deployment_id is not None:
        context["deploymentId"] = call.deployment_id
    if call.authorizer is not None:
        context["authorizer"] = dict(call.authorizer)
    return context


def _body_1(call: Call, *, is_base64: bool) -> dict[str, Any]:
    body = call.request.body
    if not body:
        return {"body": None, "isBase64Encoded": False}
    if is_base64:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    return {"body": body.decode("utf-8", "replace"), "isBase64Encoded": False}


def _head_2(call: Call) -> dict[str, Any]:
    headers = _grouped([(name.lower(), value) for name, value in forwarded(call)], fold=False)
    cookies = [part.strip() for value in headers.pop("cookie", []) for part in value.split(";") if part.strip()]
    query = _grouped(call.request.query_pairs, fold=False)
    head: dict[str, Any] = {
        "version": "2.0",
        "routeKey": str(call.key),
        "rawPath": call.full_path,
        "rawQueryString": call.request.query,
        "cookies": cookies,
        "headers": {name: ",".join(values) for name, values in headers.items()},
        "queryStringParameters": {name: ",".join(values) for name, values in query.items()},
        "pathParameters": dict(call.parameters),
        "stageVariables": dict(call.stage_variables),
    }
    required = ("rawQueryString", "headers")
    return {name: value for name, value in head.items() if value or name in required}


def _context_2(call: Call) -> dict[str, Any]:
    request = call.request
    context: dict[str, Any] = {
        "accountId": call.account_id,
        "apiId": call.api_id,
        "domainName": call.domain,
        "domainPrefix": call.domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": call.full_path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": call.user_agent or "",
        },
        "requestId": call.extended_id,
        "routeKey": str(call.key),
        "stage": call.stage,
        "time": log_time(call.at),
        "timeEpoch": int(call.at * 1000),
    }
    if call.authorizer is not None:
        context["authorizer"] = dict(call.authorizer)
    return context


def _grouped(pairs: Pairs | list[tuple[str, str]], *, fold: bool) -> dict[str, list[str]]:
    """The values of each name, in order; with `fold` names compare without case and the first spelling stays."""
    grouped: dict[str, list[str]] = {}
    spelling: dict[str, str] = {}
    for name, value in pairs:
        shown = spelling.setdefault(name.lower(), name) if fold else name
        grouped.setdefault(shown, []).append(value)
    return grouped


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
