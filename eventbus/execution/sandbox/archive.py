"""Deployment packages: a zip archive is looked at as a whole before the first byte of it is unpacked.

Limits: Lambda quotas (2026). What AWS's texts do not say stands behind them.
"""

from __future__ import annotations

import io
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from eventbus.errors import InvalidParameterValue
from eventbus.execution.sandbox.values import MAX_UNZIPPED

LONGEST_NAME, LONGEST_PATH = 255, 2048
"""Bytes of a file's name, characters of its path: what every file system of Linux takes below a directory."""
MOST_ENTRIES = 20_000
"""A limit of ours: a package has some thousand files, and each takes its time to be written."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UNIX = 3
ENCRYPTED = 0x1


def unpack(archive: bytes | Path, directory: Path) -> None:
    """Unpack a zip archive into an empty directory, with the modes of its files.

    Raises InvalidParameterValue, with nothing written, for what is no zip archive, unpacks to more than 250 MB, or
    holds an entry that leads out of the directory, comes twice, or is neither a file nor a directory.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive) if isinstance(archive, bytes) else archive) as package:
            entries = checked(package.infolist())
            for path, entry in entries.items():
                _unpack_entry(package, entry, directory / path)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, ValueError) as error:
        if isinstance(error, InvalidParameterValue):
            raise
        raise _not_unzipped(str(error)) from None


def checked(entries: list[zipfile.ZipInfo]) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The entries by their path. Raises InvalidParameterValue for the first that may not be unpacked."""
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    if len(entries) > MOST_ENTRIES:
        raise _not_unzipped(f"it has {len(entries):,} entries, and at most {MOST_ENTRIES:,} are unpacked here")
    size = 0
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if problem := _problem(entry, path):
            raise _not_unzipped(f"its entry {entry.filename!r} {problem}")
        if path in found:
            raise _not_unzipped(f"its entry {entry.filename!r} comes twice")
        found[path] = entry
        size += entry.file_size
        if size > MAX_UNZIPPED:
            raise InvalidParameterValue(f"Unzipped size must be smaller than {MAX_UNZIPPED} bytes")
    for path in found:
        for parent in path.parents:
            if parent in found and not found[parent].is_dir():
                raise _not_unzipped(f"its entry {str(parent)!r} is a file and a directory")
    return found


def _problem(entry: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    name = entry.filename
    if path.is_absolute() or ".." in path.parts or "\\" in name or (len(name) > 1 and name[1] == ":"):
        return "leads out of the directory"
    if not path.parts:
        return "has no name"
    if any(len(part.encode(errors="replace")) > LONGEST_NAME for part in path.parts) or len(name) > LONGEST_PATH:
        return "has a name that no file can have"
    kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == UNIX else 0
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a directory"
    if entry.flag_bits & ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in METHODS:
        return "is packed in an unusual way"
    return None


def _unpack_entry(package: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    mode = (entry.external_attr >> 16) & 0o777 if entry.create_system == UNIX else 0
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(mode | 0o700 if mode else 0o755)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with package.open(entry) as packed, target.open("xb") as file:
        shutil.copyfileobj(packed, file)
    target.chmod(mode or 0o644)


def _not_unzipped(reason: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        "Could not unzip uploaded file. Please check your file, then try to upload again.", mend=reason
    )
