"""Wrong arguments: one clear line each, and exit status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from triggers.cli import main


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["dmeo"], "argument COMMAND: invalid choice: 'dmeo' (choose from"),
        (["demo", "--sed", "3"], "eventbus demo: unrecognized arguments: --sed (see eventbus demo --help)"),
        (["demo", "--limit", "0"], "argument --limit: 0 is not a whole number from 1"),
        (["demo", "--limit", "many"], "argument --limit: many is not a whole number from 1"),
        (["demo", "--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["run"], "eventbus run: the following arguments are required: FILE.py (see eventbus run --help)"),
        (["run", "--timeout", "0", "x.py"], "argument --timeout: 0 is not a number of seconds above 0"),
        (["run", "--timeout", "nan", "x.py"], "argument --timeout: nan is not a number of seconds above 0"),
        (["run", "--backend", "curio", "x.py"], "argument --backend: invalid choice: 'curio'"),
    ],
)
def test_a_wrong_argument_is_one_line_on_stderr(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong, and where to read more."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    out, err = capsys.readouterr()
    assert (exit_.value.code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer types the name alone."""
    assert main([]) == 2
    assert "demo" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["run", "--help"], ["--version"]])
def test_help_and_version_are_answers(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """They go to stdout, and fit a terminal of 80 columns."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    out = capsys.readouterr().out
    assert exit_.value.code == 0
    assert out.startswith(("usage: eventbus", "eventbus "))
    assert max(map(len, out.splitlines())) <= 80


def test_a_directory_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing, empty or a file: each is said."""
    file = tmp_path / "a.txt"
    assert main(["demo", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"eventbus demo: {tmp_path} holds no files to take\n"
    assert main(["demo", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().err == f"eventbus demo: {tmp_path}/missing does not exist\n"
    file.touch()
    assert main(["demo", str(file)]) == 2
    assert capsys.readouterr().err == f"eventbus demo: {file} is a file; give the directory that holds it\n"
