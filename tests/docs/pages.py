"""The pages of the documentation, and the pieces of code on them.

A fenced `python` block is run as it stands, in an interpreter of its own, with warnings as errors. What stands right
above it in an HTML comment changes that:

    <!-- file: photos.py -->        the block is this file; every other block of the page finds it beside itself
    <!-- not run: the reason -->    the block is only shown

A `text` block that follows directly is what the run prints, standard error included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)$")
_DIRECTIVE = re.compile(r"^<!-- (file|not run): (.+) -->$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$")


@attrs.frozen
class Block:
    """One fenced block of code."""

    page: Path
    line: int
    """Of the opening fence, from 1."""
    language: str
    code: str
    name: str | None = None
    """The file that the block is, from its `file` comment."""
    reason: str | None = None
    """Why it is not run, from its `not run` comment."""
    output: str | None = None
    """The `text` block that follows directly."""

    @property
    def id(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def is_test(self) -> bool:
        """Whether pytest is to run it."""
        return re.search(r"^(async )?def test_", self.code, re.MULTILINE) is not None


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, with its comment and its output."""
    found: list[Block] = []
    end = 0
    lines = page.read_text(encoding="utf-8").split("\n")
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        close = lines.index("```", number + 1)
        code = "".join(f"{line}\n" for line in lines[number + 1 : close])
        block = Block(page, number + 1, fence[1], code, **_directive(lines, number))
        if block.language == "text" and found and not any(lines[end + 1 : number]):
            found[-1] = attrs.evolve(found[-1], output=block.code)
        found.append(block)
        end, number = close, close + 1
    return found


def _directive(lines: list[str], fence: int) -> dict[str, str]:
    match = _DIRECTIVE.match(lines[fence - 1]) if fence else None
    return {} if match is None else {"name" if match[1] == "file" else "reason": match[2]}


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links to other files and to places in it."""
    for target in _LINK.findall(re.sub(r"`[^`]*`", "", prose(page))):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page says behind the `#`, as GitHub makes it."""
    headings = (match[1] for line in prose(page).split("\n") if (match := _HEADING.match(line)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: Path, title: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level, _, _ = title.partition(" ")
    text = page.read_text(encoding="utf-8")
    start = text.index(f"\n{title}\n") + len(title) + 2
    following = re.search(rf"^#{{1,{len(level)}}} ", text[start:], re.MULTILINE)
    return text[start:] if following is None else text[start : start + following.start()]


def first_column(table: str) -> list[str]:
    """The code in the first cells of a table's rows, without arguments: `` `S3(bus)` `` gives `S3`."""
    return re.findall(r"^\| `(\w+)[^`]*`", table, re.MULTILINE)
