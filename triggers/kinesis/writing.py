"""Putting records into a stream."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from eventbus.delivery.payload import as_text
from eventbus.errors import ConfigurationError, ValidationFailed
from eventbus.telemetry.trace import counted
from triggers.kinesis.core import StreamCore
from triggers.kinesis.errors import InvalidArgument, ProvisionedThroughputExceeded, StreamNotFound
from triggers.kinesis.hashing import explicit, hash_key
from triggers.kinesis.results import PutFailure, PutRecordResult, PutRecordsResult
from triggers.kinesis.shards import Shard, StoredRecord, sequence_of

if TYPE_CHECKING:
    from eventbus.delivery.targets import Message, Source
    from eventbus.telemetry.trace import Cause

LARGEST_RECORD = 2**20
"""Bytes of data in one record (Kinesis quotas; 10 MiB on request since 2025)."""
MOST_RECORDS = 500
"""Records of one `put_records`."""
_ENTRY_KEYS = {"data", "partition_key", "explicit_hash_key"}
_FIRST_HASH = attrgetter("first_hash")


class Writing(StreamCore):
    """PutRecord and PutRecords."""

    async def put_record(
        self, data: bytes | str, partition_key: str, *, explicit_hash_key: str | int | None = None
    ) -> PutRecordResult:
        """Put one record into the shard that the partition key belongs to: PutRecord.

        `data` is up to 1 MiB of bytes, or text in UTF-8; `partition_key` has 1 to 256 characters; `explicit_hash_key`
        chooses the shard instead. Raises ValidationFailed, InvalidArgument, or StoreUnavailable with nothing put.
        """
        self._bus.accepting("put_record")
        await self._bus.room(_reaches_nobody)
        result = self.put_record_nowait(data, partition_key, explicit_hash_key=explicit_hash_key)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def put_record_nowait(
        self, data: bytes | str, partition_key: str, *, explicit_hash_key: str | int | None = None
    ) -> PutRecordResult:
        """The synchronous twin of `put_record`: no turn for others, and no waiting for the store."""
        self._enter("put_record", "kinesis:PutRecord")
        result, _ = self._put_one(data, partition_key, explicit_hash_key, None)
        return result

    def accept(self, message: Message, source: Source, *, partition_key: str | None = None) -> Cause:
        """Take a record from another resource, which has checked the permission. Returns its trace node.

        Without a partition key it gets one of its own, which spreads records over the shards.
        """
        if self.is_deleted:
            raise StreamNotFound(self.name, self.account_id)
        key = self._bus.ids.uuid() if partition_key is None else partition_key
        _, node = self._put_one(as_text(message.body), key, None, message.cause)
        return node

    def _put_one(
        self, data: bytes | str, partition_key: str, explicit_hash_key: str | int | None, cause: Cause | None
    ) -> tuple[PutRecordResult, Cause]:
        content, _, key = _checked(data, partition_key, explicit_hash_key)
        shard = self._shard_of(key)
        self._check_throughput(shard, len(content))
        node = self._bus.note("put_record", self, partition_key, cause)
        result = self._put(shard, content, partition_key, node)
        self._written((len(content),))
        return result, node

    async def put_records(self, entries: Iterable[Mapping[str, Any]]) -> PutRecordsResult:
        """Put up to 500 records: PutRecords.

        Each entry is `{"data": ..., "partition_key": ...}`, with `explicit_hash_key` if wanted. An entry that is
        refused for the throughput of its shard is a `PutFailure` in the result; anything else that is wrong with one of
        them refuses them all.
        """
        self._bus.accepting("put_records")
        await self._bus.room(_reaches_nobody)
        result = self.put_records_nowait(entries)
        if self._kept is not None:
            await self._bus.synced()
        return result

    def put_records_nowait(self, entries: Iterable[Mapping[str, Any]]) -> PutRecordsResult:
        """The synchronous twin of `put_records`."""
        self._enter("put_records", "kinesis:PutRecords")
        batch = [_entry(position, entry) for position, entry in enumerate(entries)]
        if not 1 <= len(batch) <= MOST_RECORDS:
            raise ValidationFailed(
                f"{len(batch)} records",
                "records",
                f"Member must have length greater than or equal to 1 and less than or equal to {MOST_RECORDS}",
            )
        cause = self._bus.note("put_records", self, counted(len(batch), "record"))
        results: list[PutRecordResult | PutFailure] = []
        sizes: list[int] = []
        for data, partition_key, key in batch:
            shard = self._shard_of(key)
            try:
                self._check_throughput(shard, len(data))
            except ProvisionedThroughputExceeded as error:
                results.append(PutFailure(error.code, error.message))
                continue
            results.append(self._put(shard, data, partition_key, cause))
            sizes.append(len(data))
        self._written(sizes)
        return PutRecordsResult(tuple(results))

    def _check_throughput(self, shard: Shard, size: int) -> None:
        if self._throughput is None or self._throughput.may_write(shard.shard_id, size, self._bus.clock.now()):
            return
        self._bus.count("WriteProvisionedThroughputExceeded", self.arn)
        raise ProvisionedThroughputExceeded(shard.shard_id, self.name, self.account_id)

    def _shard_of(self, key: int) -> Shard:
        return self._open[bisect_right(self._open, key, key=_FIRST_HASH) - 1]

    def _put(self, shard: Shard, data: bytes, partition_key: str, cause: Cause) -> PutRecordResult:
        number = self._service.next_number()
        sequence = sequence_of(number, shard.number)
        record = StoredRecord(number, sequence, self._bus.clock.now(), partition_key, data, cause)
        if self._kept is None:
            shard.add(record)
        else:
            shard.unsafe += 1
            self._kept.put(shard, record, partial(self._lost, shard))
            self._kept.when_safe(partial(self._safe, shard, record))
        return PutRecordResult(shard.shard_id, str(sequence))

    def _safe(self, shard: Shard, record: StoredRecord) -> None:
        shard.unsafe -= 1
        if not self.is_deleted:
            shard.add(record)

    def _lost(self, shard: Shard) -> None:
        """The store could not write a record: whoever put it is told."""
        shard.unsafe -= 1

    def _written(self, sizes: Iterable[int]) -> None:
        """Count what was put, and let those know who read."""
        sizes = list(sizes)
        if sizes:
            self._bus.count("IncomingRecords", self.arn, len(sizes))
            self._bus.count("IncomingBytes", self.arn, sum(sizes))
        if self._kept is None:
            self._notify()
        else:
            self._kept.when_safe(self._notify)


def _entry(position: int, entry: Any) -> tuple[bytes, str, int]:
    if not isinstance(entry, Mapping) or not {"data", "partition_key"} <= entry.keys() <= _ENTRY_KEYS:
        raise ConfigurationError(
            f"entry {position} is {entry!r}; an entry is a mapping with 'data' and 'partition_key', and "
            "'explicit_hash_key' if wanted"
        )
    partition_key = entry["partition_key"]
    data, _, key = _checked(entry["data"], partition_key, entry.get("explicit_hash_key"))
    return data, partition_key, key


def _checked(data: object, partition_key: object, explicit_hash_key: object) -> tuple[bytes, str, int]:
    """The data as bytes, and the hash key that decides about the shard."""
    if isinstance(data, str):
        data = data.encode()
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ConfigurationError(f"data is bytes or text, not {type(data).__name__}; put json.dumps(...) of the value")
    if not isinstance(partition_key, str):
        raise ConfigurationError(f"partition_key={partition_key!r}: a text is needed")
    content = bytes(data)
    if len(content) > LARGEST_RECORD:
        raise ValidationFailed(
            f"{len(content)} bytes", "data", f"Member must have length less than or equal to {LARGEST_RECORD}"
        )
    if not 1 <= len(partition_key) <= 256:
        bound = "greater than or equal to 1" if not partition_key else "less than or equal to 256"
        raise ValidationFailed(partition_key, "partitionKey", f"Member must have length {bound}")
    if explicit_hash_key is None:
        return content, partition_key, hash_key(partition_key)
    if (key := explicit(explicit_hash_key)) is None:
        raise InvalidArgument(
            f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was "
            f"{explicit_hash_key}"
        )
    return content, partition_key, key


def _reaches_nobody(arn: str) -> bool:
    """What is put into a stream goes onto no function's queue, so nobody's full queue is waited for."""
    return False
