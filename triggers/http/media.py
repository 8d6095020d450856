"""Which bodies are text, and which travel as base64; pure."""

from __future__ import annotations

from collections.abc import Iterable

TEXT_TYPES = ("application/json", "application/javascript", "application/xml")
"""Beside `text/*`, `*+json` and `*+xml`. AWS does not list what HTTP APIs and function URLs take for text."""


def media_type(content_type: str) -> str:
    """The type without its parameters: `text/html; charset=utf-8` is `text/html`."""
    return content_type.partition(";")[0].strip().lower()


def is_text(content_type: str | None) -> bool:
    """Whether HTTP APIs and function URLs pass such a body as text."""
    kind = media_type(content_type or "")
    return kind.startswith("text/") or kind in TEXT_TYPES or kind.endswith(("+json", "+xml"))


def is_binary(content_type: str | None, binary_types: Iterable[str]) -> bool:
    """Whether a REST API takes this type for binary, by its `binaryMediaTypes`."""
    kind = media_type(content_type or "")
    return any(_covers(pattern.lower(), kind) for pattern in binary_types)


def _covers(pattern: str, kind: str) -> bool:
    if pattern == "*/*":
        return True
    main, _, sub = pattern.partition("/")
    return kind.startswith(f"{main}/") if sub == "*" else bool(kind) and kind == pattern


def first_accepted(accept: str | None) -> str:
    """The media type that an Accept header is matched by: its first (developer guide, "Binary media types")."""
    return media_type((accept or "").partition(",")[0])
