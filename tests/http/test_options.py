"""Options of APIs and URLs: what is refused, at the call, with nothing made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from eventbus.bus import EventBus
from eventbus.errors import ConfigurationError, EventBusError, ResourceConflict, ResourceNotFound
from eventbus.testing import Recorder
from triggers.http import Cors, FunctionUrl, HttpApi, RestApi, serve
from triggers.http.endpoints import Endpoints
from triggers.http.errors import BadRequest
from triggers.http.function_urls import FunctionUrls

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        (HttpApi, {"cors": 3}, "cors=3 is not valid; a Cors, or a dict with allow_credentials,"),
        (HttpApi, {"cors": {"origins": ["*"]}}, "is not valid; a Cors, or a dict with allow_credentials,"),
        (HttpApi, {"rate": "x"}, "rate='x' is not valid"),
        (HttpApi, {"rate": -1}, "rate=-1 is not valid"),
        (HttpApi, {"rate": math.nan}, "rate=nan is not valid"),
        (RestApi, {"rate": True}, "rate=True is not valid"),
        (HttpApi, {"burst": "3"}, "burst='3' is not valid"),
        (RestApi, {"burst": math.inf}, "burst=inf is not valid"),
        (HttpApi, {"timeout": "5"}, "timeout='5' is in seconds"),
        (HttpApi, {"timeout": math.nan}, "timeout=nan is in seconds"),
        (HttpApi, {"stage_variables": {"a": 1}}, "Stage variables {'a': 1} are not valid"),
        (RestApi, {"stage_variables": ["a"]}, r"Stage variables \['a'\] are not valid"),
        (RestApi, {"stage_variables": {"a b": "c"}}, "Stage variables {'a b': 'c'} are not valid"),
        (RestApi, {"stage": 5}, "Stage name only allows"),
        (RestApi, {"binary_media_types": 5}, "binary_media_types=5 is not valid"),
        (RestApi, {"binary_media_types": [5]}, r"binary_media_types=\[5\] is not valid"),
        (HttpApi, {"name": 5}, "name=5: an API has a name"),
    ],
)
def test_an_api_is_refused(bus: EventBus, kind: Callable[..., Any], options: dict[str, Any], text: str) -> None:
    with pytest.raises((BadRequest, ConfigurationError), match=text):
        kind(bus, **options)
    assert list(bus.shared(Endpoints)) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_age": "3"}, "max_age='3': AWS accepts"),
        ({"max_age": True}, "max_age=True: AWS accepts"),
        ({"max_age": -1}, "max_age=-1: AWS accepts"),
        ({"allow_credentials": "no"}, "allow_credentials='no' is not valid; True or False"),
        ({"allow_origins": 5}, "CORS=5 is not valid"),
        ({"allow_headers": [5]}, r"CORS=\[5\] is not valid"),
    ],
)
def test_cors_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadRequest, match=text):
        Cors(**options)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda api: api.route("GET /x", "f", timeout="5"), "timeout='5' is in seconds"),
        (lambda api: api.create_stage("dev", {"a": 1}), "Stage variables"),
        (lambda api: api.create_stage("dev", rate="1"), "rate='1' is not valid"),
        (lambda api: api.set_stage_variables("$default", {"a": 1}), "Stage variables"),
        (lambda api: api.authorizer("f", ttl="5"), "ttl='5': AWS accepts"),
        (lambda api: api.authorizer("f", timeout="5"), "timeout='5': an authorizer gets"),
        (lambda api: api.authorizer("f", simple="no"), "simple='no' is not valid"),
        (lambda api: api.authorizer("f", identity_sources=5), "identity_sources=5 is not valid"),
        (lambda api: api.authorizer("f", name=5), "name=5 is not valid"),
    ],
)
def test_what_an_api_is_told_is_refused(bus: EventBus, api: HttpApi, call: Callable[[HttpApi], Any], text: str) -> None:
    bus.add_function("f", Recorder())
    with pytest.raises(BadRequest, match=text):
        call(api)
    assert (api.routes, list(api.stages), api.stages["$default"].variables, api.authorizers) == (
        [], ["$default"], {}, {},
    )  # fmt: skip


async def test_no_rate_lets_nothing_through(bus: EventBus) -> None:
    """As on AWS, where that is how a stage is switched off."""
    api = HttpApi(bus, burst=0)
    api.route("GET /", bus.add_function("f", Recorder()), grant=True)
    async with bus:
        assert (await api.request("GET", "/")).status_code == 429


async def test_one_binary_media_type_is_one(bus: EventBus) -> None:
    """And not its letters."""
    api = RestApi(bus, binary_media_types="image/png")
    recorder = Recorder(result={"statusCode": 200, "headers": {"content-type": "image/png"}, "body": "aGk=",
                                "isBase64Encoded": True})  # fmt: skip
    api.route("GET /cat", bus.add_function("f", recorder), grant=True)
    async with bus:
        answer = await api.request("GET", "/cat", headers={"accept": "image/png"})
    assert answer.body == b"hi"


@pytest.mark.parametrize(
    "options", [{"cookies": "a=1"}, {"headers": 5}, {"headers": "text"}, {"query": 5}, {"source_ip": 5}]
)
async def test_what_could_not_be_sent_is_refused(bus: EventBus, api: HttpApi, options: dict[str, Any]) -> None:
    async with bus:
        with pytest.raises(ConfigurationError):
            await api.request("GET", "/", **options)


@pytest.mark.parametrize("options", [{"port": "80"}, {"port": 65_536}, {"grace": "1"}, {"allowed_hosts": 5}])
async def test_a_server_is_refused(bus: EventBus, api: HttpApi, options: dict[str, Any]) -> None:
    async with bus:
        with pytest.raises(EventBusError):
            async with serve(api, **options):
                pass


async def test_only_apis_and_urls_are_served(bus: EventBus) -> None:
    function: Any = bus.add_function("f", Recorder())
    async with bus:
        with pytest.raises(ConfigurationError, match="give an HttpApi, a RestApi or a FunctionUrl"):
            async with serve(function):
                pass


# -- function URLs -----------------------------------------------------------------------------------------------------


async def test_a_function_has_one_url(bus: EventBus) -> None:
    """Until that is deleted; its aliases have their own. The second call grants nothing."""
    function = bus.add_function("f", Recorder(result="hi"))
    function.publish_version()
    url = FunctionUrl(bus, function)
    with pytest.raises(ResourceConflict, match="FunctionUrlConfig exists for this Lambda function"):
        FunctionUrl(bus, function, grant=True)
    assert function.policy is None
    assert FunctionUrl(bus, function.create_alias("live", "1")).url_id != url.url_id
    url.delete()
    another = FunctionUrl(bus, function, grant=True)
    async with bus:
        assert (await another.request("GET", "/")).text == "hi"
        assert (await url.request("GET", "/")).status_code == 403
    with pytest.raises(ResourceNotFound):
        url.delete()
    assert bus.shared(FunctionUrls).find(function).front is another


def test_a_url_that_code_made_is_found_where_all_are(bus: EventBus) -> None:
    """With the times of its making and of its latest change."""
    function, urls = bus.add_function("f", Recorder()), bus.shared(FunctionUrls)
    url = FunctionUrl(bus, function, name="greet")
    assert [kept.front for kept in urls] == [url]
    with pytest.raises(ResourceConflict):
        urls.create(function)
    changed = urls.update(function, auth_type="AWS_IAM").front
    assert (changed.url_id, changed.name, changed.auth_type) == (url.url_id, "greet", "AWS_IAM")
    urls.delete(function)
    assert list(urls) == []


def test_the_url_of_a_function_that_was_deleted_is_no_hindrance(bus: EventBus) -> None:
    """For the next of its name."""
    function = bus.add_function("f", Recorder())
    url = FunctionUrl(bus, function)
    function.delete()
    assert FunctionUrl(bus, bus.add_function("f", Recorder()), url_id=url.url_id).url_id == url.url_id


@pytest.mark.parametrize("options", [{"cors": "x"}, {"url_id": "a b"}, {"url_id": 5}, {"name": 5}])
def test_a_url_is_refused(bus: EventBus, options: dict[str, Any]) -> None:
    function = bus.add_function("f", Recorder())
    with pytest.raises(EventBusError):
        FunctionUrl(bus, function, grant=True, **options)
    assert (function.policy, list(bus.shared(FunctionUrls))) == (None, [])


def test_an_id_is_of_one_url(bus: EventBus, api: HttpApi) -> None:
    url = FunctionUrl(bus, bus.add_function("f", Recorder()))
    other = bus.add_function("g", Recorder())
    for taken in (url.url_id, api.api_id):
        with pytest.raises(ResourceConflict, match=f"The id {taken} is that of"):
            FunctionUrl(bus, other, url_id=taken)
    assert bus.shared(Endpoints).find(url.url_id) is url
