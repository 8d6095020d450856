"""What the dialects of the one pattern language allow.

Everything in which SNS filter policies, EventBridge event patterns and the filters of event source mappings differ is a
field of `Dialect`; the rest is one engine, as AWS's own is (https://github.com/aws/event-ruler).
"""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Dialect:
    """The operators, the nesting and the limits of one service; a limit of None is not checked."""

    name: str
    operators: frozenset[str]
    """What may stand as the key of a match expression: `{"prefix": ...}`."""
    anything_but_operators: frozenset[str]
    """What may stand inside `{"anything-but": {...}}`."""
    lists_inside_anything_but: bool
    """Whether `{"anything-but": {"prefix": [...]}}` takes a list beside a single text."""
    nesting: bool
    """Whether keys may hold objects."""
    empty_matches_all: bool
    """Whether `{}` means everything; otherwise it is refused."""
    max_size: int | None = None
    """Bytes of the JSON text."""
    max_keys: int | None = None
    """Leaf keys, each path counted once."""
    max_complexity: int | None = None
    """The sum over all alternatives of the products of (values x depth)."""
    max_combinations: int | None = None
    """Alternatives when every `$or` is multiplied out."""
    max_wildcards: int | None = None
    """`*` in a single wildcard pattern."""
    max_wildcard_points: int | None = None
    json_error_prefix: str = ""
    """What the service puts before the JSON parser's own words."""

    def __repr__(self) -> str:
        return f"<Dialect {self.name}>"


_ALL_OPERATORS = frozenset(
    {"prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr"}
)

# Source: SNS Developer Guide, "Filter policy constraints" and "String value matching", 2026: 256 KB, five keys, 150
# combinations, three wildcards a pattern, 100 points. Five keys are counted at the leaves, as the present text has it.
SNS_ATTRIBUTES = Dialect(
    name="SNS_ATTRIBUTES",
    operators=_ALL_OPERATORS,
    anything_but_operators=frozenset({"prefix", "suffix", "wildcard"}),
    lists_inside_anything_but=False,
    nesting=False,
    empty_matches_all=True,
    max_size=256 * 1024,
    max_keys=5,
    max_complexity=150,
    max_wildcards=3,
    max_wildcard_points=100,
    json_error_prefix="failed to parse JSON. ",
)
"""A filter policy with `FilterPolicyScope=MessageAttributes`."""

SNS_BODY = attrs.evolve(SNS_ATTRIBUTES, name="SNS_BODY", nesting=True)
"""A filter policy with `FilterPolicyScope=MessageBody`."""

# Source: EventBridge User Guide, "Comparison operators" and "Quotas", 2026. The quota page says 2,048 characters, the
# API model takes 4,096; what the API takes is not refused here.
EVENTBRIDGE = Dialect(
    name="EVENTBRIDGE",
    operators=_ALL_OPERATORS,
    anything_but_operators=frozenset({"prefix", "suffix", "equals-ignore-case", "wildcard"}),
    lists_inside_anything_but=True,
    nesting=True,
    empty_matches_all=False,
    max_size=4_096,
    max_combinations=1_000,
)
"""The event pattern of an EventBridge rule."""

# Source: Lambda Developer Guide, "Control which events Lambda sends to your function", 2026: no wildcard and no cidr.
EVENT_FILTER = attrs.evolve(
    EVENTBRIDGE,
    name="EVENT_FILTER",
    operators=_ALL_OPERATORS - {"wildcard", "cidr"},
    anything_but_operators=frozenset({"prefix", "suffix", "equals-ignore-case"}),
)
"""A filter of an event source mapping (`FilterCriteria`)."""
