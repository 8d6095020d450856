"""What a target gets of an event: all of it, a constant, a part, or a template that is filled in; pure.

A template is JSON with placeholders, or one or more quoted texts with placeholders. Where a placeholder stands decides
what it becomes: outside of quotes the JSON of its value, inside of them the bare text. Source: User Guide, "Input
transformation" (2026), and recorded deliveries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

import attrs

from eventbus.delivery.payload import Encoded, encode, parse
from triggers.eventbridge.errors import NotValid
from triggers.eventbridge.events import BusEvent, whole_seconds
from triggers.eventbridge.paths import MISSING, JSONPath, parse_path

LONGEST_INPUT: Final = 8_192
LONGEST_PATH: Final = 256
MOST_PATHS: Final = 100
_PLACEHOLDER: Final = re.compile(r"<([A-Za-z0-9_.\-]+)>", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_\-]{1,256}", re.ASCII)
_PREDEFINED: Final = frozenset(
    {
        "aws.events.rule-arn",
        "aws.events.rule-name",
        "aws.events.event.ingestion-time",
        "aws.events.event",
        "aws.events.event.json",
    }
)


class Input(Protocol):
    """One way to make what a target gets."""

    def of(self, event: BusEvent, rule_arn: str) -> Encoded:
        """The body that is sent."""

    def as_document(self) -> dict[str, Any]:
        """The part of the target's document that says so."""


@attrs.frozen
class WholeEvent:
    """The event as it is."""

    def of(self, event: BusEvent, rule_arn: str) -> Encoded:
        return event.body

    def as_document(self) -> dict[str, Any]:
        return {}


@attrs.frozen
class Constant:
    """`Input`: the same JSON text every time, character by character."""

    text: str

    def of(self, event: BusEvent, rule_arn: str) -> Encoded:
        return self.text

    def as_document(self) -> dict[str, Any]:
        return {"Input": self.text}


@attrs.frozen
class Part:
    """`InputPath`: what a path finds; an empty text where it finds nothing."""

    path: JSONPath

    def of(self, event: BusEvent, rule_arn: str) -> Encoded:
        found = self.path.find(event.document)
        return encode("" if found is MISSING else found)

    def as_document(self) -> dict[str, Any]:
        return {"InputPath": self.path.text}


@attrs.frozen
class Template:
    """`InputTransformer`: a template with placeholders."""

    text: str
    paths: Mapping[str, JSONPath]

    def of(self, event: BusEvent, rule_arn: str) -> Encoded:
        filled: list[str] = []
        end = 0
        for found, is_quoted in _placeholders(self.text):
            value = self._value(found[1], event, rule_arn)
            filled += self.text[end : found.start()], _pasted(value) if is_quoted else _inserted(value)
            end = found.end()
        return "".join((*filled, self.text[end:]))

    def _value(self, name: str, event: BusEvent, rule_arn: str) -> Any:
        if name in self.paths:
            return self.paths[name].find(event.document)
        match name:
            case "aws.events.rule-arn":
                return rule_arn
            case "aws.events.rule-name":
                return rule_arn.rpartition("/")[2]
            case "aws.events.event.ingestion-time":
                return whole_seconds(event.at)
            case "aws.events.event.json":
                return event.document
            case _:
                return {_camel_case(k): v for k, v in event.document.items() if k != "detail"}

    def as_document(self) -> dict[str, Any]:
        paths = {name: path.text for name, path in self.paths.items()}
        return {"InputTransformer": {"InputPathsMap": paths, "InputTemplate": self.text}}


def parse_input(target_id: str, document: Mapping[str, Any]) -> Input:
    """What a target's document says about its input. Raises NotValid with AWS's text."""
    given = [key for key in ("Input", "InputPath", "InputTransformer") if document.get(key) is not None]
    if len(given) > 1:
        raise NotValid(f"Only one of Input, InputPath, or InputTransformer must be provided for target {target_id}.")
    if given == ["Input"]:
        return Constant(checked_input(document["Input"], target_id))
    if given == ["InputPath"]:
        path = document["InputPath"]
        if not isinstance(path, str) or len(path) > LONGEST_PATH:
            raise NotValid(f"InputPath for target {target_id} is not valid", mend=f"a text of up to {LONGEST_PATH}")
        return Part(_path(path, f"InputPath for target {target_id}"))
    if given == ["InputTransformer"]:
        return _template(target_id, document["InputTransformer"])
    return WholeEvent()


