"""Tags of a function: checked here, kept beside it. Source: TagResource and Lambda quotas (2026)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventbus.errors import ConfigurationError, InvalidParameterValue

MOST = 50
"""Tags that a function may have."""


def merged(before: Mapping[str, str], added: Any) -> dict[str, str]:
    """The tags when some more have been added.

    Raises InvalidParameterValue, or ConfigurationError for what is no dict of texts, with nothing changed.
    """
    if not isinstance(added, Mapping) or not all(isinstance(text, str) for pair in added.items() for text in pair):
        raise ConfigurationError(f"tags={added!r}: a dict of texts is needed")
    for key, value in added.items():
        if not 1 <= len(key) <= 128 or key.lower().startswith("aws:"):
            raise InvalidParameterValue(f"The tag key {key!r} has 1 to 128 characters and does not begin with aws:")
        if len(value) > 256:
            raise InvalidParameterValue(f"The value of the tag {key!r} is a text of up to 256 characters")
    after = {**before, **added}
    if len(after) > MOST:
        raise InvalidParameterValue(f"Number of tags exceeds resource tag limit of {MOST}.")
    return after
