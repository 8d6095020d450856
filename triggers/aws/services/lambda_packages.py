"""Where the code of functions and layers comes from, and where it can be fetched again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventbus.errors import AccessDenied, AWSError, InvalidParameterValue
from eventbus.functions.function import Function
from eventbus.functions.layers import Layers, LayerVersion
from eventbus.functions.package import Packaged
from eventbus.functions.version import Version
from triggers.aws.services.deeds import Input
from triggers.aws.services.lambda_shapes import handler_name

if TYPE_CHECKING:
    from eventbus.bus import EventBus

PATH = "/_eventbus/code/"
"""Below it the packages are, where the bus is served."""
LARGEST = 52_428_800
"""Bytes of an archive that comes with the request (Lambda quotas)."""


def archive_of(bus: EventBus, given: Input) -> bytes | None:
    """The archive that a request brings, or names in a bucket; None if it does neither.

    Raises InvalidParameterValue in Lambda's words for an object that the caller cannot have.
    """
    if given.get("ImageUri"):
        raise InvalidParameterValue("eventbus runs no container images.", mend="give a zip archive")
    if (data := given.get("ZipFile")) is not None:
        if len(data) > LARGEST:
            raise InvalidParameterValue("Zip file is too large", mend="put larger ones into a bucket: S3Bucket, S3Key")
        return bytes(data)
    if not given.get("S3Bucket"):
        return None
    try:
        s3 = bus.service("S3")
        if s3 is None or given["S3Bucket"] not in s3:
            raise _not_had("NoSuchBucket", "The specified bucket does not exist")
        bucket = s3[given["S3Bucket"]]
        found = bucket.get_object_nowait(given.get("S3Key") or "", version_id=given.get("S3ObjectVersion"))
    except AccessDenied as error:
        raise _not_had("AccessDenied", error.message) from error
    except AWSError as error:
        if isinstance(error, InvalidParameterValue):
            raise
        raise _not_had(error.code, error.message) from error
    return bytes(found.body)


def _not_had(code: str, message: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}")


def declared_handler(bus: EventBus, name: str) -> tuple[Any, str]:
    """A handler that code has given to the bus, by its function's name or its own, and how it runs.

    Raises InvalidParameterValue if there is none.
    """
    for function in bus.functions.values():
        is_ours = not isinstance(function.handler, Packaged) or function.handler.plain is not None
        if is_ours and name in (function.name, handler_name(function.handler)):
            return function.handler, function.configuration.isolation
    raise InvalidParameterValue(
        "Please provide a source for function code.",
        mend=f"give Code a ZipFile, or S3Bucket and S3Key; no function of this program has the handler {name!r}",
    )


def code_location(bus: EventBus, endpoint: str | None, owner: Function | Version | LayerVersion) -> str:
    """Where a package can be fetched: of this bus where it is served, else an address of the form that AWS gives."""
    token = _token(bus, owner)
    if endpoint is not None:
        return f"{endpoint}{PATH}{token}"
    kind = "layers" if isinstance(owner, LayerVersion) else "tasks"
    account = bus.account_id
    return f"https://awslambda-{bus.region}-{kind}.s3.{bus.region}.amazonaws.com/snapshots/{account}/{token}"


def package_at(bus: EventBus, token: str) -> bytes | None:
    """The archive behind an address that `code_location` gave; None if there is none."""
    for owner, path in _packages(bus):
        if _token(bus, owner) == token:
            return path.read_bytes()
    return None


def _packages(bus: EventBus) -> Iterator[tuple[Function | Version | LayerVersion, Path]]:
    for function in bus.functions.values():
        for version in function.editions:
            if isinstance(version.handler, Packaged) and version.handler.code.archive is not None:
                yield version, version.handler.code.archive
    layers = bus.shared(Layers)
    for name in layers:
        for layer in layers.versions(name):
            yield layer, layer.archive


def _token(bus: EventBus, owner: Function | Version | LayerVersion) -> str:
    digest = owner.sha256 if isinstance(owner, LayerVersion) else owner.code_sha256
    return bus.ids.derived(f"{owner.arn} {digest}")
