"""The bytes of objects on a bus with a store: small ones in their rows, large ones in files beside the store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread
import attrs

from eventbus.storage.errors import StoreUnavailable
from eventbus.storage.objects import ObjectFile, ObjectFiles
from triggers.s3.objects import Body

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventbus.bus import EventBus

INLINE = 64 * 1024
"""Bytes of a body that its row holds itself."""


@attrs.define(eq=False)
class Staged:
    """A large body that was written ahead of the step that stores it; nobody's until then."""

    file: ObjectFile
    etag: str
    """The MD5 of the content, or "" where nobody needs it."""
    of: object = None
    """The version that was copied."""
    is_taken: bool = False

    def __len__(self) -> int:
        return self.file.size


class Bodies:
    """Writes, reads and removes the files of large bodies; `next_number` gives names that no file ever had."""

    def __init__(self, bus: EventBus, files: ObjectFiles, next_number: Callable[[], int]) -> None:
        self._bus = bus
        self._files = files
        self._next_number = next_number
        self._readers: Counter[str] = Counter()
        self._doomed: set[str] = set()

    def name(self) -> str:
        """A new name for a file."""
        return f"{self._next_number():016x}"

    # -- writing ------------------------------------------------------------------------------------------------------

    async def stage(self, pieces: Sequence[Body], of: object = None, *, is_joined: bool = False) -> Staged:
        """Write pieces as one file, in a thread. Raises StoreUnavailable, with nothing written."""
        name = self.name()
        try:
            with self._held(piece.name for piece in pieces if isinstance(piece, ObjectFile)):
                return await anyio.to_thread.run_sync(partial(self._write, name, pieces, of, is_joined=is_joined))
        except BaseException:
            self._files.remove(name)
            raise

    def stage_now(self, pieces: Sequence[Body], of: object = None, *, is_joined: bool = False) -> Staged:
        """The same at once: it blocks until the disk has the file."""
        return self._write(self.name(), pieces, of, is_joined=is_joined)

    def _write(self, name: str, pieces: Sequence[Body], of: object, *, is_joined: bool) -> Staged:
        digest = hashlib.md5(usedforsecurity=False)
        blocks = self._blocks(pieces)
        try:
            file = self._files.write(name, blocks if is_joined else _digested(blocks, digest.update))
        except OSError as error:
            raise StoreUnavailable(error) from error
        return Staged(file, "" if is_joined else digest.hexdigest(), of)

    def _blocks(self, pieces: Sequence[Body]) -> Iterator[bytes]:
        for piece in pieces:
            if isinstance(piece, ObjectFile):
                yield from self._files.blocks(piece)
            else:
                yield piece

    def release(self, staged: Staged) -> None:
        """The step is over: a file that it did not take goes away."""
        if not staged.is_taken:
            self._files.remove(staged.file.name)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def read(self, file: ObjectFile, start: int, end: int) -> bytes:
        """A part of a body, read in a thread; the file stays there for as long, whatever becomes of the object."""
        with self._held([file.name]):
            return await anyio.to_thread.run_sync(self._files.read, file, start, end)

    @contextmanager
    def _held(self, names: Iterable[str]) -> Iterator[None]:
        held = list(names)
        self._readers.update(held)
        try:
            yield
        finally:
            self._readers -= Counter(held)
            for name in self._doomed.intersection(held):
                if name not in self._readers:
                    self._doomed.discard(name)
                    self._files.remove(name)

    def read_now(self, file: ObjectFile, start: int, end: int) -> bytes:
        """The same at once."""
        return self._files.read(file, start, end)

    # -- removing -----------------------------------------------------------------------------------------------------

    def remove(self, name: str) -> None:
        """No row names this file any more, and that is safe."""
        if name in self._readers:
            self._doomed.add(name)
        else:
            self._bus.start_background(self._remove, name)

    async def _remove(self, name: str) -> None:
        await anyio.to_thread.run_sync(self._files.remove, name)

    def remove_now(self, name: str) -> None:
        """The row that would have named this file was never written."""
        self._files.remove(name)


def _digested(blocks: Iterable[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for block in blocks:
        update(block)
        yield block
