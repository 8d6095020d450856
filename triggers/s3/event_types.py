"""The events of a bucket: their names, their families, and what the records of those that this bus causes carry. Pure.

Source: S3 user guide, "Event notification types and destinations" (2026), "Event message structure", "EventBridge
mapping"; botocore's enum `Event`; field presence and versions as recorded in 2025.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import attrs

from triggers.s3.errors import InvalidArgument

_FAMILIES: dict[str, tuple[str, ...]] = {
    "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
    "ObjectRestore": ("Post", "Completed", "Delete"),
    "Replication": (
        "OperationFailedReplication",
        "OperationMissedThreshold",
        "OperationReplicatedAfterThreshold",
        "OperationNotTracked",
    ),
    "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
    "ObjectTagging": ("Put", "Delete"),
    "ObjectAnnotation": ("Put", "Delete"),
}
_SINGLES = (
    "ReducedRedundancyLostObject",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectAcl:Put",
    "ObjectRetention:Put",
)

EVENTS: dict[str, tuple[str, ...]] = (
    {f"s3:{family}:*": tuple(f"{family}:{kind}" for kind in kinds) for family, kinds in _FAMILIES.items()}
    | {f"s3:{family}:{kind}": (f"{family}:{kind}",) for family, kinds in _FAMILIES.items() for kind in kinds}
    | {f"s3:{single}": (single,) for single in _SINGLES}
)
"""Every name that a notification can be configured for, with the event names (as in records) that it means."""


def expand(names: Iterable[object]) -> frozenset[str]:
    """The event names, as in records, that configured names mean. Raises InvalidArgument for an unknown one."""
    expanded: set[str] = set()
    for name in names:
        events = EVENTS.get(name) if isinstance(name, str) else None
        if events is None:
            close = difflib.get_close_matches(str(name), EVENTS, n=1)
            hint = f'did you mean "{close[0]}"?' if close else 'an event reads "s3:ObjectCreated:*"'
            raise InvalidArgument("The event is not supported for notifications", "Event", str(name), mend=hint)
        expanded.update(events)
    return frozenset(expanded)


@attrs.define(eq=False, weakref_slot=False)
class EventType:
    """One event that an operation of ours causes, and what is told about it."""

    name: str
    """`eventName` of the record."""
    has_size: bool
    has_etag: bool
    is_sequenced: bool
    version: str
    """`eventVersion`, as seen in 2025."""
    detail_type: str
    """The `detail-type` of EventBridge."""
    reason: str | None = None
    deletion_type: str | None = None


def _created(kind: str, reason: str) -> EventType:
    return EventType(f"ObjectCreated:{kind}", True, True, True, "2.1", "Object Created", reason)


PUT = _created("Put", "PutObject")
POST = _created("Post", "POST Object")
COPY = _created("Copy", "CopyObject")
COMPLETE_MULTIPART_UPLOAD = _created("CompleteMultipartUpload", "CompleteMultipartUpload")
DELETE = EventType(
    "ObjectRemoved:Delete", False, False, True, "2.1", "Object Deleted", "DeleteObject", "Permanently Deleted"
)
DELETE_MARKER_CREATED = EventType(
    "ObjectRemoved:DeleteMarkerCreated",
    False,
    True,
    True,
    "2.1",
    "Object Deleted",
    "DeleteObject",
    "Delete Marker Created",
)
TAGGING_PUT = EventType("ObjectTagging:Put", False, True, False, "2.3", "Object Tags Added")
TAGGING_DELETE = EventType("ObjectTagging:Delete", False, True, False, "2.3", "Object Tags Deleted")
ACL_PUT = EventType("ObjectAcl:Put", False, True, False, "2.3", "Object ACL Updated")
