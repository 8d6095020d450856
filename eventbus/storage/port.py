"""What the bus needs of a store."""

from __future__ import annotations

from typing import Protocol

from eventbus.storage.batches import BatchLog, Space


class Store(Protocol):
    """Rows in spaces: whatever has state that is to survive, in the engine or a source, keeps it through this."""

    log: BatchLog

    def open(self) -> None:
        """Take the store for one bus. Raises StoreInUse, StoreDamaged, StoreTooNew or StoreError."""

    def integers(self, name: str) -> Space[int]:
        """The space of this name, with integer keys."""

    def texts(self, name: str) -> Space[str]:
        """The space of this name, with text keys."""

    async def run(self) -> None:
        """Write batches until cancelled; one task of the bus."""

    async def aclose(self) -> None:
        """Write what is left, and let go."""

    def close(self) -> None:
        """Let go without writing."""
