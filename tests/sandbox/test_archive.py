"""Zip archives: what is unpacked, and what is refused before the first byte is written."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from eventbus.errors import InvalidParameterValue
from eventbus.execution.sandbox.archive import checked, unpack
from eventbus.execution.sandbox.values import MAX_UNZIPPED

TEXT = "Could not unzip uploaded file. Please check your file, then try to upload again."


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def package(*entries: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the double name that is wanted
        for info, data in entries:
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def test_files_keep_their_modes(tmp_path: Path) -> None:
    """Also in directories that have no entry of their own; without a mode a file can be read by all."""
    plain = zipfile.ZipInfo("deep/er/plain.txt")
    plain.create_system, plain.external_attr = 0, 0
    unpack(package((entry("bootstrap", stat.S_IFREG | 0o755), b"#!"), (plain, b"x"), (entry("d/"), b"")), tmp_path)
    assert stat.S_IMODE((tmp_path / "bootstrap").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "deep/er/plain.txt").stat().st_mode) == 0o644
    assert (tmp_path / "d").is_dir()


@pytest.mark.parametrize("kind", ["bytes", "path"])
def test_an_archive_is_given_as_bytes_or_as_a_path(kind: str, tmp_path: Path) -> None:
    """Both mean the same."""
    data, into = package((entry("app.py"), b"x = 1")), tmp_path / "into"
    (tmp_path / "code.zip").write_bytes(data)
    into.mkdir()
    unpack(data if kind == "bytes" else tmp_path / "code.zip", into)
    assert (into / "app.py").read_bytes() == b"x = 1"


HOSTILE: list[tuple[list[zipfile.ZipInfo], str]] = [
    ([entry("/etc/passwd")], "its entry '/etc/passwd' leads out of the directory"),
    ([entry("a/../../b")], "its entry 'a/../../b' leads out of the directory"),
    ([entry("..")], "its entry '..' leads out of the directory"),
    ([entry("..\\b")], "its entry '..\\\\b' leads out of the directory"),
    ([entry("c:/b")], "its entry 'c:/b' leads out of the directory"),
    ([entry("./")], "its entry './' has no name"),
    ([entry("d/" + "é" * 128)], f"its entry 'd/{'é' * 128}' has a name that no file can have"),
    ([entry("d/" * 1025 + "f")], f"its entry {'d/' * 1025 + 'f'!r} has a name that no file can have"),
    ([entry("link", stat.S_IFLNK | 0o777)], "its entry 'link' is a symbolic link"),
    ([entry("tty", stat.S_IFCHR | 0o666)], "its entry 'tty' is neither a file nor a directory"),
    ([entry("pipe", stat.S_IFIFO | 0o666)], "its entry 'pipe' is neither a file nor a directory"),
    ([entry("a"), entry("a")], "its entry 'a' comes twice"),
    ([entry("a"), entry("./a")], "its entry './a' comes twice"),
    ([entry("a"), entry("a/b")], "its entry 'a' is a file and a directory"),
]


@pytest.mark.parametrize(("entries", "reason"), HOSTILE)
def test_what_is_hostile_is_refused_and_nothing_is_written(
    entries: list[zipfile.ZipInfo], reason: str, tmp_path: Path
) -> None:
    """Even what stands before it in the archive."""
    with pytest.raises(InvalidParameterValue) as caught:
        unpack(package((entry("good"), b"x"), *((info, b"x") for info in entries)), tmp_path)
    assert caught.value.message == TEXT
    assert caught.value.mend == reason
    assert list(tmp_path.iterdir()) == []


def test_what_unpacks_to_more_than_250_mb_is_refused(tmp_path: Path) -> None:
    """By what its entries say, before any is unpacked; a small archive may hold much."""
    first, second = entry("a"), entry("b")
    first.file_size, second.file_size = MAX_UNZIPPED, 0
    assert len(checked([first, second])) == 2
    second.file_size = 1
    with pytest.raises(InvalidParameterValue) as caught:
        checked([first, second])
    assert caught.value.message == "Unzipped size must be smaller than 262144000 bytes"


def test_an_entry_that_holds_more_than_it_says_is_refused(tmp_path: Path) -> None:
    """A bomb that lies about its size."""
    data = bytearray(package((entry("bomb"), b"\0" * 1_000_000)))
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    with pytest.raises(InvalidParameterValue):
        unpack(bytes(data), tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 10


@pytest.mark.parametrize("data", [b"", b"no zip at all", package((entry("a"), b"x" * 100))[:-30]])
def test_what_is_no_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    """In AWS's words."""
    with pytest.raises(InvalidParameterValue, match="Could not unzip uploaded file"):
        unpack(data, tmp_path)


def test_an_archive_of_too_many_entries_is_refused() -> None:
    with pytest.raises(InvalidParameterValue, match="it has 20,001 entries") as caught:
        checked([entry(f"f{number}") for number in range(20_001)])
    assert TEXT.rstrip(".") in str(caught.value)
