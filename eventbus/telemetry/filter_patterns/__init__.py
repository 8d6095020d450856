"""CloudWatch Logs filter patterns: which log events does a pattern want?

Three languages share one string. What begins with `{` looks into JSON, what begins with `[` names the columns of a
line, and everything else is a list of terms. A compiled pattern is a plain function from a message to a boolean.
Source: CloudWatch Logs user guide, "Filter pattern syntax for metric filters, subscription filters, and filter log
events" (2026).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from eventbus.telemetry.errors import InvalidFilterPattern
from eventbus.telemetry.filter_patterns.columns import columns
from eventbus.telemetry.filter_patterns.selectors import selection
from eventbus.telemetry.filter_patterns.terms import terms

MAX_LENGTH = 1024
"""Characters of a pattern (FilterLogEvents)."""


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Make a predicate on messages of a filter pattern; the empty pattern wants everything.

    Raises InvalidFilterPattern, naming what is wrong with it.
    """
    if not isinstance(pattern, str):
        raise InvalidFilterPattern(repr(pattern), "a text is needed")
    return _compiled(pattern)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Callable[[str], bool]:
    if len(pattern) > MAX_LENGTH:
        raise InvalidFilterPattern(
            f"{pattern[:20]}…", f"it has {len(pattern):,} characters, at most 1,024 are accepted"
        )
    text = pattern.strip()
    if not text:
        return lambda message: True
    if text.startswith("{"):
        return selection(text)
    if text.startswith("["):
        return columns(text)
    return terms(text)
