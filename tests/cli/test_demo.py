"""`eventbus demo`: what it shows, of its own files and of others."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cli.command import eventbus, interrupted, table
from triggers.demo import collect as collecting
from triggers.demo.collect import NothingToDo, collect, shown


def test_the_demo_of_the_samples_ends_with_the_right_numbers() -> None:
    """Eight files, two of them broken: 3 attempts each, 3 virtual minutes, 2 dead letters."""
    done = eventbus("demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert table(done.stdout) == {
        "catalogue": [8, 0, 0, 0],
        "checksum": [8, 0, 0, 0],
        "picture_size": [1, 0, 0, 0],
        "strict_parser": [8, 6, 4, 2],
        "word_statistics": [3, 0, 0, 0],
        "all": [28, 6, 4, 2],
    }
    assert "24 events: 22 finished, 2 dead-lettered" in done.stdout
    assert "3 min of virtual time, " in done.stdout
    assert "Given up: 2 events; the queue failed got 2 records of that." in done.stdout
    assert "  tables/ships.csv: RetriesExhausted after 3 attempts\n    ValueError: line 3 has 2 columns" in done.stdout


def test_it_tells_each_file_and_each_result() -> None:
    """Lines stand below the file that they are about; later ones say when, and which file."""
    lines = eventbus("demo").stdout.splitlines()
    at = lines.index("  [2/8] data/stations.json  (192 bytes)")
    assert lines[at + 1].startswith("        ✓ checksum        sha256 ")
    assert lines[at + 2] == "        ✓ strict_parser   items 3"
    assert lines[at + 3] == "        ✓ catalogue       files 2, bytes 238"
    assert " +3 min ✗ strict_parser   tables/ships.csv: attempt 3 failed, given up" in lines
    assert "put_object uploads/data/cut_short.json" in lines
    assert "      └─ attempt 3 after 180 s" not in lines
    assert any(line.startswith("      ├─ attempt 3 after 180 s: ValueError: ") for line in lines)
    assert all(len(line) <= 80 for line in lines[: lines.index("What happened, and because of what:")])


def test_the_same_seed_gives_the_same_tree() -> None:
    """Byte for byte, ids included; another seed gives other ids."""
    first, second, other = (eventbus("demo", "--quiet", "--seed", seed).stdout for seed in (7, 7, 8))
    tree = first.partition("\n\n")[0]
    assert tree.startswith("put_object uploads/data/cut_short.json\n└─ publish files/")
    assert second.partition("\n\n")[0] == tree
    assert other.partition("\n\n")[0] != tree


def test_the_diagram_is_alone_on_stdout() -> None:
    """So it can be redirected into a file; the rest goes to stderr."""
    done = eventbus("demo", "--mermaid")
    assert done.stdout.startswith("flowchart LR\n")
    assert all(line.startswith("    n") for line in done.stdout.splitlines()[1:])
    assert "[1/8] data/cut_short.json" in done.stderr
    assert table(done.stderr)["all"] == [28, 6, 4, 2]


@pytest.fixture
def odd_files(tmp_path: Path) -> Path:
    """A directory as they are found in the wild."""
    (tmp_path / "a dir").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a dir" / "with space & plus+%41.txt").write_text("one two two")
    (tmp_path / "żółw 日本.json").write_text("[1, 2]")
    (tmp_path / "bell\a.txt").write_text("")
    (tmp_path / "link.csv").symlink_to(tmp_path / "broken.csv")
    (tmp_path / "to nowhere").symlink_to(tmp_path / "nowhere")
    (tmp_path / "around").symlink_to(tmp_path)
    (tmp_path / "broken.csv").write_text("a,b\n1\n")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_odd_files_are_taken_or_said_to_be_skipped(odd_files: Path) -> None:
    """Spaces, other alphabets and links are taken; what is no file is not, and nothing hangs on a pipe."""
    found = collect(odd_files, 200)
    assert [file.key for file in found.files] == [
        "bell\a.txt",
        "broken.csv",
        "link.csv",
        "żółw 日本.json",
        "a dir/with space & plus+%41.txt",
    ]
    assert dict(found.skipped) == {
        "around/": "a link to a directory",
        "pipe": "not a regular file",
        "to nowhere": "a broken link",
    }
    assert found.hidden == 1


def test_the_demo_of_odd_files(odd_files: Path) -> None:
    """Keys come through the URL encoding of S3 records unharmed, into the index and back."""
    done = eventbus("demo", odd_files)
    assert done.returncode == 0
    assert "skipped pipe: not a regular file\n" in done.stderr
    assert "skipped 1 entry: names that begin with a dot are left alone\n" in done.stderr
    assert "[5/5] a dir/with space & plus+%41.txt  (11 bytes)\n" in done.stdout
    assert "✓ word_statistics words 3, different 2\n" in done.stdout
    assert "✓ strict_parser   items 2\n" in done.stdout
    assert "bell\\x07.txt" in done.stdout
    assert table(done.stdout)["strict_parser"] == [7, 6, 4, 2]
    assert table(done.stdout)["catalogue"] == [5, 0, 0, 0]


def test_a_file_that_cannot_be_read_is_skipped(tmp_path: Path) -> None:
    """Found out before, or only when it is read, as with a file of the kernel's."""
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "locked.txt").write_text("locked")
    (tmp_path / "locked.txt").chmod(0)
    (tmp_path / "memory").symlink_to("/proc/self/mem")
    done = eventbus("demo", tmp_path)
    assert done.returncode == 0
    if os.geteuid():  # root reads everything
        assert "skipped locked.txt: Permission denied\n" in done.stderr
    if Path("/proc/self/mem").exists():
        assert "skipped memory: Input/output error\n" in done.stderr
    assert "✓ word_statistics words 1, different 1\n" in done.stdout


