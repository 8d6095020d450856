"""Versions, uploads and parts as rows of a store: a line of JSON, then the body, unless that is in a file."""

from __future__ import annotations

from typing import Any

from eventbus.storage.objects import ObjectFile
from triggers.keeping import as_row, from_row
from triggers.s3.content import Settings
from triggers.s3.objects import NOTHING, Body, Version
from triggers.s3.uploads import Part, Upload


def version_row(version: Version) -> bytes:
    """A version or a delete marker."""
    body = version.body
    head = [
        version.key,
        version.version_id,
        version.stored_at,
        version.etag,
        version.is_delete_marker,
        version.part_sizes,
        *_beside(version),
        _place(body),
    ]
    return as_row(head, _inline(body))


def version_from(row: bytes, number: int) -> Version:
    """What `version_row` was given."""
    head, body = from_row(row)
    (
        key,
        version_id,
        stored_at,
        etag,
        is_delete_marker,
        part_sizes,
        content_type,
        headers,
        metadata,
        tags,
        acl,
        place,
    ) = head
    return Version(
        key,
        version_id,
        stored_at,
        _body(place, body),
        etag,
        content_type,
        headers,
        metadata or NOTHING,
        tags or NOTHING,
        acl,
        tuple(part_sizes),
        is_delete_marker,
        number=number,
    )


def upload_row(upload: Upload) -> bytes:
    """An upload without its parts."""
    return as_row([upload.key, upload.upload_id, upload.begun_at, *_beside(upload.settings)])


def upload_from(row: bytes, number: int) -> Upload:
    """What `upload_row` was given."""
    key, upload_id, begun_at, content_type, headers, metadata, tags, acl = from_row(row)[0]
    settings = Settings(content_type, headers, metadata or NOTHING, tags or NOTHING, acl)
    return Upload(key, upload_id, begun_at, settings, number=number)


def part_row(part: Part) -> bytes:
    """A part."""
    return as_row([part.etag, part.stored_at, _place(part.body)], _inline(part.body))


def part_from(row: bytes) -> Part:
    """What `part_row` was given."""
    (etag, stored_at, place), body = from_row(row)
    return Part(_body(place, body), etag, stored_at)


def _beside(thing: Version | Settings) -> tuple[Any, ...]:
    return (thing.content_type, thing.headers, thing.metadata, thing.tags, thing.acl)


def _place(body: Body) -> tuple[str, int, int] | None:
    return (body.name, body.size, body.checksum) if isinstance(body, ObjectFile) else None


def _inline(body: Body) -> bytes:
    return b"" if isinstance(body, ObjectFile) else body


def _body(place: Any, inline: bytes) -> Body:
    return inline if place is None else ObjectFile(*place)
