"""Which files the demo takes from a directory, and which it leaves out and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs

SAMPLES = Path(__file__).with_name("files")
"""The files that the package ships."""
MEMORY = 512 * 1024**2
"""Bytes of all files together: the demo's buckets keep everything in memory."""
LONGEST_KEY = 1024 - len("entries/")
"""Bytes of a name: an object's key has at most 1024 (S3), and the index puts something before it."""


class NothingToDo(Exception):
    """A directory that the demo cannot work with; the text says why."""


@attrs.frozen
class File:
    """One file, and the key that it will have in the bucket."""

    path: Path
    key: str
    size: int


@attrs.define
class Collection:
    """The files to take, what was skipped (a name and the reason), and whether there were more than the limit."""

    files: list[File] = attrs.Factory(list)
    skipped: list[tuple[str, str]] = attrs.Factory(list)
    hidden: int = 0
    has_more: bool = False
    size: int = 0


def collect(directory: Path, limit: int) -> Collection:
    """Find the files of a directory and those below it, in the order of their names, at most `limit` of them.

    Raises NothingToDo for a directory that doesn't exist, cannot be read or holds nothing to take.
    """
    if not directory.exists():
        raise NothingToDo(f"{shown(str(directory))} does not exist")
    if not directory.is_dir():
        raise NothingToDo(f"{shown(str(directory))} is a file; give the directory that holds it")
    found = Collection()
    for path in _walk(directory, found):
        if len(found.files) == limit:
            found.has_more = True
            break
        _consider(path, path.relative_to(directory).as_posix(), found)
    if not found.files:
        raise NothingToDo(f"{shown(str(directory))} holds no files to take{_why_not(found)}")
    return found


def shown(name: str) -> str:
    """A name fit for one line of a terminal: what would move the cursor is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)


def _walk(directory: Path, found: Collection) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        where = Path(error.filename).relative_to(directory).as_posix()
        found.skipped.append((f"{where}/", error.strerror or str(error)))

    for parent, folders, names in os.walk(directory, onerror=unreadable):
        visible = [name for name in names if not name.startswith(".")]
        found.hidden += len(names) - len(visible) + sum(folder.startswith(".") for folder in folders)
        # os.walk goes on into what is left here; it never follows symbolic links to directories
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for folder in folders:
            if (linked := Path(parent, folder)).is_symlink():
                found.skipped.append((f"{linked.relative_to(directory).as_posix()}/", "a link to a directory"))
        yield from (Path(parent, name) for name in sorted(visible))


def _consider(path: Path, key: str, found: Collection) -> None:
    try:
        status = path.stat()
    except OSError as error:
        found.skipped.append((key, "a broken link" if path.is_symlink() else error.strerror or str(error)))
        return
    problem = _problem(path, key, status, found)
    if problem:
        found.skipped.append((key, problem))
    else:
        found.files.append(File(path, key, status.st_size))
        found.size += status.st_size


def _problem(path: Path, key: str, status: os.stat_result, found: Collection) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if not os.access(path, os.R_OK):
        return "Permission denied"
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8, as the key of an object has to be"
    if length > LONGEST_KEY:
        return f"its name has {length} bytes, the demo takes at most {LONGEST_KEY}"
    if found.size + status.st_size > MEMORY:
        return f"the demo keeps all files in memory, at most {MEMORY // 1024**2} MB of them"
    return ""


def _why_not(found: Collection) -> str:
    reasons = [f"{shown(name)}: {reason}" for name, reason in found.skipped[:3]]
    if len(found.skipped) > 3:
        reasons.append(f"and {len(found.skipped) - 3} more like these")
    if found.hidden:
        reasons.append(f"{found.hidden} with a name that begins with a dot")
    return f" ({'; '.join(reasons)})" if reasons else ""
