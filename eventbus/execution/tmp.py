"""Directories that stand for /tmp: one for each environment that asks for it, below one for the bus."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path


class TemporaryDirectories:
    """Those of one bus."""

    def __init__(self) -> None:
        self._base = ""
        self._root: Path | None = None
        self._made = 0

    def start(self) -> None:
        """Find out where temporary files go, while no handler's variables are in force."""
        self._base = tempfile.gettempdir()

    def make(self) -> Path:
        """A new, empty directory that only this user can read."""
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="eventbus-", dir=self._base))
        self._made += 1
        directory = self._root / str(self._made)
        directory.mkdir(mode=0o700)
        return directory

    def remove(self, directory: Path) -> None:
        """Remove one, with all that is in it; what cannot be removed is left to `remove_all`."""
        shutil.rmtree(directory, ignore_errors=True)

    def remove_all(self) -> None:
        """Remove all of them."""
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None
