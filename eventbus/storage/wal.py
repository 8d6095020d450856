"""Reads SQLite's write-ahead log, to tell what a crash leaves from what is lost.

SQLite reads the log up to the first frame that does not match its checksum, and takes everything behind it for
unfinished, without a word. Mostly it is. But where whole transactions follow, or where the index of the log has seen
more of them, something that was committed is gone.

A log is a header of 32 bytes and frames: 24 bytes of header and a page each. A frame belongs to the log if it carries
the salt of the log's header; checksums run on from frame to frame. (https://www.sqlite.org/fileformat2.html#walformat)
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

HEADER, FRAME_HEADER = 32, 24
MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
"""The byte order of the words that the checksums are made of."""


def lost_from(log: Path, index: Path) -> str | None:
    """What was committed to this log and cannot be read any more, in one sentence; None if nothing was."""
    size = log.stat().st_size if log.is_file() else 0
    seen = _seen_by(index)
    if size == 0:
        return None  # a log that is not there was written back to the file
    with log.open("rb") as file:
        header = file.read(HEADER)
        words = struct.unpack(">8L", header) if len(header) == HEADER else None
        order = "" if words is None else MAGIC.get(words[0], "")
        if words is None or not order or _checksum(header[:24], order, (0, 0)) != words[6:8]:
            if words is None and seen is None:
                return None  # the first transaction was never finished
            return f"{log.name} has a damaged header: none of its {size:,} bytes can be read"
        salt, page = header[16:24], words[2]
        read, committed = _follow(file, order, words[6:8], salt, page)
        if (commits := _commits(file, read, salt, page)) > 0:
            return f"{log.name} is damaged at frame {read + 1}: {commits} committed transactions behind it are lost"
    if seen is not None and seen[0] == salt and seen[1] > committed:
        return f"{log.name} is torn: {seen[1] - committed} of {seen[1]} committed frames are lost"
    return None


def _follow(file: BinaryIO, order: str, checksum: tuple[int, int], salt: bytes, page: int) -> tuple[int, int]:
    """How many frames can be read, and up to which of them they are committed."""
    read = committed = 0
    while len(frame := file.read(FRAME_HEADER + page)) == FRAME_HEADER + page:
        checksum = _checksum(frame[:8] + frame[FRAME_HEADER:], order, checksum)
        if frame[8:16] != salt or struct.unpack(">2L", frame[16:24]) != checksum:
            break
        read += 1
        if frame[4:8] != b"\0\0\0\0":
            committed = read
    return read, committed


def _commits(file: BinaryIO, read: int, salt: bytes, page: int) -> int:
    """How many transactions end behind the frames that can be read; an unfinished one has no end."""
    commits, place = 0, HEADER + read * (FRAME_HEADER + page)
    while True:
        file.seek(place)
        frame = file.read(FRAME_HEADER)
        if len(frame) < FRAME_HEADER:
            return commits
        is_whole = len(file.read(page)) == page
        commits += is_whole and frame[8:16] == salt and frame[4:8] != b"\0\0\0\0"
        place += FRAME_HEADER + page


def _seen_by(index: Path) -> tuple[bytes, int] | None:
    """The salt of the log that this index is of, and how many frames of it were committed when it was last used."""
    try:
        with index.open("rb") as file:
            header = file.read(48)
    except OSError:
        return None
    if len(header) < 48 or not header[12]:
        return None
    frames: int = struct.unpack("=L", header[16:20])[0]
    return header[32:40], frames


def _checksum(content: bytes, order: str, before: tuple[int, int]) -> tuple[int, int]:
    first, second = before
    words = struct.unpack(f"{order}{len(content) // 4}L", content)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