def test_the_limit_is_announced(tmp_path: Path) -> None:
    """More files than the limit: the first ones are taken, and that is said; long trees are cut, and that is said."""
    for number in range(30):
        (tmp_path / f"{number:02}.bin").write_bytes(b"x")
    done = eventbus("demo", tmp_path, "--limit", 25)
    assert "skipped the rest: the first 25 files are taken; --limit N changes that\n" in done.stderr
    assert table(done.stdout)["checksum"] == [25, 0, 0, 0]
    assert "… and 22 more files, none of them with a failure (--full-tree shows all)\n" in done.stdout
    assert eventbus("demo", tmp_path, "--full-tree", "--quiet").stdout.count("\nput_object uploads/") == 29


def test_files_that_would_not_fit_into_memory_are_skipped(tmp_path: Path) -> None:
    """The buckets of the demo keep everything in memory, so there is a limit for all files together."""
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(collecting.MEMORY + 1)
    with pytest.raises(NothingToDo, match=r"huge\.bin: the demo keeps all files in memory, at most 512 MB of them"):
        collect(tmp_path, 200)


def test_names_that_no_key_can_have_are_skipped(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, and names that are too long for a key."""
    deep = tmp_path / ("d" * 250) / ("e" * 250) / ("f" * 250)
    deep.mkdir(parents=True)
    (deep / ("ż" * 125)).touch()
    (deep / ("g" * 250)).mkdir()
    (deep / ("g" * 250) / "h.txt").touch()
    try:
        Path(os.fsdecode(bytes(tmp_path) + b"/bad\xff.txt")).touch()
    except OSError:
        pytest.skip("this file system only takes UTF-8")
    found = collect(tmp_path, 200)
    assert [reason for _, reason in found.skipped] == ["its name is not UTF-8, as the key of an object has to be"]
    assert len(found.files) == 2


def test_names_are_shown_on_one_line() -> None:
    """Nothing in a name can move the cursor or colour the terminal."""
    assert shown("a\nb\x1b[31m ż.txt") == "a\\nb\\x1b[31m ż.txt"
    assert shown("bad\udcff") == "bad\\udcff"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_real_time_demo_with_what_is_known(number: signal.Signals, status: int) -> None:
    """While retries are waited for: the tree and the table are printed, and what was left is named."""
    code, out, err = interrupted("demo", "--real-time", after="All files are in.", with_signal=number)
    assert code == status
    assert err == "eventbus: stopping (a second signal stops at once)\n"
    assert table(out)["all"] == [24, 2, 0, 2]
    assert "  tables/ships.csv: BusClosed after 1 attempt\n" in out
    assert "put_object uploads/texts/lighthouse.md\n" in out
