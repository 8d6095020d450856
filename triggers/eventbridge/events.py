"""What travels over an event bus, and what PutEvents takes and answers; pure.

Sources: EventBridge API reference, PutEvents; User Guide, "Events" and "Calculating PutEvents event entry size" (2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from eventbus.delivery.payload import Encoded, JSONValue, encode, parse
from eventbus.errors import NotJSON
from triggers.eventbridge.errors import MalformedDetail, NotValid

MOST_ENTRIES: Final = 10
REQUEST_LIMIT: Final = 1_048_576
"""Bytes that the entries of a request have to stay under (User Guide, 2026)."""
_TIME_SIZE: Final = 14
_LONGEST_DETAIL_TYPE: Final = 128
_KEYS: Final = {"Time", "Source", "Resources", "DetailType", "Detail", "EventBusName", "TraceHeader"}
_TEXTS: Final = ("Source", "DetailType", "Detail", "EventBusName", "TraceHeader")
_REQUIRED: Final = ("id", "detail-type", "source", "account", "time", "region")


class BusEvent:
    """One event: the document that rules look at, and its JSON, which is made once."""

    __slots__ = ("_body", "at", "document")

    def __init__(self, document: dict[str, Any], at: float, body: Encoded | None = None) -> None:
        self.document = document
        """In the form that targets get; never changed, since everybody shares it."""
        self.at = at
        """When the event bus took it."""
        self._body = body

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def body(self) -> Encoded:
        if self._body is None:
            self._body = encode(self.document)
        return self._body


@attrs.frozen
class PutEventsEntryResult:
    """What became of one entry: it has an `event_id`, or an error."""

    event_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None


@attrs.frozen
class PutEventsResult:
    """What `put_events` answers, in the order of the entries."""

    entries: tuple[PutEventsEntryResult, ...]

    @property
    def failed_entry_count(self) -> int:
        return sum(entry.error_code is not None for entry in self.entries)

    def as_document(self) -> dict[str, Any]:
        """The answer in boto3's shape."""
        return {"FailedEntryCount": self.failed_entry_count, "Entries": [_shown(entry) for entry in self.entries]}


def _shown(entry: PutEventsEntryResult) -> dict[str, str]:
    if entry.event_id is not None:
        return {"EventId": entry.event_id}
    return {"ErrorCode": str(entry.error_code), "ErrorMessage": str(entry.error_message)}


def check_request(entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The entries of a request as a list, if the request as a whole can be taken. Raises NotValid."""
    given: object = entries
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise NotValid("Parameter Entries is not valid.", mend=f"give a list of entries, not {given!r}")
    batch = list(entries)
    if not 1 <= len(batch) <= MOST_ENTRIES:
        bound, limit = ("greater", 1) if not batch else ("less", MOST_ENTRIES)
        raise NotValid(
            f"1 validation error detected: Value at 'entries' failed to satisfy constraint: "
            f"Member must have length {bound} than or equal to {limit}"
        )
    for position, entry in enumerate(batch):
        known: object = entry
        if not isinstance(known, Mapping) or not entry.keys() <= _KEYS:
            raise NotValid(
                f"Entry {position} is not valid: {entry!r}",
                mend=f"an entry is a mapping of {', '.join(sorted(_KEYS))}",
            )
        for key in _TEXTS:
            if not isinstance(entry.get(key), str | None):
                mend = "json.dumps makes one of a mapping" if key == "Detail" else None
                raise NotValid(f"Entry {position} is not valid: {key} is {entry[key]!r}, and not a text.", mend=mend)
    if sum(map(entry_size, batch)) >= REQUEST_LIMIT:
        raise NotValid("Total size of the entries in the request is over the limit.")
    return batch


def entry_size(entry: Mapping[str, Any]) -> int:
    """Bytes of an entry as EventBridge counts them: its texts in UTF-8, and 14 for a time."""
    resources = entry.get("Resources")
    texts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail")]
    texts += resources if isinstance(resources, list | tuple) else ()
    size = sum(len(text.encode(errors="replace")) for text in texts if isinstance(text, str))
    return size + (_TIME_SIZE if entry.get("Time") is not None else 0)


MALFORMED: Final = PutEventsEntryResult(error_code="MalformedDetail", error_message="Detail is malformed.")


def refusal(entry: Mapping[str, Any]) -> PutEventsEntryResult | None:
    """Why EventBridge does not take this entry, or None; what is in its detail is left to `detail_of`."""
    for key in ("Source", "DetailType", "Detail"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            return _invalid(f"Parameter {key} is not valid. Reason: {key} is a required argument.")
    if len(entry["DetailType"]) > _LONGEST_DETAIL_TYPE:
        reason = f"DetailType is longer than {_LONGEST_DETAIL_TYPE} characters."
        return _invalid(f"Parameter DetailType is not valid. Reason: {reason}")
    resources = entry.get("Resources") or ()
    if not isinstance(resources, list | tuple) or not all(isinstance(resource, str) for resource in resources):
        return _invalid("Parameter Resources is not valid. Reason: Resources is a list of texts.")
    if entry["Source"].startswith("aws."):
        return PutEventsEntryResult(
            error_code="NotAuthorizedForSourceException", error_message="Not authorized for the source."
        )
    if entry.get("Time") is not None and instant(entry["Time"]) is None:
        return _invalid("Parameter Time is not valid. Reason: Time is no instant.")
    return None


def _invalid(message: str) -> PutEventsEntryResult:
    return PutEventsEntryResult(error_code="InvalidArgument", error_message=message)


def detail_of(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The detail of an entry, or None if it is not the text of a JSON object."""
    try:
        detail = parse(entry["Detail"])
        encode({"detail": detail})  # the envelope is one level around it
    except (ValueError, NotJSON):
        return None
    return detail if isinstance(detail, dict) else None


def envelope(
    *, event_id: str, detail_type: str, source: str, account: str, at: float, region: str, resources: Iterable[str],
    detail: JSONValue,
) -> dict[str, Any]:  # fmt: skip
    """The event as rules and targets see it; its time is in whole seconds."""
    return {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": whole_seconds(at),
        "region": region,
        "resources": list(resources),
        "detail": detail,
    }


def whole_seconds(at: float) -> str:
    """An instant as events show it: `2026-01-02T03:04:05Z`."""
    return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%SZ}"


def instant(value: object) -> float | None:
    """The instant that a number of seconds, an aware datetime or a text in ISO format means; None for anything else."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value.timestamp() if value.tzinfo is not None else value.replace(tzinfo=UTC).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 253_402_300_800:
        return float(value)
    return None


def whole_event(value: JSONValue) -> dict[str, Any]:
    """An event that another resource sends in its envelope. Raises MalformedDetail."""
    if not isinstance(value, dict) or not isinstance(value.get("detail"), dict):
        raise MalformedDetail
    if not all(isinstance(value.get(key), str) for key in _REQUIRED) or instant(value["time"]) is None:
        raise MalformedDetail
    return value
