"""What was set up over the wire, kept in the bus's store: every request that succeeded, to be done again at start.

    wire               the next number
    wire_requests      number                             → a line of JSON about the request, then its body

What a request sets up is configuration, which on this bus is code, and declared again at start. For a client of AWS the
requests are the code: they are done again in their order, before the sources take up what they own and before anything
is delivered. Each draws its ids from a seed that is kept with it, so that it makes the same ids again. What is *in* a
bucket, a queue or a table is kept by the rooms; requests that only read or only send are not written down.

A resource that is deleted takes the requests that made it along, unless a later one names it: a journal does not grow
with things that come and go. What cannot be done again (a later version refuses it) stays, and is logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from triggers.aws.http import Request
from triggers.keeping import Numbers, as_row, from_row

if TYPE_CHECKING:
    from eventbus.bus import EventBus

LONG = 5_000
"""Requests from which a journal is told to be long: doing them again takes a second or two."""

_READING = (
    "Admin", "Assume", "BatchGet", "Check", "Count", "Decode", "Describe", "Discover", "Estimate", "Filter", "Flush",
    "Get", "Head", "Invoke", "List", "Lookup", "Query", "Receive", "Scan", "Search", "Select", "Simulate", "Test",
    "TransactGet", "Validate",
)  # fmt: skip
"""What the names of operations begin with that change nothing."""
_SENDING = {
    "dynamodb": (
        "BatchExecuteStatement", "BatchWriteItem", "DeleteItem", "ExecuteStatement", "ExecuteTransaction", "PutItem",
        "TransactWriteItems", "UpdateItem",
    ),
    "events": ("PutEvents", "PutPartnerEvents", "StartReplay", "CancelReplay"),
    "kinesis": ("PutRecord", "PutRecords", "SubscribeToShard", "SplitShard", "MergeShards", "UpdateShardCount"),
    "logs": ("PutLogEvents", "StartLiveTail", "StartQuery", "StopQuery", "CreateLogStream", "DeleteLogStream"),
    "cloudwatch": ("PutMetricData",),
    "sns": ("Publish", "PublishBatch"),
    "sqs": (
        "CancelMessageMoveTask", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "DeleteMessage",
        "DeleteMessageBatch", "PurgeQueue", "SendMessage", "SendMessageBatch", "StartMessageMoveTask",
    ),
}  # fmt: skip
"""Operations on what the rooms themselves keep, by service."""
_NAMES = (
    "Bucket", "TopicArn", "SubscriptionArn", "QueueUrl", "QueueName", "RoleName", "FunctionName", "UUID", "TableName",
    "StreamName", "StreamARN", "EventBusName", "ArchiveName", "GroupName", "logGroupName", "restApiId", "ApiId", "Name",
)  # fmt: skip
"""Members of inputs that name what an operation is about."""
_WHOLE = {
    "DeleteApi": "CreateApi",
    "DeleteBucket": "CreateBucket",
    "DeleteFunction": "CreateFunction",
    "DeleteQueue": "CreateQueue",
    "DeleteRestApi": "CreateRestApi",
    "DeleteRole": "CreateRole",
    "DeleteStream": "CreateStream",
    "DeleteTable": "CreateTable",
    "DeleteTopic": "CreateTopic",
}
"""Operations after which nothing is left of what another one made."""
_NAMED_BY_ANSWER = {"CreateApi": "ApiId", "CreateRestApi": "id"}
"""Where the name of what was made is in the answer alone."""
_HIDDEN = frozenset(("authorization", "cookie", "x-amz-security-token", "connection", "expect", "user-agent"))


def is_kept(service: str, operation: str) -> bool:
    """Whether a request sets something up that is to be there after a restart."""
    if service == "sts" or operation.startswith(_READING) or operation in _SENDING.get(service, ()):
        return False
    return service != "s3" or "Bucket" in operation


@attrs.frozen
class Entry:
    """A request that was done."""

    service: str
    operation: str
    about: str
    """The name of what it is about."""
    seed: str
    account: str | None
    """The account that sent it, if it wasn't the bus's own."""
    request: Request

    def names(self, about: str) -> bool:
        """Whether it says the name of something, anywhere."""
        return about in self.request.path or about.encode() in self.request.body or about in self.request.query_string


class Journal:
    """The requests of one bus with a store."""

    def __init__(self, bus: EventBus) -> None:
        assert bus.store is not None
        self._bus = bus
        self._log = bus.store.log
        self._rows = bus.store.texts("wire_requests")
        self._numbers = Numbers(bus.store.texts("wire"))
        self._entries: dict[int, Entry] = dict(self._load())
        self._warn_from = LONG

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """What there is to do again, in its order."""
        return list(self._entries.values())

    def add(self, entry: Entry) -> None:
        """A request has been done: a fact, in the same batch as what it did."""
        if entry.operation in _WHOLE and self._forget(entry):
            return
        number = self._numbers.draw()
        request = entry.request
        head = {
            "service": entry.service,
            "operation": entry.operation,
            "about": entry.about,
            "seed": entry.seed,
            "account": entry.account,
            "method": request.method,
            "path": request.path,
            "query": request.query_string,
            "headers": request.headers,
        }
        with self._log.facts():
            self._rows.put(f"{number:016x}", as_row(head, request.body))
        self._entries[number] = entry
        if len(self._entries) > self._warn_from:
            self._warn_from *= 2
            mend = "delete what is not needed, or begin with a new file"
            self._bus.log.warning("wire_journal_long", requests=len(self._entries), mend=mend)

    def clear(self) -> None:
        """Nothing is left of what was set up."""
        self._drop(list(self._entries))

    def _forget(self, deletion: Entry) -> bool:
        """Drop what was asked of a resource that is gone; whether that was possible."""
        own = [
            number
            for number, entry in self._entries.items()
            if entry.service == deletion.service and _same(entry.about, deletion.about)
        ]
        if not own or self._entries[own[0]].operation != _WHOLE[deletion.operation]:
            return False
        name = deletion.about.rstrip("/").rpartition("/")[2].rpartition(":")[2]
        others = (entry for number, entry in self._entries.items() if number > own[0] and number not in own)
        if any(entry.names(name) for entry in others):
            return False
        self._drop(own)
        return True

    def _drop(self, numbers: list[int]) -> None:
        with self._log.facts():
            for number in numbers:
                del self._entries[number]
                self._rows.delete(f"{number:016x}")

    def _load(self) -> Iterator[tuple[int, Entry]]:
        for key, row in self._rows.scan():
            try:
                yield int(key, 16), _entry(row)
            except (ValueError, KeyError, TypeError) as error:
                self._bus.log.error("wire_request_unreadable", key=key, error=repr(error))


def kept_headers(request: Request) -> dict[str, str]:
    """The headers that a request needs to be understood again; nobody's secrets."""
    return {name: value for name, value in request.headers.items() if name not in _HIDDEN}


def about(given: dict[str, Any]) -> str:
    """The name of what an input is about, with the qualifier of a part of it."""
    name = next((str(given[name]) for name in _NAMES if given.get(name)), "")
    if not name and given.get("ConsumerARN"):
        name = str(given["ConsumerARN"]).partition("/consumer/")[0]  # a consumer goes with its stream
    return f"{name}?{given['Qualifier']}" if given.get("Qualifier") else name


def made(entry: Entry, result: dict[str, Any]) -> Entry:
    """An entry that knows the name of what it has made."""
    member = _NAMED_BY_ANSWER.get(entry.operation)
    return entry if member is None else attrs.evolve(entry, about=str(result[member]))


def _same(one: str, other: str) -> bool:
    """Whether two names are of the same thing: a queue's name and its URL, a topic's name and its ARN."""
    return one == other or one.endswith((f"/{other}", f":{other}")) or other.endswith((f"/{one}", f":{one}"))


def _entry(row: bytes) -> Entry:
    head, body = from_row(row)
    request = Request(head["method"], head["path"], head["query"], head["headers"], body)
    return Entry(head["service"], head["operation"], head["about"], head["seed"], head["account"], request)
