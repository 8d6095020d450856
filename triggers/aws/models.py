"""botocore's service models: every shape and operation on the wire comes from them, none is written by hand."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from typing import cast
from urllib.parse import parse_qsl

import attrs
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from triggers.aws.errors import UnknownOperation
from triggers.aws.http import Request, decoded
from triggers.aws.protocols import Protocol

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")


@cache
def _loader() -> Loader:
    return Loader()


@cache
def service_model(service: str) -> ServiceModel:
    """The model of a service, by boto3's name for it: `s3`, `sns`, ..."""
    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@cache
def protocol_of(service: str) -> Protocol:
    """The protocol that the installed botocore speaks with the service."""
    return cast(Protocol, service_model(service).resolved_protocol)


@cache
def _query_model(service: str) -> ServiceModel:
    """The model for requests in the query protocol; SQS's says nothing of its names there since it speaks JSON."""
    if service != "sqs":
        return service_model(service)
    document = deepcopy(dict(_loader().load_service_model(service, "service-2")))
    shapes = document["shapes"]
    for name, shape in shapes.items():
        if shape["type"] == "list":
            shape["member"]["locationName"] = _LISTS_OF_SQS.get(name, shape["member"]["shape"])
        elif shape["type"] == "map":
            is_tags = name == "TagMap"
            shape["key"]["locationName"] = "Key" if is_tags else "Name"
            shape["value"]["locationName"] = "Value"
        for key, member in shape.get("members", {}).items():
            if shapes[member["shape"]]["type"] == "map":
                member["locationName"] = key.removesuffix("s").capitalize() if key == "tags" else key.removesuffix("s")
    return ServiceModel(document, service)


_LISTS_OF_SQS = {
    "AWSAccountIdList": "AWSAccountId",
    "ActionNameList": "ActionName",
    "AttributeNameList": "AttributeName",
    "MessageAttributeNameList": "MessageAttributeName",
    "MessageSystemAttributeList": "MessageSystemAttributeName",
    "QueueUrlList": "QueueUrl",
    "TagKeyList": "TagKey",
}
"""How the items of lists are called in SQS's query protocol; lists of structures are called as these are."""


def operation_model(service: str, name: str, protocol: Protocol | None = None) -> OperationModel:
    """The model of an operation, in the protocol that is spoken. Raises UnknownOperation."""
    model = _query_model(service) if protocol == "query" else service_model(service)
    if name not in model.operation_names:
        raise UnknownOperation(f"Unknown operation {name[:100]!r} of {service}", code="UnknownOperationException")
    return model.operation_model(name)


@attrs.frozen(eq=False)
class Route:
    """Where requests for one operation of a rest service go."""

    operation: str
    method: str
    segments: tuple[str, ...]
    """Parts of the path; `{name}` and `{name+}` stand for labels."""
    marks: tuple[tuple[str, str | None], ...]
    """What the query string must have: `("uploads", None)` or `("list-type", "2")`."""
    headers: tuple[str, ...]
    """Headers that must be there."""
    is_deprecated: bool
    """Whether another operation has taken its place, at the same path."""
    names: frozenset[str] = attrs.field(init=False)
    """The names of the marks."""
    values: tuple[tuple[str, str], ...] = attrs.field(init=False)
    """The marks that need a certain value."""
    pattern: re.Pattern[str] = attrs.field(init=False)
    labels: tuple[str, ...] = attrs.field(init=False)
    """How the groups of the pattern are called."""

    @names.default
    def _names(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.marks)

    @values.default
    def _values(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, value) for name, value in self.marks if value is not None)

    @pattern.default
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("/".join(map(_expression, self.segments)), re.DOTALL)

    @labels.default
    def _labels(self) -> tuple[str, ...]:
        return tuple(found[1] for segment in self.segments if (found := _LABEL.fullmatch(segment)))

    @property
    def precision(self) -> tuple[int, int, int]:
        """How much a request must have to match; the most demanding route that matches is the one that is meant."""
        fixed = sum(not segment.startswith("{") for segment in self.segments)
        return len(self.marks) + len(self.headers), fixed, len(self.segments)

    def match(self, path: str) -> dict[str, str] | None:
        """The labels of a path, without its first slash, that this route describes; else None."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        return {name: decoded(text) for name, text in zip(self.labels, found.groups(), strict=True)}

    def is_marked(self, request: Request) -> bool:
        """Whether a query string that has the names of the marks, and the headers, have all that this route needs."""
        for name, value in self.values:
            if request.parameter(name) != value:
                return False
        return not self.headers or all(name in request.headers for name in self.headers)


def _expression(segment: str) -> str:
    """A part of a path as a regular expression: a greedy label takes slashes too, but not nothing else."""
    label = _LABEL.fullmatch(segment)
    if label is None:
        return re.escape(segment)
    return "(/*[^/].*)" if label[2] else "([^/]+)"


@cache
def routes(service: str) -> dict[str, tuple[Route, ...]]:
    """The routes of a rest service by method, the most demanding first."""
    model = service_model(service)
    found: dict[str, list[Route]] = {}
    for name in model.operation_names:
        route = _route(model.operation_model(name))
        found.setdefault(route.method, []).append(route)
    return {
        method: tuple(sorted(some, key=lambda r: (tuple(-n for n in r.precision), r.is_deprecated, r.operation)))
        for method, some in found.items()
    }


def _route(operation: OperationModel) -> Route:
    path, _, query = operation.http["requestUri"].partition("?")
    marks: list[tuple[str, str | None]] = [
        (key, value or None) for key, value in parse_qsl(query, keep_blank_values=True)
    ]
    headers = []
    shape = operation.input_shape
    for name in [] if shape is None else shape.required_members:
        where = shape.members[name].serialization  # type: ignore[union-attr]
        if where.get("location") == "querystring" and shape.members[name].type_name != "map":  # type: ignore[union-attr]
            marks.append((where.get("name", name), None))
        elif where.get("location") == "header":
            headers.append(where.get("name", name).lower())
    return Route(
        operation.name, operation.http["method"], _segments(path), tuple(marks), tuple(headers), operation.deprecated
    )


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix("/").split("/"))


def find_route(service: str, request: Request) -> tuple[str, dict[str, str]]:
    """The operation of a rest service that a request is for, and the labels in its path. Raises UnknownOperation.

    What lacks something that is required is for the operation that comes nearest: its input says what is missing.
    """
    path = request.path.removeprefix("/")
    if service == "lambda" or (service == "s3" and path.find("/") == len(path) - 1):
        path = path.removesuffix("/")  # a bucket, or, as some clients have it, a path of Lambda's that ends in a slash
    names = {name for name, _ in request.query}
    some = routes(service).get(request.method, ())
    for route in some:
        if route.names <= names and route.is_marked(request) and (labels := route.match(path)) is not None:
            return route.operation, labels
    for route in some:
        if all(value is not None or name in names for name, value in route.marks):
            labels = route.match(path)
            if labels is not None:
                return route.operation, labels
    raise UnknownOperation(f"{service} has no operation at {request.method} {request.path[:200]}")