def json_text(value: Any) -> str | None:
    """What stands for an input: a text as it is, the JSON of anything else. Raises NotValid for what has none."""
    if value is None or isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise NotValid("Input is not valid", mend=f"give a JSON value, or a text: {error}") from None


def checked_input(text: object, target_id: str) -> str:
    """A constant input: JSON text of up to 8,192 characters."""
    if not isinstance(text, str) or len(text) > LONGEST_INPUT:
        raise NotValid(
            f"Input for target {target_id} is not valid", mend=f"JSON text of up to {LONGEST_INPUT} characters"
        )
    try:
        parse(text)
    except ValueError as error:
        raise NotValid(f"JSON syntax error in input for target {target_id} : {error}.") from None
    return text


def _path(text: str, where: str) -> JSONPath:
    try:
        return parse_path(text)
    except ValueError as error:
        raise NotValid(f"Invalid {where}.", mend=str(error)) from None


def _template(target_id: str, document: object) -> Template:
    if not isinstance(document, Mapping) or not isinstance(document.get("InputTemplate"), str):
        raise NotValid(f"InputTransformer for target {target_id} is not valid", mend="give it an InputTemplate")
    text, paths = document["InputTemplate"], document.get("InputPathsMap") or {}
    if not 1 <= len(text) <= LONGEST_INPUT:
        raise NotValid(f"InputTemplate for target {target_id} must have 1 to {LONGEST_INPUT} characters.")
    if not isinstance(paths, Mapping) or not all(isinstance(one, str) for pair in paths.items() for one in pair):
        raise NotValid(
            f"InputPathsMap for target {target_id} is not valid: {paths!r}.", mend="it is a mapping of names to paths"
        )
    if len(paths) > MOST_PATHS:
        raise NotValid(f"InputPathsMap for target {target_id} must have at most {MOST_PATHS} entries.")
    for name in paths:
        if not _NAME.fullmatch(name) or name.upper().startswith("AWS"):
            raise NotValid(
                f"InputPathsMap for target {target_id} contains invalid key {name}.",
                mend="a key has letters, digits, _ and -, and does not begin with AWS",
            )
    for found, _ in _placeholders(text):
        if found[1] not in paths and found[1] not in _PREDEFINED:
            raise NotValid(f"InputTemplate for target {target_id} contains invalid placeholder {found[1]}.")
    _check_form(text, target_id)
    parsed = {name: _path(path, f"InputPathsMap for target {target_id}: {name}") for name, path in paths.items()}
    return Template(text, parsed)


def _check_form(text: str, target_id: str) -> None:
    """Refuse a template that is neither JSON nor lines of quoted texts, whatever its placeholders stand for."""
    outside: list[str] = []
    end = 0
    for found, is_quoted in _placeholders(text):
        outside += text[end : found.start()], "" if is_quoted else "0"
        end = found.end()
    sample = "".join((*outside, text[end:]))
    lines = [line for line in sample.splitlines() if line.strip()]
    if not _is_json(sample) and not all(line.lstrip().startswith('"') and _is_json(line) for line in lines):
        raise NotValid(
            f"InputTemplate for target {target_id} is not valid.",
            mend="a template is JSON, or lines of texts in double quotes, with <placeholders>",
        )


def _is_json(text: str) -> bool:
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def _placeholders(text: str) -> Iterator[tuple[re.Match[str], bool]]:
    """Every placeholder, and whether it stands inside of quotes."""
    is_quoted, position = False, 0
    for found in _PLACEHOLDER.finditer(text):
        while position < found.start():
            if text[position] == "\\" and is_quoted:
                position += 1
            elif text[position] == '"':
                is_quoted = not is_quoted
            position += 1
        yield found, is_quoted


def _inserted(value: Any) -> str:
    """A value where JSON is expected; nothing is an empty text."""
    return '""' if value is MISSING else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pasted(value: Any) -> str:
    """A value inside of quotes: texts as they are, everything else as JSON without its quotes."""
    if value is MISSING:
        return ""
    return value if isinstance(value, str) else _inserted(value).replace('"', "")


def _camel_case(key: str) -> str:
    first, *rest = key.split("-")
    return first + "".join(word.capitalize() for word in rest)
