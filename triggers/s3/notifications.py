"""Which notification an event and a key belong to: rules, their overlap, and the index that answers at every put. Pure.

Two rules of a bucket never share an event, a prefix and a suffix, so at most one rule matches; the index finds it by
event name, then by exact prefix of each length in use, then by exact suffix, whatever the number of rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from urllib.parse import unquote_plus

import attrs

from triggers.s3.errors import InvalidArgument

AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
    "overlapping for the same event type."
)


@attrs.frozen
class Rule:
    """One configuration: these events, of keys with this prefix and suffix, go to this destination."""

    id: str
    kind: str
    """`CloudFunction`, `Topic` or `Queue`, as the XML names it."""
    arn: str
    events: tuple[str, ...]
    """As they were given: `("s3:ObjectCreated:*",)`."""
    event_names: frozenset[str]
    """What they mean, as records name it: `{"ObjectCreated:Put", ...}`."""
    filter_rules: tuple[tuple[str, str], ...] = ()
    """As they were given, with the names capitalised: `(("Prefix", "in/"),)`."""
    prefix: str = attrs.field(init=False)
    """What a key must begin with; a filter writes it URL-encoded, this is decoded."""
    suffix: str = attrs.field(init=False)

    @prefix.default
    def _prefix(self) -> str:
        return unquote_plus(dict(self.filter_rules).get("Prefix", ""))

    @suffix.default
    def _suffix(self) -> str:
        return unquote_plus(dict(self.filter_rules).get("Suffix", ""))


def check_overlap(rules: Iterable[Rule]) -> None:
    """Raise InvalidArgument if two rules share an event, and their prefixes and their suffixes overlap."""
    found = find_overlap(rules)
    if found is not None:
        one, other, event = found
        raise InvalidArgument(
            AMBIGUOUS,
            mend=f'"{one.id}" and "{other.id}" both want s3:{event} for the same keys; give them prefixes or '
            "suffixes of which neither contains the other, or notify a topic and subscribe both there",
        )


def find_overlap(rules: Iterable[Rule]) -> tuple[Rule, Rule, str] | None:
    """Two rules that clash and an event that they share, or None."""
    groups: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        for event in rule.event_names:
            groups[event].append(rule)
    for event in sorted(groups):
        # sorted, all prefixes that begin with p follow p: a stack holds the chain of prefixes of the current one
        chain: list[Rule] = []
        for rule in sorted(groups[event], key=lambda rule: rule.prefix):
            while chain and not rule.prefix.startswith(chain[-1].prefix):
                chain.pop()
            for other in chain:
                if rule.suffix.endswith(other.suffix) or other.suffix.endswith(rule.suffix):
                    return other, rule, event
            chain.append(rule)
    return None


@attrs.define(eq=False)
class _Suffixes:
    """The rules with one prefix, by their suffixes."""

    lengths: list[int]
    rules: dict[str, Rule]


@attrs.define(eq=False)
class _Prefixes:
    """The rules for one event, by their prefixes."""

    lengths: list[int]
    suffixes: dict[str, _Suffixes]


class Index:
    """Finds the one rule that an event and a key match; compiled anew when the configuration changes."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        by_event: dict[str, dict[str, dict[str, Rule]]] = defaultdict(lambda: defaultdict(dict))
        for rule in rules:
            for event in rule.event_names:
                by_event[event][rule.prefix][rule.suffix] = rule
        self._events = {
            event: _Prefixes(
                sorted({len(prefix) for prefix in prefixes}),
                {
                    prefix: _Suffixes(sorted({len(suffix) for suffix in suffixes}), suffixes)
                    for prefix, suffixes in prefixes.items()
                },
            )
            for event, prefixes in by_event.items()
        }

    def match(self, event: str, key: str) -> Rule | None:
        """The rule that wants this event of this key, or None."""
        table = self._events.get(event)
        if table is None:
            return None
        size = len(key)
        for length in table.lengths:
            if length > size:
                break
            found = table.suffixes.get(key[:length])
            if found is not None:
                for tail in found.lengths:
                    if tail > size:
                        break
                    rule = found.rules.get(key[size - tail :])
                    if rule is not None:
                        return rule
        return None
