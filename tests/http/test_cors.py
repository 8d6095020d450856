"""Cross-origin requests: preflight and simple ones, at HTTP APIs and function URLs."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus.bus import EventBus
from eventbus.testing import Recorder
from triggers.http import Cors, FunctionUrl, HttpApi
from triggers.http.errors import BadRequest

pytestmark = pytest.mark.anyio
SHOP, EVIL = "https://shop.example", "https://evil.example"
CORS = {
    "allow_origins": [SHOP], "allow_methods": ["GET", "POST"], "allow_headers": "authorization",
    "expose_headers": ["x-total"], "allow_credentials": True, "max_age": 300,
}  # fmt: skip
SAYS_OTHERWISE = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "X-Total": "1"}}


@pytest.fixture(params=["HTTP API", "URL"])
def front(request: pytest.FixtureRequest, bus: EventBus) -> HttpApi | FunctionUrl:
    function = bus.add_function("f", Recorder(result=SAYS_OTHERWISE))
    if request.param == "URL":
        return FunctionUrl(bus, function, cors=CORS, grant=True)
    api = HttpApi(bus, cors=CORS)
    api.route("ANY /cats", function, grant=True)
    return api


def access(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


async def test_a_preflight_request_is_answered_without_the_function(front: HttpApi | FunctionUrl) -> None:
    """With everything that is configured."""
    headers = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    async with front.bus:
        response = await front.request("OPTIONS", "/cats", headers=headers)
    assert response.status_code == (204 if isinstance(front, HttpApi) else 200)
    assert access(response.headers) == {
        "access-control-allow-origin": SHOP, "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "authorization", "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-total", "access-control-max-age": "300",
    }  # fmt: skip
    assert front.bus.metrics.query("Invocations", front.bus.functions["f"]).samples == 0


@pytest.mark.parametrize(("origin", "allowed"), [(SHOP, SHOP), (EVIL, None), (None, None)])
async def test_the_functions_own_cors_headers_are_replaced(
    front: HttpApi | FunctionUrl, origin: str | None, allowed: str | None
) -> None:
    """By those of the configuration, or by nothing."""
    async with front.bus:
        response = await front.request("GET", "/cats", headers={} if origin is None else {"Origin": origin})
    assert response.headers.get("access-control-allow-origin") == allowed
    assert response.headers["x-total"] == "1"


async def test_a_foreign_page_gets_no_permission(front: HttpApi | FunctionUrl) -> None:
    async with front.bus:
        response = await front.request(
            "OPTIONS", "/cats", headers={"Origin": EVIL, "Access-Control-Request-Method": "GET"}
        )
    assert access(response.headers) == {}


async def test_a_refusal_has_cors_headers_too(bus: EventBus) -> None:
    """Else a page could not read it."""
    async with bus:
        response = await HttpApi(bus, cors=CORS).request("GET", "/", headers={"Origin": SHOP})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (404, SHOP)


async def test_options_without_a_question_is_a_request_like_any_other(front: HttpApi | FunctionUrl) -> None:
    async with front.bus:
        response = await front.request("OPTIONS", "/cats", headers={"Origin": SHOP})
    assert response.status_code == 200
    assert front.bus.metrics.query("Invocations", front.bus.functions["f"]).samples == 1


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [("*", EVIL, "*"), ("https://*", EVIL, EVIL), ("https://*", "http://a.example", None), ("http://*", EVIL, None)],
)
def test_origins_with_wildcards(origins: str, origin: str, allowed: str | None) -> None:
    assert Cors(allow_origins=origins).allows(origin) == allowed


@pytest.mark.parametrize(
    "options",
    [
        {"allow_methods": "FETCH"}, {"allow_origins": "shop.example"}, {"max_age": 86_401}, {"max_age": -1},
        {"allow_origins": "*", "allow_credentials": True}, {"allow_headers": [f"x-{n}" for n in range(101)]},
    ],
)  # fmt: skip
def test_what_aws_does_not_take(options: Any) -> None:
    with pytest.raises(BadRequest):
        Cors(**options)
