"""How a function is named: by its name, a part of its ARN, or the whole of it; pure."""

from __future__ import annotations

import re

import attrs

from eventbus.errors import InvalidParameterValue, ResourceNotFound, ValidationFailed

PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
"""Of a function's name, in the service's model."""
_NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?"
    r"(?:function:)?(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?",
    re.ASCII,
)
_QUALIFIER = re.compile(r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+", re.ASCII)
_MISMATCH = "The derived qualifier from the function name does not match the specified qualifier."


@attrs.frozen
class Named:
    """What a request says of the function that it is for."""

    name: str
    qualifier: str | None
    account: str | None


def read_name(text: str, qualifier: str | None, region: str) -> Named:
    """Read a FunctionName and the Qualifier beside it.

    Raises ValidationFailed for what is no name, InvalidParameterValue for two qualifiers that differ, ResourceNotFound
    for an ARN of another region.
    """
    found = _NAME.fullmatch(text)
    if found is None or len(text) > 256:
        raise ValidationFailed(text, "functionName", f"Member must satisfy regular expression pattern: {PATTERN}")
    check_qualifier(qualifier)
    if found["region"] not in (None, region):
        raise ResourceNotFound(f"Functions from '{found['region']}' are not reachable in this region ('{region}')")
    if qualifier is not None and found["qualifier"] not in (None, qualifier):
        raise InvalidParameterValue(_MISMATCH)
    return Named(found["name"], qualifier or found["qualifier"], found["account"])


def check_qualifier(qualifier: object) -> None:
    """Raise ValidationFailed for what no version and no alias can be called."""
    if qualifier is not None and not (isinstance(qualifier, str) and _QUALIFIER.fullmatch(qualifier)):
        raise ValidationFailed(
            qualifier, "qualifier", rf"Member must satisfy regular expression pattern: {_QUALIFIER.pattern}"
        )


def part_of_arn(text: str) -> Named | None:
    """What a name, or a part of an ARN, says; None if it is none."""
    found = _NAME.fullmatch(text)
    return None if found is None else Named(found["name"], found["qualifier"], found["account"])
