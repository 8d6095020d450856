"""Route keys, and which route a request takes; pure.

A path is compared segment by segment: a static segment beats a variable `{id}`, which beats a greedy one `{proxy+}`
(API Gateway developer guide, "Create routes for HTTP APIs"). The routes are a tree of segments, so that finding one
looks at each node of the tree once at most, whatever the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Generic, TypeVar
from urllib.parse import unquote

import attrs

from triggers.http.errors import BadRequest, Conflict

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
DEFAULT: Final = "$default"
ANY: Final = "ANY"
_VARIABLE = re.compile(r"\{([A-Za-z0-9._:-]+)(\+?)\}")

T = TypeVar("T")


@attrs.frozen
class RouteKey:
    """What a route answers to: `GET /cats/{id}`, or `$default` for whatever no other route takes."""

    method: str
    """A method, `ANY`, or `$default`."""
    template: str
    """The path with its variables; empty for `$default`."""

    @classmethod
    def parse(cls, text: object) -> RouteKey:
        """Read a route key. Raises BadRequest for what API Gateway does not take."""
        if text == DEFAULT:
            return cls(DEFAULT, "")
        method, space, template = text.partition(" ") if isinstance(text, str) else ("", "", "")
        if not space or method not in (*METHODS, ANY) or not template.startswith("/"):
            raise BadRequest(
                f"Invalid route key {text!r}.",
                mend=f"write a method ({', '.join((*METHODS, ANY))}), a space and a path, as in 'GET /cats/{{id}}'; "
                "or '$default'",
            )
        _check_template(template)
        return cls(method, template)

    def __str__(self) -> str:
        return f"{self.method} {self.template}" if self.template else DEFAULT

    @property
    def segments(self) -> list[str]:
        """What stands between the slashes."""
        return self.template.split("/")[1:]


DEFAULT_ROUTE: Final = RouteKey(DEFAULT, "")


def _check_template(template: str) -> None:
    segments = template.split("/")[1:]
    names = []
    for number, segment in enumerate(segments):
        variable = _VARIABLE.fullmatch(segment)
        if variable is None:
            if "{" in segment or "}" in segment or (not segment and template != "/"):
                raise BadRequest(
                    f"Invalid path {template!r}: {segment!r} is no segment.",
                    mend="a segment is text, {name}, or at the end {name+}; a path ends without a slash",
                )
            continue
        if variable[2] and number != len(segments) - 1:
            raise BadRequest(f"Invalid path {template!r}: {segment} takes the rest of a path and has to be its end")
        names.append(variable[1])
    if len(set(names)) != len(names):
        raise BadRequest(f"Invalid path {template!r}: each variable has a name of its own")


@attrs.define(eq=False)
class _Node(Generic[T]):
    """One segment of the tree."""

    static: dict[str, _Node[T]] = attrs.field(factory=dict)
    variable: _Node[T] | None = None
    greedy: _Node[T] | None = None
    routes: dict[str, tuple[RouteKey, T]] = attrs.field(factory=dict)
    """By method."""


@attrs.frozen
class Found(Generic[T]):
    """The route that a request takes."""

    key: RouteKey
    route: T
    parameters: Mapping[str, str]
    """The values of the path's variables, URL-decoded."""


class Router(Generic[T]):
    """The routes of one API.

    - `is_strict`: whether `/cats/` is another path than `/cats` (it is for HTTP APIs, not for REST APIs).
    - `falls_back`: whether a path that has no route for the method is left to the next less precise one (HTTP APIs), or
      is refused (REST APIs, where the resource was found and lacks the method).
    """

    def __init__(self, *, is_strict: bool, falls_back: bool) -> None:
        self._is_strict = is_strict
        self._falls_back = falls_back
        self._root: _Node[T] = _Node()
        self._default: T | None = None
        self._keys: list[RouteKey] = []

    @property
    def keys(self) -> list[RouteKey]:
        """The keys of all routes, in order of their making."""
        return list(self._keys)

    def check(self, key: RouteKey) -> None:
        """Raise Conflict if another route answers to exactly the same requests."""
        taken = self._taken(key)
        if taken is not None:
            raise Conflict(f"Route with key {taken} already exists for this API")

    def add(self, key: RouteKey, route: T) -> None:
        """Add a route. Raises Conflict, with nothing changed."""
        self.check(key)
        self._keys.append(key)
        if key.method == DEFAULT:
            self._default = route
            return
        node = self._root
        for segment in key.segments:
            node = _child(node, segment)
        node.routes[key.method] = (key, route)

    def find(self, method: str, path: str) -> Found[T] | None:
        """The route for a request; `path` is raw, as it stands in the URL, and below the stage."""
        parts = path.split("/")[1:]
        if not self._is_strict and len(parts) > 1 and not parts[-1]:
            parts.pop()
        parts = [unquote(part) for part in parts]
        for node in _matching(self._root, parts, 0):
            entry = node.routes.get(method) or node.routes.get(ANY)
            if entry is not None:
                return Found(entry[0], entry[1], _parameters(entry[0], parts))
            if not self._falls_back:
                return None
        return None if self._default is None else Found(DEFAULT_ROUTE, self._default, {})

    def _taken(self, key: RouteKey) -> RouteKey | None:
        if key.method == DEFAULT:
            return None if self._default is None else key
        node: _Node[T] | None = self._root
        for segment in key.segments:
            node = _known_child(node, segment)
            if node is None:
                return None
        entry = node.routes.get(key.method) if node is not None else None
        return None if entry is None else entry[0]


def _known_child(node: _Node[T] | None, segment: str) -> _Node[T] | None:
    if node is None:
        return None
    variable = _VARIABLE.fullmatch(segment)
    if variable is None:
        return node.static.get(unquote(segment))
    return node.greedy if variable[2] else node.variable


def _child(node: _Node[T], segment: str) -> _Node[T]:
    known = _known_child(node, segment)
    if known is not None:
        return known
    made: _Node[T] = _Node()
    variable = _VARIABLE.fullmatch(segment)
    if variable is None:
        node.static[unquote(segment)] = made
    elif variable[2]:
        node.greedy = made
    else:
        node.variable = made
    return made


def _matching(node: _Node[T], parts: list[str], at: int) -> Iterator[_Node[T]]:
    """Every node with routes that the path reaches, the most precise one first."""
    if at == len(parts):
        if node.routes:
            yield node
        return
    static = node.static.get(parts[at])
    if static is not None:
        yield from _matching(static, parts, at + 1)
    if node.variable is not None and parts[at]:
        yield from _matching(node.variable, parts, at + 1)
    if node.greedy is not None and any(parts[at:]):
        yield node.greedy


def _parameters(key: RouteKey, parts: list[str]) -> dict[str, str]:
    values = {}
    for at, segment in enumerate(key.segments):
        variable = _VARIABLE.fullmatch(segment)
        if variable is not None:
            values[variable[1]] = "/".join(parts[at:]) if variable[2] else parts[at]
    return values
