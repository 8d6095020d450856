"""Amazon Resource Names: the six parts, and the ARNs that this project makes."""

from __future__ import annotations

import attrs

from eventbus.errors import ConfigurationError


@attrs.frozen
class Arn:
    """`arn:partition:service:region:account:resource`, split at its first five colons."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Split an ARN.

        Raises ConfigurationError if it has fewer than six parts or doesn't begin with `arn:`.
        """
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[2] or not parts[5]:
            raise ConfigurationError(f"{text!r} is not an ARN; an ARN reads arn:aws:service:region:account:resource")
        return cls(*parts[1:])

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def is_arn(text: object) -> bool:
    """Whether this is a text that has the shape of an ARN."""
    return isinstance(text, str) and text.startswith("arn:") and text.count(":") >= 5
