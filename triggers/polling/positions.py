"""How far a mapping has read each shard: kept in the bus's store under the function and the source.

    mappings    function ARN | source ARN NUL shard   → [position, window]

A position is a fact: the records before it are dealt with, whatever cannot be written beside it. One that is lost means
that records are delivered again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from triggers.keeping import SEPARATOR, dumps, loads, rows_of
from triggers.polling.windows import Window

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.storage.batches import Space


@attrs.frozen
class Position:
    """Everything up to this sequence is dealt with; and the tumbling window that is open there."""

    sequence: int
    window: Window | None = None


class Positions:
    """The positions of one mapping, by shard."""

    def __init__(self, bus: EventBus, function_arn: str, source_arn: str) -> None:
        self._owner = f"{function_arn}|{source_arn}"
        self._bus = bus
        self._space: Space[str] | None = None
        self._by_shard: dict[str, Position] = {}

    def __len__(self) -> int:
        return len(self._by_shard)

    def load(self) -> None:
        """The bus runs: take up what its store has."""
        if self._bus.store is not None:
            self._space = self._bus.store.texts("mappings")
            for key, row in rows_of(self._space, self._owner):
                self._by_shard[key.partition(SEPARATOR)[2]] = _position(loads(row))

    def get(self, shard_id: str) -> Position | None:
        return self._by_shard.get(shard_id)

    def put(self, shard_id: str, position: Position) -> None:
        """Move on."""
        if self._by_shard.get(shard_id) == position:
            return
        self._by_shard[shard_id] = position
        if self._space is not None:
            self._space.put(self._key(shard_id), dumps(_row(position)))

    def retain(self, shard_ids: set[str]) -> None:
        """Forget the shards that are gone."""
        for shard_id in [known for known in self._by_shard if known not in shard_ids]:
            self._forget(shard_id)

    def clear(self) -> None:
        """Forget everything: the mapping is deleted."""
        for shard_id in list(self._by_shard):
            self._forget(shard_id)

    def _forget(self, shard_id: str) -> None:
        del self._by_shard[shard_id]
        if self._space is not None:
            self._space.delete(self._key(shard_id))

    def _key(self, shard_id: str) -> str:
        return f"{self._owner}{SEPARATOR}{shard_id}"


def _row(position: Position) -> list[Any]:
    window = position.window  # sequence numbers have more digits than a JSON parser keeps
    return [str(position.sequence), None if window is None else list(attrs.astuple(window, recurse=False))]


def _position(row: list[Any]) -> Position:
    sequence, window = row
    return Position(int(sequence), None if window is None else Window(*window))
