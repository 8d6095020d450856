"""What a pattern is refused with."""

from __future__ import annotations

from eventbus.errors import ConfigurationError


class InvalidPattern(ConfigurationError):
    """A filter policy or event pattern breaks the grammar or a limit of its dialect; nothing was compiled.

    `reason` is AWS's own text without the service's prefix (`Invalid parameter: FilterPolicy: `,
    `Event pattern is not valid. Reason: `) and without the trailing ` at [Source: ...]`; the service adds its prefix.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NestingNotSupported(InvalidPattern):
    """A nested object in a dialect without nesting; SNS words this one with the plain prefix `Invalid parameter: `."""

    def __init__(self) -> None:
        super().__init__("Filter policy scope MessageAttributes does not support nested filter policy")
