"""FilterCriteria: which records are worth an invocation. Pure.

Filters of one mapping are alternatives. What they see of a record is decoded first, and how depends on the source: a
queue's `body` is parsed when the pattern asks for its fields, a stream's `data` always is. Source: Lambda developer
guide, "Control which events Lambda sends to your function", and the pages for SQS, Kinesis and DynamoDB (2026).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from eventbus.errors import InvalidParameterValue, ValidationFailed
from triggers.patterns.language import EVENT_FILTER, InvalidPattern, Pattern, body_as_event, compile_pattern

MOST = 5
"""Filters of one mapping; a quota that AWS raises to 10 on request."""
LONGEST = 4096
"""Characters of one pattern."""

_DATA_KEYS = {"sqs": "body", "kinesis": "data", "dynamodb": "dynamodb"}


@attrs.frozen
class _Filter:
    pattern: Pattern
    decodes: bool
    """It asks for fields of the data, so data that cannot be decoded does not pass, whatever else it asks for."""


class Filters:
    """The compiled filters of one mapping. Raises InvalidParameterValue for a pattern that AWS refuses."""

    def __init__(self, kind: str, patterns: Sequence[Any]) -> None:
        if len(patterns) > MOST:
            raise ValidationFailed(
                len(patterns), "filterCriteria.filters", f"Member must have length less than or equal to {MOST}"
            )
        self._data_key = _DATA_KEYS[kind]
        self._filters = tuple(_compiled(kind, pattern) for pattern in patterns)

    def __bool__(self) -> bool:
        return bool(self._filters)

    def match_stream(self, view: Mapping[str, object]) -> bool:
        """Whether a stream's record passes; without filters everything does."""
        return not self._filters or any(
            (self._data_key in view or not chosen.decodes) and chosen.pattern.matches(view) for chosen in self._filters
        )

    def match_message(self, record: Mapping[str, object]) -> bool:
        """Whether a queue's message, as the function would see it, passes."""
        if not self._filters:
            return True
        parsed: dict[str, object] | None = None
        for chosen in self._filters:
            if not chosen.decodes:
                if chosen.pattern.matches(record):
                    return True
                continue
            if parsed is None:
                body = body_as_event(str(record["body"]))
                if body is None:
                    continue
                parsed = {**record, "body": body}
            if chosen.pattern.matches(parsed):
                return True
        return False


def as_criteria(patterns: Sequence[Any]) -> dict[str, Any]:
    """Patterns as AWS answers them."""
    return {"Filters": [{"Pattern": _text(pattern)} for pattern in patterns]}


def _text(pattern: Any) -> str:
    return pattern if isinstance(pattern, str) else json.dumps(pattern, separators=(",", ":"))


def _compiled(kind: str, pattern: Any) -> _Filter:
    try:
        compiled = compile_pattern(pattern, EVENT_FILTER)
    except InvalidPattern as error:
        raise _refused(error.reason) from None
    if len(_text(pattern)) > LONGEST:
        raise ValidationFailed("…", "filterCriteria.filters.pattern", f"at most {LONGEST} characters")
    key = _DATA_KEYS[kind]
    wanted = compiled.document.get(key)
    if kind != "sqs" and key in compiled.document and not isinstance(wanted, dict):
        raise _refused(f'the pattern for "{key}" must be an object')
    return _Filter(compiled, decodes=isinstance(wanted, dict))


def _refused(reason: str) -> InvalidParameterValue:
    return InvalidParameterValue("Invalid filter pattern definition.", mend=reason)
