"""A bucket against a model of a few lines, through any sequence of operations."""

from __future__ import annotations

from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eventbus import EventBus, VirtualClock
from tests.s3.doubles import Recorder
from triggers.s3 import S3
from triggers.s3.errors import MethodNotAllowed, NoSuchKey

KEYS = st.sampled_from(["a", "b", "b/c"])
Model = dict[str, list[tuple[str, bytes | None]]]
"""Versions by key, newest first: id and content, None for a delete marker."""


class Versions(RuleBasedStateMachine):
    """Put, delete and list, with versioning off, on and suspended."""

    def __init__(self) -> None:
        super().__init__()
        self.bus = EventBus(clock=VirtualClock(), seed=1)
        self.bucket = S3(self.bus).create_bucket("photos")
        self.queue = Recorder(self.bus, "queue", "q")
        self.bucket.notify(self.queue, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], grant=True)
        self.queue.messages.clear()
        self.portal_context = start_blocking_portal()
        self.portal = self.portal_context.__enter__()
        self.bus_context = self.portal.wrap_async_context_manager(self.bus)
        self.bus_context.__enter__()
        self.model: Model = {}
        self.events = 0
        self.status: str | None = None

    def teardown(self) -> None:
        self.bus_context.__exit__(None, None, None)
        self.portal_context.__exit__(None, None, None)

    def call(self, function: Any, *args: Any, **options: Any) -> Any:
        return self.portal.call(lambda: function(*args, **options))

    @initialize(status=st.sampled_from([None, "Enabled", "Suspended"]))
    def begin(self, status: str | None) -> None:
        self.switch(status)

    @rule(status=st.sampled_from(["Enabled", "Suspended"]))
    def switch_versioning(self, status: str) -> None:
        self.switch(status)

    def switch(self, status: str | None) -> None:
        if status is not None:
            self.bucket.put_versioning(status)
            self.status = status

    def store(self, key: str, version_id: str, body: bytes | None) -> None:
        versions = self.model.setdefault(key, [])
        if version_id == "null":
            versions[:] = [version for version in versions if version[0] != "null"]
        versions.insert(0, (version_id, body))
        self.events += 1

    @rule(key=KEYS, body=st.binary(max_size=2))
    def put(self, key: str, body: bytes) -> None:
        result = self.call(self.bucket.put_object_nowait, key, body)
        assert (result.version_id is None) is (self.status is None)
        assert (len(result.version_id or "") == 32) is (self.status == "Enabled")
        self.store(key, result.version_id or "null", body)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        result = self.call(self.bucket.delete_object_nowait, key)
        if self.status is not None:
            assert result.delete_marker
            self.store(key, result.version_id, None)
        elif self.model.pop(key, None):
            self.events += 1

    @rule(key=KEYS, data=st.data())
    def delete_a_version(self, key: str, data: st.DataObject) -> None:
        versions = self.model.get(key, [])
        chosen = data.draw(st.sampled_from([version_id for version_id, _ in versions] or ["null"]))
        result = self.call(self.bucket.delete_object_nowait, key, chosen)
        removed = [version for version in versions if version[0] == chosen]
        assert result.delete_marker is any(body is None for _, body in removed)
        self.events += len(removed)
        versions[:] = [version for version in versions if version[0] != chosen]
        if not versions:
            self.model.pop(key, None)

    @rule(key=KEYS, data=st.data())
    def get(self, key: str, data: st.DataObject) -> None:
        versions = self.model.get(key, [])
        chosen = data.draw(st.sampled_from([None, *(version_id for version_id, _ in versions)]))
        expected = versions[0][1] if chosen is None and versions else dict(versions).get(chosen or "")
        if expected is not None:
            assert self.call(self.bucket.get_object_nowait, key, version_id=chosen).body == expected
        else:
            with pytest.raises(NoSuchKey if chosen is None else MethodNotAllowed):
                self.call(self.bucket.get_object_nowait, key, version_id=chosen)

    @invariant()
    def the_lists_agree(self) -> None:
        listed = self.call(self.bucket.list_objects_nowait).keys
        assert listed == sorted(key for key, versions in self.model.items() if versions[0][1] is not None)
        entries = self.call(self.bucket.list_object_versions_nowait).entries
        assert [(entry.key, entry.version_id, entry.is_delete_marker, entry.is_latest) for entry in entries] == [
            (key, version_id, body is None, number == 0)
            for key in sorted(self.model)
            for number, (version_id, body) in enumerate(self.model[key])
        ]

    @invariant()
    def every_change_sent_one_event(self) -> None:
        assert len(self.queue.messages) == self.events
        sequencers = [record["s3"]["object"]["sequencer"] for record in self.queue.records[-2:]]
        assert sequencers == sorted(set(sequencers))


TestVersions = Versions.TestCase
TestVersions.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
