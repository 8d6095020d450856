"""Multipart uploads that have begun and neither completed nor been aborted."""

from __future__ import annotations

import attrs

from triggers.s3.content import Settings
from triggers.s3.objects import Body


@attrs.define(eq=False)
class Part:
    """One part of an upload."""

    body: Body
    etag: str
    stored_at: float


@attrs.define(eq=False)
class Upload:
    """An upload with the parts that it has so far."""

    key: str
    upload_id: str
    begun_at: float
    settings: Settings
    parts: dict[int, Part] = attrs.field(factory=dict)
    number: int = 0
    """Its place in the order of their beginning, where a store keeps them."""
