"""S3: the buckets of one bus."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from eventbus.errors import ConfigurationError
from eventbus.iam.principals import Principal
from triggers.looking_up import named
from triggers.s3.bucket import Bucket
from triggers.s3.errors import BucketAlreadyOwnedByYou, BucketNotEmpty, NoSuchBucket
from triggers.s3.keeping import Keeping
from triggers.s3.names import check_bucket_name
from triggers.s3.records import Origin

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.targets import Source
    from eventbus.execution.environment import Environment

_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_CUSTOMER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class S3:
    """The buckets of one bus: `s3 = S3(bus)`, once per bus; `s3["photos"]` looks one up.

    - `event_version`: what every record says in `eventVersion`. None, the default, gives what real records said in 2025
      and what handlers and their tests compare with: "2.1", and "2.3" for tagging and ACL events. AWS's text of 2026
      announces one version for all events; `event_version="2.6"` gives that.
    - `max_notifications`: configurations that a bucket may have; 100 as on AWS, None for no limit.

    On a bus with a store objects, versions and open uploads survive; buckets are declared again at start, and what the
    store has of one that isn't waits there until it is.

    Raises ConfigurationError for a second S3 on the same bus, or a version that isn't two numbers.
    """

    arn = "arn:aws:s3:::"
    name = "S3"

    def __init__(self, bus: EventBus, *, event_version: str | None = None, max_notifications: int | None = 100) -> None:
        if event_version is not None and not _is_version(event_version):
            raise ConfigurationError(f'event_version={event_version!r}: a version reads "2.1", or is None')
        bus.claim("S3", self)
        self._bus = bus
        self._event_version = event_version
        self.max_notifications = max_notifications
        self.event_bus_arn = f"arn:aws:events:{bus.region}:{bus.account_id}:event-bus/default"
        """Where events go once a bucket has EventBridge switched on."""
        self._owner_id = "A" + bus.ids.text(13, _CUSTOMER)
        self.owner_principal = f"AmazonCustomer:{self._owner_id}"
        self._host_id = bus.ids.text(75, _BASE64) + "="
        self._request_key = int(bus.ids.hex(16), 16)
        self._principals: dict[Source, str] = {}
        self._buckets: dict[str, Bucket] = {}
        # One counter for all buckets, begun at the time, so that no key sees a sequencer twice.
        self.next_number: Callable[[], int] = itertools.count(int(bus.clock.now()) << 32 | 1).__next__
        self._keeping: Keeping | None = None
        self._at_start: list[Callable[[], None]] = []
        bus.when_started(self._take_up)

    def __repr__(self) -> str:
        return f"<S3: {len(self._buckets)} buckets>"

    def create_bucket(self, name: str, versioning: bool = False) -> Bucket:
        """Make a bucket; with `versioning=True` it is switched on at once.

        In us-east-1 a bucket that exists is answered again, as on AWS; elsewhere that raises BucketAlreadyOwnedByYou.
        Raises InvalidBucketName, saying which rule the name breaks, or AccessDenied.
        """
        check_bucket_name(name)
        given: object = versioning
        if not isinstance(given, bool):
            raise ConfigurationError(f"versioning={given!r}: True or False")
        arn = f"arn:{self._bus.partition}:s3:::{name}"
        self._bus.authorize("s3:CreateBucket", arn, None, f'"{arn}"')
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = Bucket(self, self._bus, name, self._origin(name, arn))
            self._bus.register(bucket)
            self._buckets[name] = bucket
            if self._keeping is not None:
                bucket.keep(self._keeping)
        elif self._bus.region != "us-east-1":
            raise BucketAlreadyOwnedByYou(name)
        if versioning:
            bucket.put_versioning("Enabled")
        return bucket

    def _take_up(self) -> None:
        """The bus is entered: load what its store has of the buckets that are declared."""
        if self._bus.store is None:
            return
        self._keeping = keeping = Keeping(self._bus, self._bus.store, self.next_number())
        self.next_number = keeping.numbers.draw
        self._owner_id, self._host_id, self._request_key = keeping.identity(
            [self._owner_id, self._host_id, str(self._request_key)]
        )
        self._request_key = int(self._request_key)
        self.owner_principal = f"AmazonCustomer:{self._owner_id}"
        for bucket in self._buckets.values():
            bucket.keep(keeping)
            bucket._origin.identify(self._owner_id, self._host_id, self._request_key)
        keeping.warn(self._buckets)
        for call in self._at_start:
            call()
        self._at_start.clear()

    def after_start(self, call: Callable[[], None]) -> bool:
        """Whether something is put off until the store can say whether it was done before."""
        if self._bus.store is None or self._keeping is not None:
            return False
        self._at_start.append(call)
        return True

    def _origin(self, name: str, arn: str) -> Origin:
        bus = self._bus
        return Origin(
            name, arn, bus.region, bus.account_id, self._owner_id, self._host_id, self._request_key, self._event_version
        )

    def delete_bucket(self, name: str | Bucket) -> None:
        """Delete a bucket, by name or object. Raises NoSuchBucket, AccessDenied, or BucketNotEmpty: all versions and
        delete markers must be gone too.
        """
        bucket = self[name if isinstance(name, str) else name.name]
        bucket._allowed("s3:DeleteBucket")
        if len(bucket):
            raise BucketNotEmpty(bucket.name, is_versioned=bucket.versioning is not None)
        bucket._is_deleted = True
        if bucket._kept is not None:
            bucket._kept.close()
        del self._buckets[bucket.name]
        self._bus.unregister(bucket)

    def __getitem__(self, name: str) -> Bucket:
        """The bucket with this name. Raises NoSuchBucket, which is a KeyError."""
        try:
            return self._buckets[name]
        except KeyError:
            raise named(NoSuchBucket(name), "bucket", name, self._buckets) from None

    def __contains__(self, name: object) -> bool:
        return name in self._buckets

    def __iter__(self) -> Iterator[str]:
        """The names of the buckets, in alphabetical order as ListBuckets answers them."""
        return iter(sorted(self._buckets))

    def __len__(self) -> int:
        return len(self._buckets)

    def __bool__(self) -> bool:
        return True

    def principal_of(self, environment: Environment) -> str:
        """`userIdentity.principalId` of what a handler does: its role's unique id and the session's name."""
        source = environment.source
        known = self._principals.get(source)
        if known is None:
            known = self._principals[source] = f"AWS:{Principal.parse(source.principal).context()['aws:userid']}"
        return known


def _is_version(text: Any) -> bool:
    major, dot, minor = text.partition(".") if isinstance(text, str) else ("", "", "")
    return bool(dot) and major.isdigit() and minor.isdigit()
