"""Worked examples of SNS filter policies and EventBridge patterns, each with the answer that AWS's engine gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest

from triggers.patterns.language import (
    EVENTBRIDGE,
    SNS_ATTRIBUTES,
    SNS_BODY,
    attributes_as_event,
    body_as_event,
    compile_pattern,
)

DIALECTS = {dialect.name: dialect for dialect in (SNS_ATTRIBUTES, SNS_BODY, EVENTBRIDGE)}


class _Required(TypedDict):
    row: int
    dialect: str
    pattern: str
    matches: bool
    why: str


class Example(_Required, total=False):
    attributes: dict[str, dict[str, object]]
    message: str


EXAMPLES: list[Example] = json.loads(Path(__file__).with_name("worked_examples.json").read_text(encoding="utf-8"))


def event_of(example: Example) -> dict[str, object] | None:
    if "attributes" in example:
        return attributes_as_event(example["attributes"])
    return body_as_event(example["message"])


def name(example: Example) -> str:
    return f"{example['dialect']}-{example['row']}"


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_a_worked_example_has_the_answer_of_aws(example: Example) -> None:
    """The pattern matches exactly if AWS delivers; a body that is no JSON object matches nothing."""
    pattern = compile_pattern(example["pattern"], DIALECTS[example["dialect"]])
    event = event_of(example)
    assert (event is not None and pattern.matches(event)) is example["matches"], example["why"]


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_a_worked_example_is_explained(example: Example) -> None:
    """The explanation says that it matches exactly if it does."""
    pattern = compile_pattern(example["pattern"], DIALECTS[example["dialect"]])
    event = event_of(example)
    if event is not None:
        assert (pattern.explain(event) == "The pattern matches.") is example["matches"]


def test_all_examples_are_there() -> None:
    """101 rows for SNS and 56 for EventBridge."""
    assert len(EXAMPLES) == 101 + 56
