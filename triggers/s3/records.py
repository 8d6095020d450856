"""What is told about an event: the classic record, EventBridge's form, and the test event.

A put makes one `Notification`, a few values in slots; the record, with its time stamp, its encoded key and its ids, is
built when it is delivered, anew for each delivery, which also gives every handler its own copy. Everything in it
follows from the envelope, so a retry sees the same record.

Source: S3 user guide, "Event message structure" (2023 and 2026), "EventBridge event message structure"; recordings.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import attrs

from eventbus.timestamps import iso_time
from triggers.s3.event_types import EventType

SOURCE_IP = "127.0.0.1"
SUBJECT = "Amazon S3 Notification"
_MASK = (1 << 64) - 1
_ODD = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd: multiplying by it is a bijection on 64 bits


@attrs.define(eq=False, weakref_slot=False)
class Origin:
    """What all records of one bucket share."""

    bucket: str
    arn: str
    region: str
    account: str
    owner: str
    """The owner's customer id."""
    host_id: str
    """`x-amz-id-2`: the same for all answers, as if one host gave them."""
    request_key: int
    """Mixed with the number of a notification, it gives the request id."""
    version: str | None
    """`eventVersion` of every record; None: the version that each event had in 2025."""

    def identify(self, owner: str, host_id: str, request_key: int) -> None:
        """Be who the records of an earlier process said."""
        self.owner, self.host_id, self.request_key = owner, host_id, request_key


_is_plain = re.compile(r"[A-Za-z0-9/_.~-]*").fullmatch


def encode_key(key: str) -> str:
    """A key as records show it: a blank is `+`, other reserved characters are percent-encoded, `/` stays."""
    return key if _is_plain(key) else quote_plus(key, safe="/")


@attrs.define(eq=False, weakref_slot=False)
class Notification:
    """One event of one key, on its way to the one destination that wants it."""

    origin: Origin
    type: EventType
    configuration_id: str
    number: int
    """Grows with every event of the bus; shown as the sequencer and, mixed, as the request id."""
    at: float
    key: str
    size: int
    etag: str
    version_id: str | None
    """None where the record shows none: without versioning, and for null versions."""
    principal: str

    @property
    def request_id(self) -> str:
        return f"{((self.number * _ODD) ^ self.origin.request_key) & _MASK:016X}"

    @property
    def sequencer(self) -> str:
        """Upper-case hexadecimal of constant length; a later event of a key has the greater one."""
        return f"{self.number:018X}"

    def record(self, _event: object = None) -> dict[str, Any]:
        """A fresh payload."""
        origin, kind = self.origin, self.type
        item: dict[str, Any] = {"key": encode_key(self.key)}
        if kind.has_size:
            item["size"] = self.size
        if kind.has_etag:
            item["eTag"] = self.etag
        if self.version_id is not None:
            item["versionId"] = self.version_id
        if kind.is_sequenced:
            item["sequencer"] = f"{self.number:018X}"
        request_id = f"{((self.number * _ODD) ^ origin.request_key) & _MASK:016X}"
        return {
            "Records": [
                {
                    "eventVersion": origin.version or kind.version,
                    "eventSource": "aws:s3",
                    "awsRegion": origin.region,
                    "eventTime": iso_time(self.at),
                    "eventName": kind.name,
                    "userIdentity": {"principalId": self.principal},
                    "requestParameters": {"sourceIPAddress": SOURCE_IP},
                    "responseElements": {"x-amz-request-id": request_id, "x-amz-id-2": origin.host_id},
                    "s3": {
                        "s3SchemaVersion": "1.0",
                        "configurationId": self.configuration_id,
                        "bucket": {
                            "name": origin.bucket,
                            "ownerIdentity": {"principalId": origin.owner},
                            "arn": origin.arn,
                        },
                        "object": item,
                    },
                }
            ]
        }

    def event_bridge(self, event_id: str) -> dict[str, Any]:
        """The same event in EventBridge's form: kebab-case, the key not encoded, whole seconds."""
        origin, kind = self.origin, self.type
        item: dict[str, Any] = {"key": self.key}
        if kind.has_size:
            item["size"] = self.size
        if kind.has_etag:
            item["etag"] = self.etag
        if self.version_id is not None:
            item["version-id"] = self.version_id
        if kind.is_sequenced:
            item["sequencer"] = self.sequencer
        detail: dict[str, Any] = {
            "version": "0",
            "bucket": {"name": origin.bucket},
            "object": item,
            "request-id": self.request_id,
            "requester": origin.account,
            "source-ip-address": SOURCE_IP,
        }
        if kind.reason is not None:
            detail["reason"] = kind.reason
        if kind.deletion_type is not None:
            detail["deletion-type"] = kind.deletion_type
        return {
            "version": "0",
            "id": event_id,
            "detail-type": kind.detail_type,
            "source": "aws.s3",
            "account": origin.account,
            "time": f"{datetime.fromtimestamp(int(self.at), UTC):%Y-%m-%dT%H:%M:%SZ}",
            "region": origin.region,
            "resources": [origin.arn],
            "detail": detail,
        }


def s3_test_event(origin: Origin, at: float, request_id: str) -> dict[str, str]:
    """What a topic or a queue gets when it becomes a destination."""
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso_time(at),
        "Bucket": origin.bucket,
        "RequestId": request_id,
        "HostId": origin.host_id,
    }
