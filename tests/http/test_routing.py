"""Which route a request takes."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.http.errors import BadRequest, Conflict
from triggers.http.paths import Found, RouteKey, Router

HTTP = {"is_strict": True, "falls_back": True}
REST = {"is_strict": False, "falls_back": False}


def router(*keys: str, **kind: bool) -> Router[str]:
    made: Router[str] = Router(**kind)
    for key in keys:
        made.add(RouteKey.parse(key), key)
    return made


def taken(found: Found[str] | None) -> str | None:
    return None if found is None else found.route


EXAMPLE = ("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default")


@pytest.mark.parametrize(
    ("request_line", "route"),
    [
        ("GET /pets/dog/1", "GET /pets/dog/1"),
        ("GET /pets/dog/2", "GET /pets/dog/{id}"),
        ("GET /pets/cat/1", "GET /pets/{proxy+}"),
        ("POST /pets/dog/1", "ANY /{proxy+}"),
        ("POST /test/5", "ANY /{proxy+}"),
        ("GET /", "$default"),
    ],
)
def test_the_most_precise_route_is_taken(request_line: str, route: str) -> None:
    """The example of the developer guide, and what falls through it."""
    method, path = request_line.split()
    assert taken(router(*EXAMPLE, **HTTP).find(method, path)) == route


def test_the_order_of_declaration_does_not_matter() -> None:
    for keys in (EXAMPLE, EXAMPLE[::-1]):
        assert taken(router(*keys, **HTTP).find("GET", "/pets/dog/1")) == "GET /pets/dog/1"


@pytest.mark.parametrize(
    ("kind", "route"),
    [(HTTP, "ANY /{proxy+}"), (REST, None)],
)
def test_a_path_without_the_method(kind: dict[str, bool], route: str | None) -> None:
    """An HTTP API looks further, a REST API has found the resource and refuses."""
    assert taken(router("GET /cats", "ANY /{proxy+}", **kind).find("POST", "/cats")) == route


def test_any_fills_the_methods_that_are_not_defined() -> None:
    routes = router("ANY /cats", "GET /cats", **REST)
    assert (taken(routes.find("GET", "/cats")), taken(routes.find("PUT", "/cats"))) == ("GET /cats", "ANY /cats")


@pytest.mark.parametrize(("kind", "route"), [(HTTP, None), (REST, "GET /cats")])
def test_a_slash_at_the_end(kind: dict[str, bool], route: str | None) -> None:
    """Another path for an HTTP API, the same for a REST API."""
    assert taken(router("GET /cats", **kind).find("GET", "/cats/")) == route


@pytest.mark.parametrize(
    ("kind", "path", "parameters"),
    [
        (REST, "/in/a%20b/c/", {"id": "a b", "rest": "c"}),
        (HTTP, "/in/a%2Fb/c/d", {"id": "a/b", "rest": "c/d"}),
        (HTTP, "/in/x/c/", {"id": "x", "rest": "c/"}),
    ],
)
def test_variables_are_decoded(kind: dict[str, bool], path: str, parameters: dict[str, str]) -> None:
    """An encoded slash stays inside its segment; a slash at the end is no part of a greedy value of a REST API."""
    found = router("GET /in/{id}/{rest+}", **kind).find("GET", path)
    assert found is not None
    assert dict(found.parameters) == parameters


def test_each_method_names_its_variables_itself() -> None:
    """The same place in the tree, under the name that the chosen route gives it."""
    routes = router("GET /a/{x}", "POST /a/{y}", **HTTP)
    for method, name in (("GET", "x"), ("POST", "y")):
        found = routes.find(method, "/a/1")
        assert found is not None
        assert dict(found.parameters) == {name: "1"}


def test_a_variable_is_never_empty() -> None:
    routes = router("GET /a/{x}", "GET /b/{rest+}", **HTTP)
    assert (routes.find("GET", "/a/"), routes.find("GET", "/b/")) == (None, None)


@pytest.mark.parametrize(
    "key",
    ["", "GET", "GET cats", "get /cats", "FETCH /cats", "GET /a/{b", "GET /{a+}/b", "GET /a//b", "GET /a/",
     "GET /{a}/{a}", "GET /{}", None],
)  # fmt: skip
def test_a_key_that_api_gateway_does_not_take(key: str | None) -> None:
    with pytest.raises(BadRequest):
        RouteKey.parse(key)


def test_two_routes_for_the_same_requests_are_refused() -> None:
    """The same key twice, and keys that differ in the name of a variable only; nothing is changed."""
    routes = router("GET /a/{x}", "$default", **HTTP)
    for key in ("GET /a/{x}", "GET /a/{y}", "$default"):
        with pytest.raises(Conflict, match="already exists for this API"):
            routes.add(RouteKey.parse(key), "other")
    assert [str(key) for key in routes.keys] == ["GET /a/{x}", "$default"]


def test_a_long_path_is_matched_at_once() -> None:
    """Each node of the tree is looked at once; a path of a thousand segments has no depth of its own."""
    keys = [f"GET /{'/'.join(p)}" for n in range(1, 7) for p in [["a"] * n, [f"{{v{i}}}" for i in range(n)]]]
    assert router(*keys, **HTTP).find("GET", "/a" * 1000) is None


SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}"])
TEMPLATES = st.builds(
    lambda parts, greedy: "/" + "/".join([*(p.replace("}", f"{i}}}") for i, p in enumerate(parts)), *greedy]),
    st.lists(SEGMENTS, max_size=3),
    st.sampled_from([[], ["{rest+}"]]),
)
PATHS = st.lists(st.sampled_from(["a", "b", "c", "a b", ""]), max_size=4).map(lambda p: "/" + "/".join(map(quote, p)))


def naive(templates: list[str], path: str) -> str | None:
    """Every template as a regular expression, then the one that is more precise in its first differing segment."""
    matching = []
    for template in templates:
        pattern = re.sub(r"\{\w+\+\}", "(?=.*[^/]).+", template)
        pattern = re.sub(r"\{\w+\}", "[^/]+", pattern)
        if re.fullmatch(pattern, unquote(path)):
            ranks = [2 if part.endswith("+}") else 1 if part.startswith("{") else 0 for part in template.split("/")[1:]]
            matching.append((ranks, template))
    return min(matching)[1] if matching else None


@given(st.lists(TEMPLATES, max_size=8, unique_by=lambda t: re.sub(r"\{\w+", "{", t)), PATHS)
def test_the_tree_agrees_with_a_naive_matcher(templates: list[str], path: str) -> None:
    """Over any set of routes and any path."""
    found = router(*(f"GET {template}" for template in templates), **HTTP).find("GET", path)
    expected = naive(templates, path)
    assert taken(found) == (None if expected is None else f"GET {expected}")
