"""What S3 accepts as the name of a bucket, as a key, as metadata and as tags. Pure.

Source: S3 user guide, "General purpose bucket naming rules" (2026), "Naming Amazon S3 objects", "Working with object
metadata", "Categorizing your storage using tags".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from triggers.s3.errors import (
    MAX_KEY,
    InvalidArgument,
    InvalidBucketName,
    InvalidTag,
    KeyTooLongError,
    MalformedXML,
    MetadataTooLarge,
    TooManyTags,
)

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")
_ENDS = _NAME - frozenset(".-")
_FORBIDDEN_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_FORBIDDEN_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
MAX_METADATA = 2048
MAX_TAGS = 10
MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256
_TAG_EXTRAS = frozenset(" +-=._:/@")

Tags: TypeAlias = Mapping[str, str] | Iterable[Mapping[str, str]] | str
"""`{"project": "cats"}`, boto3's `[{"Key": "project", "Value": "cats"}]`, or the header's `"project=cats&n=1"`."""


def check_bucket_name(name: object) -> None:
    """Raise InvalidBucketName, saying which rule was broken."""
    rule = _broken_rule(name)
    if rule is not None:
        raise InvalidBucketName(str(name), rule)


def _broken_rule(name: object) -> str | None:
    if not isinstance(name, str) or not 3 <= len(name) <= 63:
        return "a bucket's name has 3 to 63 characters"
    if not _NAME.issuperset(name):
        return "a bucket's name is made of lower-case letters, digits, dots and hyphens"
    if name[0] not in _ENDS or name[-1] not in _ENDS:
        return "a bucket's name begins and ends with a letter or a digit"
    if ".." in name:
        return "a bucket's name has no two dots in a row"
    if _is_ipv4(name):
        return "a bucket's name must not look like an IP address"
    for prefix in _FORBIDDEN_PREFIXES:
        if name.startswith(prefix):
            return f"a bucket's name must not begin with {prefix}"
    for suffix in _FORBIDDEN_SUFFIXES:
        if name.endswith(suffix):
            return f"a bucket's name must not end with {suffix}"
    return None


def _is_ipv4(name: str) -> bool:
    parts = name.split(".")
    return len(parts) == 4 and all(part.isdigit() for part in parts)


def check_key(key: object) -> None:
    """Raise InvalidArgument for an empty or unencodable key, KeyTooLongError for one of more than 1,024 bytes."""
    if not isinstance(key, str) or not key:
        raise InvalidArgument("An object key is a text of at least one character", "Key", str(key))
    if key.isascii():
        size = len(key)
    else:
        try:
            size = len(key.encode())
        except UnicodeEncodeError:
            raise InvalidArgument("An object key is a text that UTF-8 can encode", "Key", ascii(key)) from None
    if size > MAX_KEY:
        raise KeyTooLongError(size)


def clean_metadata(metadata: Mapping[Any, Any]) -> dict[str, str]:
    """User metadata with lower-case names. Raises MetadataTooLarge beyond 2 KB of names and values together."""
    given: object = metadata
    if not isinstance(given, Mapping):
        raise InvalidArgument("Metadata are texts by name", "Metadata", repr(given))
    clean: dict[str, str] = {}
    for name, value in metadata.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgument("Metadata are texts by name", "Metadata", repr({name: value}))
        clean[name.lower()] = value
    size = sum(len(text.encode("utf-8", "surrogatepass")) for pair in clean.items() for text in pair)
    if size > MAX_METADATA:
        raise MetadataTooLarge(size, MAX_METADATA)
    return clean


def clean_tags(tags: Tags) -> dict[str, str]:
    """Tags as a dict of texts. Raises InvalidTag, TooManyTags, InvalidArgument or MalformedXML."""
    pairs = _tag_pairs(tags)
    clean: dict[str, str] = {}
    for key, value in pairs:
        if not isinstance(key, str) or not 1 <= len(key) <= MAX_TAG_KEY or not _is_tag_text(key):
            raise InvalidTag("The TagKey you have provided is invalid", fields={"TagKey": str(key)})
        if not isinstance(value, str) or len(value) > MAX_TAG_VALUE or not _is_tag_text(value):
            raise InvalidTag(
                "The TagValue you have provided is invalid", fields={"TagKey": key, "TagValue": str(value)}
            )
        if key.lower().startswith("aws:"):
            raise InvalidTag("System tags cannot be added/updated by requester", fields={"TagKey": key})
        if key in clean:
            raise InvalidTag("Cannot provide multiple Tags with the same key", fields={"TagKey": key})
        clean[key] = value
    if len(clean) > MAX_TAGS:
        raise TooManyTags(MAX_TAGS)
    return clean


def _tag_pairs(tags: Tags) -> Sequence[tuple[object, object]]:
    if isinstance(tags, str):
        try:
            return parse_qsl(tags, keep_blank_values=True, strict_parsing=bool(tags))
        except ValueError:
            raise InvalidArgument(
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag "
                "name duplicates.",
                "x-amz-tagging",
                tags,
            ) from None
    if isinstance(tags, Mapping):
        return list(tags.items())
    try:
        return [(tag["Key"], tag["Value"]) for tag in tags]
    except (TypeError, KeyError):
        raise MalformedXML('tags are {"key": "value"} or a list of {"Key": ..., "Value": ...}') from None


def _is_tag_text(text: str) -> bool:
    return all(char.isalnum() or char in _TAG_EXTRAS for char in text)
