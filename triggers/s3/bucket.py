"""A bucket: its objects, its versions, its policy, and the events it sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eventbus.arn import Arn
from eventbus.delivery.targets import Message, Source
from eventbus.timestamps import iso_time
from triggers.s3.content import PLAIN, etag_of
from triggers.s3.deleting import Deleting
from triggers.s3.errors import IllegalVersioningConfiguration, NoSuchBucket
from triggers.s3.event_types import PUT
from triggers.s3.listing import Listing
from triggers.s3.multipart import Multipart
from triggers.s3.reading import Reading
from triggers.s3.tagging import Tagging
from triggers.s3.wiring import Wiring

if TYPE_CHECKING:
    from eventbus.telemetry.trace import Cause


class Bucket(Multipart, Deleting, Reading, Listing, Tagging, Wiring):
    """One bucket, made by `s3.create_bucket(name)` and found by `s3[name]`.

    Operations on objects are asynchronous and need a running bus; those that can send an event first wait for room on
    it, and have a synchronous twin ending in `_nowait` that doesn't. Each checks that the caller may do it: inside a
    handler that is the function's role, outside the account's owner. Configuration is plain calls.

    On a bus with a store, what changes something returns when that is safe, together with the events that it causes,
    and raises StoreUnavailable when it could not be written: nothing has happened then. The twins don't wait for that,
    and block where a body of more than 64 KiB is written to its file, or read from it.
    """

    def __repr__(self) -> str:
        state = "deleted" if self._is_deleted else f"{len(self._store)} keys"
        versioning = "" if self._versioning is None else f", versioning {self._versioning}"
        return f"<Bucket {self.name}: {state}{versioning}, {len(self._configuration.rules)} notifications>"

    def __len__(self) -> int:
        """How many keys have an object, or versions or markers of one."""
        return len(self._store)

    def __bool__(self) -> bool:
        """A bucket is a thing, however empty."""
        return True

    # -- versioning ---------------------------------------------------------------------------------------------------

    def put_versioning(self, status: str) -> None:
        """Switch versioning to "Enabled" or "Suspended"; there is no way back to never. Raises for anything else.

        A store keeps what is set while the bus runs; what is set before the bus is entered takes precedence over that.
        """
        self._allowed("s3:PutBucketVersioning")
        if status not in ("Enabled", "Suspended"):
            raise IllegalVersioningConfiguration
        self._versioning = status
        if self._kept is not None:
            self._kept.set_versioning(status)

    # -- policy -------------------------------------------------------------------------------------------------------

    @property
    def policy(self) -> dict[str, Any] | None:
        """The bucket policy as a document, or None."""
        return self.access.document

    def put_policy(self, document: str | Mapping[str, Any] | None) -> None:
        """Replace the bucket policy; None removes it. Raises MalformedPolicy, with nothing changed."""
        self._allowed("s3:PutBucketPolicy")
        self.access.set(document)

    def allow(self, source: Any, *actions: str) -> None:
        """Let somebody do something with the bucket and its objects; `s3:PutObject` when no action is named.

        `source` is a function, a role, or the name or ARN of a principal.
        """
        self.access.allow(source, actions or self.send_action)

    # -- as the on-failure destination of a function ------------------------------------------------------------------

    def accept(self, message: Message, source: Source) -> Cause:
        """Store what a function's on-failure destination sends, under the key that Lambda gives it.

        Source: Lambda developer guide, "Capturing records of Lambda asynchronous invocations":
        `aws/lambda/async/FUNCTION/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-UUID`.
        """
        if self._is_deleted:
            raise NoSuchBucket(self.name)
        key = message.key or self._key_of_async_failure(source)
        body = message.body if isinstance(message.body, bytes) else message.body.encode()
        # however large, in its row: what follows from a fact cannot fail, as writing a file can
        version = self._new_version(key, body, etag_of(body), PLAIN)
        self._add(version)
        action = self._bus.note("put_object", self, key, message.cause)
        self._announce(PUT, version, action)
        return action

    def _key_of_async_failure(self, source: Source) -> str:
        now = iso_time(self._bus.clock.now())
        sender = Arn.parse(source.arn or source.principal)
        name = sender.resource.rpartition("/")[2].rpartition(":")[2]
        stamp = now[:19].replace(":", ".")
        return f"aws/lambda/async/{name}/{now[:10].replace('-', '/')}/{stamp}-{self._bus.ids.uuid()}"
