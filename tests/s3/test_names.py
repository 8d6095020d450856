"""Names of buckets, keys, metadata and tags."""

from __future__ import annotations

import pytest

from triggers.s3.errors import (
    InvalidArgument,
    InvalidBucketName,
    InvalidTag,
    KeyTooLongError,
    MalformedXML,
    MetadataTooLarge,
    TooManyTags,
)
from triggers.s3.names import check_bucket_name, check_key, clean_metadata, clean_tags


@pytest.mark.parametrize("name", ["abc", "a" * 63, "my.bucket-1", "0.0", "1.2.3", "a.b.c.d", "256a.1.1.1", "a-.b"])
def test_these_names_are_taken(name: str) -> None:
    check_bucket_name(name)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("ab", "3 to 63"),
        ("a" * 64, "3 to 63"),
        ("", "3 to 63"),
        (None, "3 to 63"),
        ("Photos", "lower-case"),
        ("my_bucket", "lower-case"),
        ("été", "lower-case"),
        ("a b", "lower-case"),
        ("abc\n", "lower-case"),
        ("-abc", "begins and ends"),
        ("abc.", "begins and ends"),
        ("a..b", "two dots"),
        ("192.168.5.4", "IP address"),
        ("xn--abc", "xn--"),
        ("sthree-abc", "sthree-"),
        ("amzn-s3-demo-abc", "amzn-s3-demo-"),
        ("abc-s3alias", "-s3alias"),
        ("abc--ol-s3", "--ol-s3"),
        ("abc.mrap", ".mrap"),
        ("abc--x-s3", "--x-s3"),
        ("abc--table-s3", "--table-s3"),
    ],
)
def test_a_name_is_refused_with_the_rule_that_it_breaks(name: object, rule: str) -> None:
    with pytest.raises(InvalidBucketName) as caught:
        check_bucket_name(name)
    assert caught.value.message == "The specified bucket is not valid."
    assert (caught.value.code, caught.value.status) == ("InvalidBucketName", 400)
    assert rule in str(caught.value)


@pytest.mark.parametrize("key", ["a", "a" * 1024, "é" * 512, "../x", "a//b", " ", "\x00"])
def test_these_keys_are_taken(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize(("key", "size"), [("a" * 1025, 1025), ("é" * 513, 1026), ("𝄞" * 257, 1028)])
def test_a_key_has_at_most_1024_bytes(key: str, size: int) -> None:
    with pytest.raises(KeyTooLongError, match=r"^Your key is too long$") as caught:
        check_key(key)
    assert caught.value.fields == {"MaxSizeAllowed": "1024", "Size": str(size)}


@pytest.mark.parametrize("key", ["", None, b"bytes", "\ud800"])
def test_a_key_is_a_text_that_utf8_can_encode(key: object) -> None:
    with pytest.raises(InvalidArgument, match="An object key is a text"):
        check_key(key)


def test_metadata_names_become_lower_case() -> None:
    assert clean_metadata({"Camera": "X100", "ISO": "200"}) == {"camera": "X100", "iso": "200"}


def test_metadata_have_at_most_2_kb() -> None:
    assert clean_metadata({"a": "x" * 2047})
    with pytest.raises(MetadataTooLarge, match="Your metadata headers exceed the maximum allowed metadata size"):
        clean_metadata({"a": "x" * 2048})


def test_metadata_are_texts() -> None:
    with pytest.raises(InvalidArgument):
        clean_metadata({"a": 1})


@pytest.mark.parametrize(
    "tags",
    [{"a": "1", "b": ""}, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}], "a=1&b="],
    ids=["dict", "TagSet", "header"],
)
def test_tags_come_in_three_forms(tags: object) -> None:
    assert clean_tags(tags) == {"a": "1", "b": ""}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "Cannot provide multiple Tags with the same key"),
        ("a=1&a=2", "Cannot provide multiple Tags with the same key"),
        ({"": "1"}, "The TagKey you have provided is invalid"),
        ({"k" * 129: "1"}, "The TagKey you have provided is invalid"),
        ({"a?": "1"}, "The TagKey you have provided is invalid"),
        ({"a": "v" * 257}, "The TagValue you have provided is invalid"),
        ({"a": "<"}, "The TagValue you have provided is invalid"),
        ({"a": 1}, "The TagValue you have provided is invalid"),
        ({"aws:a": "1"}, "System tags cannot be added/updated by requester"),
    ],
)
def test_bad_tags_are_refused_in_s3s_words(tags: object, message: str) -> None:
    with pytest.raises(InvalidTag) as caught:
        clean_tags(tags)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_an_object_has_at_most_ten_tags() -> None:
    assert len(clean_tags({f"k{n}": "" for n in range(10)})) == 10
    with pytest.raises(TooManyTags, match="Object tags cannot be greater than 10") as caught:
        clean_tags({f"k{n}": "" for n in range(11)})
    assert caught.value.code == "BadRequest"


def test_tags_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="x-amz-tagging"):
        clean_tags("nonsense")
    with pytest.raises(MalformedXML):
        clean_tags([{"key": "a"}])
    with pytest.raises(MalformedXML):
        clean_tags(5)  # type: ignore[arg-type]
