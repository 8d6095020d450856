"""Large bodies in files beside a store: `bus.db-objects/` beside `bus.db`, one file each.

A file is complete and synced, and so is its entry in the directory, before the row that names it is written; it is
removed after the row is gone. What a crash leaves in between is a file that no row names: it is swept at the next
start. Everything here blocks, and may be called from any thread.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import attrs

from eventbus.storage.errors import StoreDamaged
from eventbus.storage.port import Store

BLOCK = 1024 * 1024
"""Bytes that are read at a time where not all are wanted at once."""


@attrs.frozen
class ObjectFile:
    """What is to be remembered of a body in a file. Its length is that of the body."""

    name: str
    size: int
    checksum: int
    """CRC-32 of the content."""

    def __len__(self) -> int:
        return self.size


class ObjectFiles:
    """The files of one store."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self.directory = store.with_name(f"{store.name}-objects")

    @classmethod
    def of(cls, store: Store) -> ObjectFiles | None:
        """The files of a store that is a file itself; None for one in memory."""
        path = getattr(store, "path", None)
        return cls(path) if isinstance(path, Path) else None

    def write(self, name: str, blocks: Iterable[bytes]) -> ObjectFile:
        """Write a body and sync it. Raises OSError with nothing left behind."""
        if not self.directory.exists():
            self.directory.mkdir(exist_ok=True)
            _sync(self.directory.parent)
        size = checksum = 0
        path = self.directory / name
        try:
            with path.open("wb") as file:
                for block in blocks:
                    file.write(block)
                    size += len(block)
                    checksum = zlib.crc32(block, checksum)
                file.flush()
                os.fsync(file.fileno())
            _sync(self.directory)
        except BaseException:
            self.remove(name)
            raise
        return ObjectFile(name, size, checksum)

    def read(self, file: ObjectFile, start: int = 0, end: int | None = None) -> bytes:
        """The body, or a part of it. Raises StoreDamaged if it is not what was written, as far as that is read."""
        end = file.size if end is None else end
        try:
            with (self.directory / file.name).open("rb") as stream:
                stream.seek(start)
                content = stream.read(end - start)
        except FileNotFoundError:
            raise StoreDamaged(self._store, f"{self.directory.name}/{file.name} is missing") from None
        if len(content) != end - start or (len(content) == file.size and zlib.crc32(content) != file.checksum):
            raise StoreDamaged(self._store, f"{self.directory.name}/{file.name} does not match its checksum")
        return content

    def blocks(self, file: ObjectFile) -> Iterator[bytes]:
        """The body, block by block. Raises StoreDamaged, at the end at the latest, if it is not what was written."""
        size = checksum = 0
        for start in range(0, file.size, BLOCK):
            block = self.read(file, start, min(file.size, start + BLOCK))
            size += len(block)
            checksum = zlib.crc32(block, checksum)
            yield block
        if checksum != file.checksum:
            raise StoreDamaged(self._store, f"{self.directory.name}/{file.name} does not match its checksum")

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there, or cannot be removed now, is left to the sweep."""
        try:
            (self.directory / name).unlink()
        except OSError:
            pass

    def sweep(self, known: Collection[str]) -> list[str]:
        """Remove every file that no row names; returns their names."""
        if not self.directory.is_dir():
            return []
        orphans = sorted(entry.name for entry in os.scandir(self.directory) if entry.name not in known)
        for name in orphans:
            self.remove(name)
        return orphans


def _sync(directory: Path) -> None:
    if os.name == "nt":
        return  # a directory cannot be synced there, and its entries are journalled
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
