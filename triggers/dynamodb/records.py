"""Stream records: what a change of an item leaves in a table's stream, and the forms in which it is read."""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Any

import attrs

from triggers.dynamodb.values import Item, copied_item, item_size, to_json

if TYPE_CHECKING:
    from eventbus.telemetry.trace import Cause
    from triggers.dynamodb.collection import Stored

INSERT, MODIFY, REMOVE = "INSERT", "MODIFY", "REMOVE"


@attrs.define(eq=False)
class StreamRecord:
    """One change of one item. The images are those that the view type lets through."""

    sequence: int
    at: float
    """When it was written, seconds since the epoch."""
    name: str
    """INSERT, MODIFY or REMOVE"""
    keys: Item
    old: Item | None
    new: Item | None
    is_expiry: bool
    """Whether time to live deleted the item."""
    cause: Cause | None
    """The trace's node of whoever wrote it."""
    _size: int | None = None

    @property
    def group(self) -> str:
        """What keeps its order: the item's key."""
        return "\0".join(f"{name}\1{value}" for name, value in self.keys.items())

    @property
    def size(self) -> int:
        """Bytes by the rules for items: keys and images."""
        if self._size is None:  # it comes out of a store
            self._size = sum(item_size(part) for part in (self.keys, self.old, self.new) if part is not None)
        return self._size

    @property
    def sequence_number(self) -> str:
        """The sequence as AWS writes it: digits."""
        return str(self.sequence)


def record_of(
    view_type: str, sequence: int, at: float, keys: Item, old: Stored | None, new: Stored | None, *,
    is_expiry: bool, cause: Cause | None,
) -> StreamRecord:  # fmt: skip
    """The record of a change, with the images of this view type."""
    name = INSERT if old is None else REMOVE if new is None else MODIFY
    shown_old = old if view_type in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES") else None
    shown_new = new if view_type in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES") else None
    old_item, old_size = (None, 0) if shown_old is None else (shown_old.item, shown_old.size)
    new_item, new_size = (None, 0) if shown_new is None else (shown_new.item, shown_new.size)
    size = item_size(keys) + old_size + new_size
    return StreamRecord(sequence, at, name, keys, old_item, new_item, is_expiry, cause, size)


def event_id(stream_arn: str, record: StreamRecord) -> str:
    """32 hexadecimal digits: the same whenever the record is read, also after a restart."""
    return md5(f"{stream_arn}{record.sequence}".encode(), usedforsecurity=False).hexdigest()


def api_record(stream_arn: str, region: str, view_type: str, record: StreamRecord) -> dict[str, Any]:
    """The record as GetRecords answers it, fresh each time; binary values are `bytes`."""
    shown = _record(stream_arn, region, view_type, record, copied_item)
    if record.is_expiry:
        shown["userIdentity"] = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    return shown


def lambda_record(stream_arn: str, region: str, view_type: str, record: StreamRecord) -> dict[str, Any]:
    """The record as a function gets it, fresh each time; binary values are base64 text."""
    shown = _record(stream_arn, region, view_type, record, _json_item)
    if record.is_expiry:
        shown["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    shown["eventSourceARN"] = stream_arn
    return shown


def _json_item(item: Item) -> dict[str, Any]:
    return {name: to_json(value) for name, value in item.items()}


def _record(stream_arn: str, region: str, view_type: str, record: StreamRecord, shown: Any) -> dict[str, Any]:
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": float(int(record.at)),
        "Keys": shown(record.keys),
    }
    if record.new is not None:
        change["NewImage"] = shown(record.new)
    if record.old is not None:
        change["OldImage"] = shown(record.old)
    change["SequenceNumber"] = record.sequence_number
    change["SizeBytes"] = record.size
    change["StreamViewType"] = view_type
    return {
        "eventID": event_id(stream_arn, record),
        "eventName": record.name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": change,
    }
