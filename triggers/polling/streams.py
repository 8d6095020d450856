"""Reading a stream: shards in the order of their descent, each in its own order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triggers.polling.poller import BasePoller
from triggers.polling.positions import Position, Positions
from triggers.polling.readers import ShardReader
from triggers.polling.settings import AT_TIMESTAMP, LATEST

if TYPE_CHECKING:
    from triggers.polling.mapping import EventSourceMapping
    from triggers.polling.source import Shard, StreamSource


class StreamPoller(BasePoller):
    """Reads every shard of a stream whose parents are drained."""

    def __init__(self, mapping: EventSourceMapping, source: StreamSource) -> None:
        super().__init__(mapping)
        self.source = source
        self.read_action = source.poll_actions()[0]
        self.positions = Positions(self.bus, mapping.function.arn, source.arn)
        self._readers: dict[str, ShardReader] = {}

    def open(self) -> None:
        """Take up the stored positions, or begin where the mapping says.

        Where it begins is decided now, at once: nothing that is written after the mapping was made is missed.
        """
        self.positions.load()
        if not len(self.positions):
            for shard in self.source.shards():
                self.positions.put(shard.shard_id, Position(self._beginning(shard)))

    def _beginning(self, shard: Shard) -> int:
        settings = self.mapping.settings
        if settings.starting_position == LATEST:
            return shard.latest
        if settings.starting_position == AT_TIMESTAMP:
            assert settings.starting_position_timestamp is not None
            return shard.position_at(settings.starting_position_timestamp)
        return 0

    def wake(self) -> None:
        if not self.may_go_on:
            return
        shards = self.source.shards()
        if len(self._readers) != len(shards) or any(shard.shard_id not in self._readers for shard in shards):
            self._reconcile(shards)
        for reader in list(self._readers.values()):
            if reader.is_open:
                reader.wake()
        self.look_for_drained()

    def _reconcile(self, shards: Sequence[Shard]) -> None:
        current = {shard.shard_id: shard for shard in shards}
        for gone in [shard_id for shard_id in self._readers if shard_id not in current]:
            del self._readers[gone]
        self.positions.retain(set(current))
        for shard_id, shard in current.items():
            if shard_id not in self._readers:
                position = self.positions.get(shard_id) or Position(0)
                self._readers[shard_id] = ShardReader(self, shard, position)
        self._open_children()

    def _open_children(self) -> bool:
        """Let those shards be read whose parents are drained, or have been trimmed; says whether there was one."""
        found = False
        for reader in self._readers.values():
            if not reader.is_open and all(
                parent not in self._readers or self._readers[parent].is_drained for parent in reader.shard.parents
            ):
                reader.is_open = found = True
        return found

    def look_for_drained(self) -> None:
        """A lane has ended, or a shard was closed: children may begin."""
        if self.is_stopped or not any(not reader.is_open for reader in self._readers.values()):
            return
        if self._open_children():
            self.wake()

    def start(self) -> None:
        self._readers.clear()  # what was being retried begins anew, from the checkpoints
        super().start()

    def forget(self) -> None:
        self.positions.clear()

    def drop(self) -> None:
        for reader in self._readers.values():
            reader.is_dropped = True
        self._readers.clear()
        self.positions.clear()

    def take_over(self) -> None:
        """All of it: every record came after the mapping was made."""
        self.source = self.mapping.polled
