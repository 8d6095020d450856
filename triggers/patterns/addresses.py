"""IP addresses in event values and the `cidr` operator."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

import attrs

from triggers.patterns.errors import InvalidPattern

_LONGEST_ADDRESS = 45
"""The longest IPv6 text, with an embedded IPv4 address."""


class Address(NamedTuple):
    """An IP address as something that can be compared: IPv4 and IPv6 never meet."""

    version: int
    number: int


def address_of(value: object) -> Address | None:
    """The address that `value` spells, or None when it is anything but the text of one IPv4 or IPv6 address."""
    if (
        not isinstance(value, str)
        or len(value) > _LONGEST_ADDRESS
        or not ("." in value or ":" in value)
        or "%" in value
    ):
        return None
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    return Address(address.version, int(address))


@attrs.frozen
class AddressRange:
    """Addresses from `first` to `last`, both included."""

    first: Address
    last: Address

    def accepts(self, value: object) -> bool:
        address = address_of(value)
        return address is not None and self.first <= address <= self.last


def parse_cidr(text: str) -> AddressRange:
    """Read `10.0.0.0/8` or `2001:db8::/32`, or raise InvalidPattern in Event Ruler's words."""
    address_text, slash, bits_text = text.partition("/")
    if not slash or "/" in bits_text:
        raise InvalidPattern("Malformed CIDR, one '/' required")
    bits = _mask_bits(bits_text)
    address = address_of(address_text)
    if address is None:
        raise InvalidPattern(f"Nonstandard IP address: {address_text}")
    width = 32 if address.version == 4 else 128
    # Event Ruler really refuses the full width: an address of its own is written as an exact value.
    if bits >= width:
        raise InvalidPattern(f"IPv{address.version} mask bits must be < {width}")
    hosts = (1 << (width - bits)) - 1
    return AddressRange(
        Address(address.version, address.number & ~hosts),
        Address(address.version, address.number | hosts),
    )


def _mask_bits(text: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    # Ten digits are more than any mask has; Python's int() would also take blanks, underscores and other scripts.
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        raise InvalidPattern("Malformed CIDR, mask bits must be an integer")
    bits = int(text)
    if bits < 0:
        raise InvalidPattern("Malformed CIDR, mask bits must not be negative")
    return bits
