"""Code that is a directory: what tells it as it is now from what it was, and a copy of it that stays as it is.

What Python writes beside the code (`__pycache__`) is no part of it. Links are followed, but not in circles, so that a
copy has everything that is needed to run it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs

from eventbus.errors import ConfigurationError, InvalidParameterValue
from eventbus.execution.sandbox.values import MAX_UNZIPPED

_NO_CODE = frozenset({"__pycache__"})


@attrs.frozen
class File:
    """One file below a directory."""

    name: str
    """Its path from the directory, with slashes."""
    path: Path
    is_executable: bool
    size: int
    version: tuple[int, int, int]
    """What changes when the file does: its inode, its size, and when it was written."""


def files_of(directory: Path) -> list[File]:
    """The files of a directory, by name. Raises ConfigurationError if it isn't there or cannot be read."""
    try:
        return sorted(_files(directory, "", ()), key=lambda file: file.name)
    except OSError as error:
        raise ConfigurationError(f"the code in {directory} cannot be read: {error}") from None


def _files(directory: Path, stem: str, above: tuple[tuple[int, int], ...]) -> Iterator[File]:
    here = os.stat(directory)
    inside = (*above, (here.st_dev, here.st_ino))
    for entry in os.scandir(directory):
        try:
            found = os.stat(entry.path)
        except FileNotFoundError:
            continue  # a link to nothing, or a file that was there a moment ago
        if stat.S_ISDIR(found.st_mode):
            if entry.name not in _NO_CODE and (found.st_dev, found.st_ino) not in inside:
                yield from _files(Path(entry.path), f"{stem}{entry.name}/", inside)
        elif stat.S_ISREG(found.st_mode):
            version = (found.st_ino, found.st_size, found.st_mtime_ns)
            is_executable = bool(found.st_mode & stat.S_IXUSR)
            yield File(stem + entry.name, Path(entry.path), is_executable, found.st_size, version)


def digest_of(files: list[File]) -> str:
    """The base64 of a SHA-256 that is the same for the same files. Raises ConfigurationError."""
    digest = hashlib.sha256()
    try:
        for file in files:
            content = hashlib.sha256(file.path.read_bytes()).digest()
            digest.update(repr((file.name, file.is_executable)).encode(errors="surrogateescape") + content)
    except OSError as error:
        raise ConfigurationError(f"the code in {error.filename} cannot be read: {error}") from None
    return base64.b64encode(digest.digest()).decode()


def copy(directory: Path, target: Path) -> int:
    """Copy a directory, and answer how many bytes its files have.

    Raises InvalidParameterValue, with nothing copied, for more than a package may have.
    """
    files = files_of(directory)
    size = sum(file.size for file in files)
    if size > MAX_UNZIPPED:
        raise InvalidParameterValue(
            f"Unzipped size must be smaller than {MAX_UNZIPPED} bytes",
            mend=f"{directory} has {size}: give the code a directory of its own",
        )
    target.mkdir()
    for file in files:
        place = target / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, place)
        place.chmod(0o755 if file.is_executable else 0o644)
    return size
