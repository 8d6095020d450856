"""Patterns of terms: `ERROR timeout`, `?ERROR ?WARN`, `ERROR -retry`, `"exact phrase"`, `%AUTH[A-Z]+%`.

All plain terms must be there. Of terms with `?` one must be there, unless there are plain terms beside them: then
CloudWatch ignores them. No term with `-` may be there. Terms are parts of the text, and case counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from eventbus.telemetry.errors import InvalidFilterPattern
from eventbus.telemetry.filter_patterns.expressions import expression

_TERM = re.compile(r'\s*(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]*)%|(?P<word>[^\s"%]+))(?=\s|$)')
_WORD = re.compile(r"\w+")
MAX_EXPRESSIONS = 2
"""Regular expressions in one pattern."""


def terms(pattern: str) -> Callable[[str], bool]:
    """A predicate for a pattern of terms. Raises InvalidFilterPattern."""
    wanted: dict[str, list[Callable[[str], bool]]] = {"": [], "?": [], "-": []}
    at = expressions = 0
    while at < len(pattern):
        found = _TERM.match(pattern, at)
        if found is None:
            raise InvalidFilterPattern(pattern, f"it cannot be read from {pattern[at:].strip()[:20]!r} on")
        at = found.end()
        expressions += found["regex"] is not None
        wanted[found["sign"]].append(_term(found, pattern))
    if expressions > MAX_EXPRESSIONS:
        raise InvalidFilterPattern(pattern, f"it has {expressions} regular expressions, at most 2 are accepted")
    all_of, any_of, none_of = wanted[""], wanted["?"], wanted["-"]
    if all_of:
        any_of = []

    def matches(message: str) -> bool:
        return (
            all(has(message) for has in all_of)
            and (not any_of or any(has(message) for has in any_of))
            and not any(has(message) for has in none_of)
        )

    return matches


def _term(found: re.Match[str], pattern: str) -> Callable[[str], bool]:
    if found["regex"] is not None:
        return expression(found["regex"], pattern)
    if found["phrase"] is not None:
        text = re.sub(r"\\(.)", r"\1", found["phrase"])
    else:
        text = found["word"]
        if not _WORD.fullmatch(text):
            raise InvalidFilterPattern(
                pattern,
                f"the term {text!r} has other characters than letters, digits and underscores",
                mend=f'write it in double quotes, "{text}"',
            )
    return lambda message: text in message
