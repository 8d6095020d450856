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


@attrs.frozen
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

    @property
    def precision(self) -> tuple[int, int, int]:
        """How much a request must have to match; the most demanding route that matches is the one that is meant."""
        fixed = sum(not segment.startswith("{") for segment in self.segments)
        return len(self.marks) + len(self.headers), fixed, len(self.segments)

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """The labels of a path that this route describes, else None."""
        labels: dict[str, str] = {}
        for at, segment in enumerate(self.segments):
            found = _LABEL.fullmatch(segment)
            if found is None:
                if at >= len(parts) or parts[at] != segment:
                    return None
            elif found[2]:
                after = len(self.segments) - at - 1
                end = len(parts) - after
                if end <= at or parts[end:] != list(self.segments[at + 1 :]) or not any(parts[at:end]):
                    return None
                labels[found[1]] = decoded("/".join(parts[at:end]))
                return labels
            elif at >= len(parts) or not parts[at]:
                return None
            else:
                labels[found[1]] = decoded(parts[at])
        return labels if len(parts) == len(self.segments) else None

    def is_marked(self, request: Request) -> bool:
        """Whether query string and headers have what this route needs."""
        for name, value in self.marks:
            given = request.parameter(name)
            if given is None or (value is not None and given != value):
                return False
        return all(name in request.headers for name in self.headers)


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
    parts = request.path.removeprefix("/").split("/")
    if service == "lambda" and not parts[-1]:
        parts.pop()  # some clients end some of Lambda's paths with a slash, as its documentation did
    if len(parts) > 1 and not parts[-1] and service == "s3" and len(parts) == 2:
        parts.pop()  # a bucket, with or without a slash behind it
    nearest: tuple[str, dict[str, str]] | None = None
    matched: dict[tuple[str, ...], dict[str, str] | None] = {}  # most routes of S3 have one of two paths
    names = {name for name, _ in request.query}
    for route in routes(service).get(request.method, ()):
        if route.segments not in matched:
            matched[route.segments] = route.match(parts)
        labels = matched[route.segments]
        if labels is None:
            continue
        if route.is_marked(request):
            return route.operation, labels
        if nearest is None and not any(value is None and name not in names for name, value in route.marks):
            nearest = route.operation, labels
    if nearest is None:
        raise UnknownOperation(f"{service} has no operation at {request.method} {request.path[:200]}")
    return nearest
