"""Listing against a brute-force reading of the API reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given
from hypothesis import strategies as st

from eventbus import EventBus, VirtualClock
from triggers.s3 import S3, Bucket
from triggers.s3.errors import InvalidArgument
from triggers.s3.objects import end_of_prefix


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[BlockingPortal, S3]]:
    bus = EventBus(clock=VirtualClock(), seed=1)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(bus):
        yield portal, S3(bus)


Running = tuple[BlockingPortal, S3]
keys = st.text("a/bé𝄞", min_size=1, max_size=6)
prefixes = st.text("a/b", max_size=2)
delimiters = st.sampled_from(["", "/", "b", "//", "é"])


def filled(s3: S3, names: set[str], deleted: set[str]) -> Bucket:
    bucket = s3.create_bucket("listed", versioning=True)
    while len(bucket):
        for version in bucket.list_object_versions_nowait().entries:
            bucket.delete_object_nowait(version.key, version.version_id)
    for name in names:
        bucket.put_object_nowait(name, b"x")
    for name in deleted:
        bucket.delete_object_nowait(name)
    return bucket


def brute_force(names: list[str], prefix: str, delimiter: str) -> list[tuple[str, bool]]:
    """What all pages together answer: objects and common prefixes (True) in order."""
    entries = []
    for name in sorted(names, key=str.encode):
        if name.startswith(prefix):
            rest = name[len(prefix) :]
            is_group = bool(delimiter) and delimiter in rest
            entry = (prefix + rest.split(delimiter)[0] + delimiter, True) if is_group else (name, False)
            if entry not in entries:
                entries.append(entry)
    return entries


@given(st.sets(keys, max_size=12), st.sets(keys, max_size=4), prefixes, delimiters, st.integers(1, 4))
def test_the_pages_together_are_what_brute_force_finds(
    running: Running, names: set[str], deleted: set[str], prefix: str, delimiter: str, size: int
) -> None:
    portal, s3 = running

    def check() -> None:
        bucket = filled(s3, names, deleted)
        expected = brute_force(sorted(names - deleted), prefix, delimiter)
        found: list[tuple[str, bool]] = []
        token = None
        while True:
            page = bucket.list_objects_nowait(prefix, delimiter=delimiter, max_keys=size, continuation_token=token)
            entries = [(key, False) for key in page.keys] + [(name, True) for name in page.common_prefixes]
            found += sorted(entries, key=lambda entry: entry[0].encode())
            assert page.key_count == len(entries) <= size
            assert page.is_truncated is (page.next_continuation_token is not None) is (len(found) < len(expected))
            token = page.next_continuation_token
            if token is None:
                break
        assert found == expected

    portal.call(check)


@given(st.sets(keys, max_size=8), prefixes, st.text("a/bé", max_size=4))
def test_start_after_begins_behind_a_key(running: Running, names: set[str], prefix: str, after: str) -> None:
    portal, s3 = running

    def check() -> None:
        page = filled(s3, names, set()).list_objects_nowait(prefix, start_after=after)
        expected = sorted((n for n in names if n.startswith(prefix) and n.encode() > after.encode()), key=str.encode)
        assert page.keys == expected

    portal.call(check)


@given(st.sets(keys, max_size=6), st.sets(keys, max_size=6), prefixes, delimiters, st.integers(1, 4))
def test_the_pages_of_versions_are_what_brute_force_finds(
    running: Running, names: set[str], deleted: set[str], prefix: str, delimiter: str, size: int
) -> None:
    portal, s3 = running

    def check() -> None:
        bucket = filled(s3, names, deleted)
        for name in names:
            bucket.put_object_nowait(name, b"again")
        counts = {name: 2 * (name in names) + (name in deleted) for name in names | deleted}
        expected = [
            entry
            for entry in brute_force(list(counts), prefix, delimiter)
            for _ in range(1 if entry[1] else counts[entry[0]])
        ]
        found: list[tuple[str, bool]] = []
        markers = {"key_marker": "", "version_id_marker": ""}
        seen: list[Any] = []
        while True:
            page = bucket.list_object_versions_nowait(prefix, delimiter=delimiter, max_keys=size, **markers)
            entries = [(v.key, False) for v in page.entries] + [(name, True) for name in page.common_prefixes]
            found += sorted(entries, key=lambda entry: entry[0].encode())
            seen += [version.version_id for version in page.entries]
            assert page.is_truncated is (len(found) < len(expected))
            if not page.is_truncated:
                break
            markers = {"key_marker": page.next_key_marker or "", "version_id_marker": page.next_version_id_marker or ""}
        assert found == expected
        assert len(set(seen)) == len(seen)

    portal.call(check)


def test_the_limits_of_a_page(running: Running) -> None:
    portal, s3 = running

    def check() -> None:
        bucket = filled(s3, {f"{n:04}" for n in range(1001)}, set())
        page = bucket.list_objects_nowait(max_keys=5000)
        assert (page.key_count, page.is_truncated) == (1000, True)
        nothing = bucket.list_objects_nowait(max_keys=0)
        assert (nothing.key_count, nothing.is_truncated) == (0, False)
        first = page.contents[0]
        assert (first.key, first.size, first.storage_class, len(first.etag)) == ("0000", 1, "STANDARD", 32)
        size: Any
        for size in (-1, "1"):
            with pytest.raises(InvalidArgument, match="must be an integer between 0 and 2147483647"):
                bucket.list_objects_nowait(max_keys=size)
        for token in ("nonsense", "", "é", "AAAA"):
            with pytest.raises(InvalidArgument) as caught:
                bucket.list_objects_nowait(continuation_token=token)
            assert str(caught.value) == "The continuation token provided is incorrect"
        with pytest.raises(InvalidArgument, match="cannot be specified without a key marker"):
            bucket.list_object_versions_nowait(version_id_marker="x")
        latest = bucket.list_object_versions_nowait(max_keys=1).entries[0]
        assert latest.is_latest

    portal.call(check)


def test_a_key_that_appears_behind_the_last_page_is_on_the_next(running: Running) -> None:
    portal, s3 = running

    def check() -> None:
        bucket = filled(s3, {"a", "c"}, set())
        page = bucket.list_objects_nowait(max_keys=1)
        bucket.put_object_nowait("b", b"")
        assert bucket.list_objects_nowait(continuation_token=page.next_continuation_token).keys == ["b", "c"]

    portal.call(check)


@given(st.text(max_size=4), st.text(max_size=4))
def test_the_end_of_a_prefix_is_behind_all_its_keys_and_nothing_else(prefix: str, other: str) -> None:
    end = end_of_prefix(prefix)
    assert prefix + other < end
    if other > prefix and not other.startswith(prefix):
        assert end <= other
