"""A store against a dict, through anything that can happen to it: restarts, crashes, a disk that fails for a while.

Whoever changes something keeps it in memory as well, as the bus does, and takes it back when the store says so. So at
every moment the store must show what memory says; and after a crash a state that memory was in, no older than the last
one that was known to be safe.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TypeAlias

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventbus.storage.errors import StoreNotWrittenOut, StoreUnavailable
from eventbus.storage.memory import MemoryStore
from tests.storage.contract import Bench, bench_of, running

Rows: TypeAlias = "dict[int, bytes]"


@attrs.frozen
class Change:
    """What one step does: rows that get a value, or lose it. A claim can be taken back, a fact cannot."""

    rows: list[tuple[bool, int, int | None]]


Operation: TypeAlias = Change | str

changes = st.builds(
    Change,
    st.lists(
        st.tuples(st.booleans(), st.integers(-3, 5), st.one_of(st.none(), st.integers(0, 99))), min_size=1, max_size=4
    ),
)
operations = st.lists(
    st.one_of(changes, changes, st.sampled_from(("sync", "flush", "turn", "break", "mend", "restart", "crash"))),
    max_size=40,
)


@attrs.define
class Memory:
    """What the caller knows: the rows as they are now, and every state that a crash may leave."""

    claims: Rows = attrs.field(factory=dict)
    facts: Rows = attrs.field(factory=dict)
    possible: list[tuple[Rows, Rows]] = attrs.field(factory=lambda: [({}, {})])
    has_failed: bool = False

    def change(self, rows: Rows, key: int, value: bytes | None) -> None:
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value

    def take_back(self, key: int, before: bytes | None) -> None:
        self.has_failed = True
        self.change(self.claims, key, before)

    def notice(self, *, is_safe: bool = False) -> None:
        """A step has ended."""
        if self.has_failed:  # all claims since the last commit are undone, which facts were in it is not known
            self.possible = [(dict(self.claims), facts) for _, facts in self.possible]
            self.has_failed = False
        if is_safe:
            self.possible.clear()
        self.possible.append((dict(self.claims), dict(self.facts)))

    def come_back(self, claims: Rows, facts: Rows) -> None:
        assert (claims, facts) in self.possible
        self.claims, self.facts, self.possible = claims, facts, [(dict(claims), dict(facts))]


async def live(bench: Bench, memory: Memory, operations: list[Operation]) -> None:
    """One life, up to a restart or a crash, whose operations are taken off the list."""
    async with running(bench.store) as store:
        claims, facts = store.integers("claims"), store.integers("facts")
        memory.come_back(dict(claims.scan()), dict(facts.scan()))
        while operations:
            operation = operations.pop(0)
            is_safe = False
            match operation:
                case Change(rows):
                    for is_fact, key, number in rows:
                        value = None if number is None else b"%d" % number
                        space, known = (facts, memory.facts) if is_fact else (claims, memory.claims)
                        before = known.get(key)
                        undo = None if is_fact else partial(memory.take_back, key, before)
                        if value is None:
                            space.delete(key, undo=undo)
                        else:
                            space.put(key, value, undo=undo, is_new=before is None)
                        memory.change(known, key, value)
                case "sync":
                    try:
                        await store.log.synced()
                        is_safe = True
                    except StoreUnavailable:
                        pass
                case "flush":
                    store.log.flush()
                case "turn":
                    await checkpoint()
                case "break":
                    bench.mend()
                    bench.break_()
                case "mend":
                    bench.mend()
                case "crash":
                    bench.crash()
                    return
                case "restart":
                    try:
                        await store.aclose()
                        is_safe = True
                    except StoreNotWrittenOut:
                        pass
                    bench.mend()
                    memory.notice(is_safe=is_safe)
                    return
            memory.notice(is_safe=is_safe)
            assert list(claims.scan(chunk=2)) == sorted(memory.claims.items())
            assert list(facts.scan(chunk=3)) == sorted(memory.facts.items())
            assert {key: claims.get(key) for key in range(-3, 6)} == {k: memory.claims.get(k) for k in range(-3, 6)}
        bench.crash()


async def play(kind: str, operations: list[Operation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench, memory = bench_of(kind, Path(folder)), Memory()
        while operations:
            await live(bench, memory, operations)
        await live(bench, memory, [])


@pytest.mark.anyio
async def test_a_crash_in_memory_stops_what_is_on_its_way() -> None:
    """The task of the dead process may go on for a while: it writes nothing any more."""
    store = MemoryStore()
    async with running(store):
        numbers = store.integers("numbers")
        numbers.put(1, b"")
        store.log.flush()
        store.crash()
        numbers.put(2, b"")
        for _ in range(10):
            await checkpoint()
    async with running(store):
        assert list(store.integers("numbers").scan()) == []


@pytest.mark.parametrize("kind", ["memory", "FULL"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=60, deadline=None)
@given(operations=operations)
@example(operations=[Change([(True, 1, 1)]), "flush", "restart"])
def test_a_store_is_what_memory_says_or_has_been(kind: str, backend: str, operations: list[Operation]) -> None:
    """Whatever happens, in whatever order."""
    anyio.run(play, kind, list(operations), backend=backend)
