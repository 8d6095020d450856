"""The request context: condition keys and their values, normalised once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen
class Context:
    """Condition keys of one request; names of keys ignore case, values are lists of text.

    A key with an empty list counts as absent (IAM User Guide, multivalued context keys).
    """

    _values: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, *sources: Mapping[str, str | Sequence[str]]) -> Context:
        """Merge mappings of condition keys; a later mapping wins over an earlier one."""
        values: dict[str, tuple[str, ...]] = {}
        for source in sources:
            for key, value in source.items():
                values[key.lower()] = (value,) if isinstance(value, str) else tuple(value)
        return cls(values)

    def values(self, key: str) -> tuple[str, ...]:
        """Return every value of a key; none if the key is absent."""
        return self._values.get(key.lower(), ())

    def single(self, key: str) -> str | None:
        """Return the value of a single-valued key, or None; several values are no single value."""
        values = self.values(key)
        return values[0] if len(values) == 1 else None
