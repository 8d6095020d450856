"""Every condition operator as a row of one table: how it compares, and whether it is negated.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators". A value that its operator cannot read
(`NumericEquals` with `"ten"`) could never match, so it is refused when the policy is parsed. A request value that
cannot be read equals nothing: it fails every positive operator and satisfies every negated one.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import attrs

from eventbus.iam.context import Context
from eventbus.iam.matching import ArnPattern, TextPattern
from eventbus.iam.variables import Template


class PolicyValue(Protocol):
    """One value of a condition, compiled."""

    def accepts(self, value: str, context: Context) -> bool:
        """Whether a value of the request satisfies it."""
        ...


@attrs.frozen(eq=False)
class _Text:
    template: Template
    ignores_case: bool = False

    def accepts(self, value: str, context: Context) -> bool:
        fragments = self.template.fill(context)
        if fragments is None:
            return False
        wanted = "".join(fragment.text for fragment in fragments)
        return wanted.lower() == value.lower() if self.ignores_case else wanted == value


@attrs.frozen(eq=False)
class _Pattern:
    pattern: TextPattern | ArnPattern

    def accepts(self, value: str, context: Context) -> bool:
        return self.pattern.matches(value, context)


@attrs.frozen(eq=False)
class _Ordered:
    bound: Decimal
    read: Callable[[str], Decimal | None]
    compare: Callable[[Decimal, Decimal], bool]

    def accepts(self, value: str, context: Context) -> bool:
        number = self.read(value)
        return number is not None and self.compare(number, self.bound)


@attrs.frozen(eq=False)
class _Network:
    network: ipaddress.IPv4Network | ipaddress.IPv6Network

    def accepts(self, value: str, context: Context) -> bool:
        try:
            return ipaddress.ip_address(value) in self.network
        except ValueError:
            return False


@attrs.frozen(eq=False)
class _Bytes:
    content: bytes

    def accepts(self, value: str, context: Context) -> bool:
        return _base64(value) == self.content


# Readers of values ----------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_DATE = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(\.(?P<fraction>\d+))?)?(Z|(?P<offset>[+-][0-2]\d:[0-5]\d)))?)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - offsets are added by hand, which no year can overflow


def read_number(text: str) -> Decimal | None:
    """Read an integer or a decimal."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def read_date(text: str) -> Decimal | None:
    """Read a date as seconds since 1970: ISO 8601 in the W3C's profile, or those seconds themselves.

    Four digits alone are a year.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return read_number(text)
    year, month, day, hour, minute, second = (
        int(match[part] or default)
        for part, default in (("year", 0), ("month", 1), ("day", 1), ("hour", 0), ("minute", 0), ("second", 0))
    )
    try:
        since = datetime(year, month, day, hour, minute, second) - _EPOCH  # noqa: DTZ001
    except ValueError:
        return None
    seconds = since.days * 86_400 + since.seconds
    if offset := match["offset"]:
        east = int(offset[1:3]) * 3600 + int(offset[4:]) * 60
        seconds += east if offset[0] == "-" else -east
    return seconds + Decimal(f"0.{match['fraction'] or 0}")


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


# Compilers of policy values: they raise ValueError with the predicate of a sentence -----------------------------------


class Compiler(Protocol):
    """What turns the text of a policy value into a comparison."""

    def __call__(self, text: str, has_variables: bool) -> PolicyValue: ...


def _exact(text: str, has_variables: bool) -> PolicyValue:
    return _Text(Template.parse(text, has_variables=has_variables))


def _ignoring_case(text: str, has_variables: bool) -> PolicyValue:
    return _Text(Template.parse(text, has_variables=has_variables), ignores_case=True)


def _like(text: str, has_variables: bool) -> PolicyValue:
    return _Pattern(TextPattern.parse(text, has_variables=has_variables))


def _arn(text: str, has_variables: bool) -> PolicyValue:
    return _Pattern(ArnPattern.parse(text, has_variables=has_variables))


def _bool(text: str, has_variables: bool) -> PolicyValue:
    if text.lower() not in ("true", "false") and not (has_variables and "${" in text):
        raise ValueError('must be "true" or "false"')
    return _ignoring_case(text, has_variables)


def _binary(text: str, has_variables: bool) -> PolicyValue:
    content = _base64(text)
    if content is None:
        raise ValueError("must be base64")
    return _Bytes(content)


def _network(text: str, has_variables: bool) -> PolicyValue:
    prefix = text.partition("/")[2]
    try:
        if "/" in text and not (prefix.isascii() and prefix.isdigit() and len(prefix) <= 3):
            raise ValueError
        return _Network(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address or a range in CIDR notation") from None


def _number(compare: Callable[[Decimal, Decimal], bool]) -> Compiler:
    def compile_(text: str, has_variables: bool) -> PolicyValue:
        number = read_number(text)
        if number is None:
            raise ValueError("must be an integer or a decimal")
        return _Ordered(number, read_number, compare)

    return compile_


def _date(compare: Callable[[Decimal, Decimal], bool]) -> Compiler:
    def compile_(text: str, has_variables: bool) -> PolicyValue:
        instant = read_date(text)
        if instant is None:
            raise ValueError("must be a date such as 2026-01-02T03:04:05Z or seconds since 1970")
        return _Ordered(instant, read_date, compare)

    return compile_


@attrs.frozen
class Operator:
    """A comparison; a negated one holds if no value of the policy accepts the request's value."""

    compile: Compiler
    is_negated: bool = False


OPERATORS: Mapping[str, Operator] = {
    "StringEquals": Operator(_exact),
    "StringNotEquals": Operator(_exact, is_negated=True),
    "StringEqualsIgnoreCase": Operator(_ignoring_case),
    "StringNotEqualsIgnoreCase": Operator(_ignoring_case, is_negated=True),
    "StringLike": Operator(_like),
    "StringNotLike": Operator(_like, is_negated=True),
    "NumericEquals": Operator(_number(operator.eq)),
    "NumericNotEquals": Operator(_number(operator.eq), is_negated=True),
    "NumericLessThan": Operator(_number(operator.lt)),
    "NumericLessThanEquals": Operator(_number(operator.le)),
    "NumericGreaterThan": Operator(_number(operator.gt)),
    "NumericGreaterThanEquals": Operator(_number(operator.ge)),
    "DateEquals": Operator(_date(operator.eq)),
    "DateNotEquals": Operator(_date(operator.eq), is_negated=True),
    "DateLessThan": Operator(_date(operator.lt)),
    "DateLessThanEquals": Operator(_date(operator.le)),
    "DateGreaterThan": Operator(_date(operator.gt)),
    "DateGreaterThanEquals": Operator(_date(operator.ge)),
    "Bool": Operator(_bool),
    "BinaryEquals": Operator(_binary),
    "IpAddress": Operator(_network),
    "NotIpAddress": Operator(_network, is_negated=True),
    "ArnEquals": Operator(_arn),
    "ArnLike": Operator(_arn),
    "ArnNotEquals": Operator(_arn, is_negated=True),
    "ArnNotLike": Operator(_arn, is_negated=True),
}
"""Null is not among them: it asks about presence, not about values (see conditions)."""
