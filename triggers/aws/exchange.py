"""One request on its way through the front: what has been found out about it so far, and how that is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from eventbus.delivery.targets import Source
from eventbus.execution.current import acting_as, counts_as_work, current_environment
from triggers.aws import routing, signing
from triggers.aws.errors import Invalid
from triggers.aws.http import Request
from triggers.aws.journal import Entry
from triggers.aws.protocols import Protocol
from triggers.aws.protocols.layouts import layout_of_input
from triggers.aws.services import ServiceMap
from triggers.aws.services.deeds import Input

if TYPE_CHECKING:
    from eventbus.execution.environment import Environment

_VALIDATOR = ParamValidator()
_LINES = 10
"""Faults of an input that are told."""
_SPEAK_XML = ("s3", "s3express", "s3-outposts", "cloudfront", "route53")
"""Names that services whose bodies are XML are signed for."""


@attrs.define
class Exchange:
    """What has been found out about a request so far; an error is answered in the terms of that."""

    request_id: str
    found: ServiceMap | None = None
    protocol: Protocol = "rest-xml"
    operation: OperationModel | None = None
    caller: Source | None = None
    environment: Environment | None = None
    """Where the function runs that asks, if it does so from a process of its own."""
    given: Input = attrs.field(factory=dict)
    act: Any = None
    entry: Entry | None = None
    """What is written down of it, if it succeeds."""

    @property
    def service(self) -> ServiceMap:
        """The map of the service that it is for, once that is found."""
        assert self.found is not None
        return self.found


def addressed(request: Request) -> tuple[signing.Credential | None, str]:
    """Who signed a request, and the service that it is for. Raises EventBusError."""
    return signing.credential(request), routing.find_service(request)


def likely(request: Request) -> Protocol:
    """The protocol to refuse a request in whose service isn't known: the one that its client seems to speak."""
    if "x-amz-target" in request.headers:
        return "json"
    if request.content_type == "application/x-www-form-urlencoded":
        return "query"
    if "smithy-protocol" in request.headers:
        return "smithy-rpc-v2-cbor"
    signed = request.headers.get("authorization", "")
    is_xml = not signed.startswith("AWS4-") or any(f"/{name}/aws4_request" in signed for name in _SPEAK_XML)
    return "rest-xml" if is_xml else "rest-json"


def spoken(request: Request, protocol: Protocol) -> Protocol:
    """The protocol to answer in, before the operation is known."""
    if protocol == "json" and request.content_type == "application/x-www-form-urlencoded":
        return "query"
    return protocol


def validate(operation: OperationModel, given: Input) -> None:
    """Raise Invalid unless the input has what is required, each of its kind."""
    layout = layout_of_input(operation)
    if layout is None or layout.accepts(given):
        return
    report = _VALIDATOR.validate(given, layout.shape)
    if report.has_errors():
        lines = report.generate_report().split("\n")
        more = [f"and {len(lines) - _LINES:,} more"] if len(lines) > _LINES else []
        raise Invalid("\n".join([*lines[:_LINES], *more]))


@contextmanager
def acting(caller: Source | None, environment: Environment | None = None) -> Iterator[None]:
    """Within the block, the bus takes this source for the caller, and what happens for done by this environment."""
    if environment is not None:
        inside, as_work = current_environment.set(environment), counts_as_work.set(True)
        try:
            yield
        finally:
            current_environment.reset(inside)
            counts_as_work.reset(as_work)
        return
    if caller is None:
        yield
        return
    token = acting_as.set((current_environment.get(), caller))
    try:
        yield
    finally:
        acting_as.reset(token)
