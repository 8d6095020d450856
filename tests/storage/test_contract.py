"""What every store promises, shown on the one in memory and on the file with either way of syncing."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest

from eventbus.storage.errors import StoreInUse, StoreNotWrittenOut, StoreUnavailable
from tests.storage.contract import KINDS, Batches, Bench, bench_of, running

pytestmark = pytest.mark.anyio


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return bench_of(request.param, tmp_path)


# -- reading -------------------------------------------------------------------------------------------------------


async def test_what_is_put_can_be_got_until_it_is_deleted(bench: Bench) -> None:
    """Before and after it is safe, with keys of either kind."""
    async with running(bench.store) as store:
        numbers, names = store.integers("numbers"), store.texts("names")
        for is_safe in (False, True):
            numbers.put(7, b"seven")
            names.put("a\0b", b"")
            if is_safe:
                await store.log.synced()
            assert (numbers.get(7), numbers.get(8)) == (b"seven", None)
            assert (names.get("a\0b"), names.get("a")) == (b"", None)
            numbers.put(7, b"SEVEN")
            names.delete("a\0b")
            names.delete("never there")
            if is_safe:
                await store.log.synced()
            assert (numbers.get(7), names.get("a\0b")) == (b"SEVEN", None)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
async def test_a_scan_is_in_the_order_of_the_keys_whatever_is_safe(bench: Bench, chunk: int) -> None:
    """Rows in the file, in flight and in the open batch come as one run, without what was deleted."""
    chance = random.Random(chunk)
    async with running(bench.store) as store:
        numbers, names = store.integers("numbers"), store.texts("names")
        expected: dict[int, bytes] = {}
        for way in ("safe", "in flight", "open"):
            for _ in range(30):
                key = chance.randrange(-40, 40) * 2**40
                if chance.random() < 0.3:
                    expected.pop(key, None)
                    numbers.delete(key)
                else:
                    expected[key] = f"{way} {key}".encode()
                    numbers.put(key, expected[key])
            if way == "safe":
                await store.log.synced()
            elif way == "in flight":
                store.log.flush()
        rows = sorted(expected.items())
        assert list(numbers.scan(chunk=chunk)) == rows
        assert list(numbers.scan(after=-3, chunk=chunk)) == [row for row in rows if row[0] > -3]
        texts = ["", "a", "a\0", "a\0\1", "a\1", "b", "ä", "\uffff", "\U0001f600"]
        for text in reversed(texts):
            names.put(text, b"x")
        assert [key for key, _ in names.scan(chunk=chunk)] == texts
        await store.log.synced()
        assert [key for key, _ in names.scan(chunk=chunk)] == texts
        assert [key for key, _ in names.scan("a\0", chunk=chunk)] == texts[3:]


async def test_big_values_and_many_keys(bench: Bench) -> None:
    """Eight megabytes in a row, and five thousand rows in a batch, which a later one deletes in part."""
    async with running(bench.store) as store:
        numbers = store.integers("numbers")
        big = random.Random(1).randbytes(8_000_000)
        numbers.put(0, big)
        for number in range(1, 5001):
            numbers.put(number, b"%d" % number)
        await store.log.synced()
        for number in range(1, 2001):
            numbers.delete(number)
        for number in range(2001, 5001, 2):
            numbers.delete(number)
        await store.log.synced()
        assert numbers.get(0) == big
        assert [key for key, _ in numbers.scan()] == [0, *range(2002, 5001, 2)]


# -- batches -------------------------------------------------------------------------------------------------------


async def test_what_one_step_changes_is_one_batch_however_much_it_is(bench: Bench) -> None:
    """Also across spaces."""
    async with running(bench.store) as store:
        batches = store.log.faults = Batches()
        for number in range(500):
            store.integers("numbers").put(number, b"")
            store.texts("names").put(str(number), b"")
        await store.log.synced()
        assert (batches.begun, batches.safe) == (1, 1)


@pytest.mark.parametrize("point", ["before commit", "after commit"])
async def test_a_crash_leaves_a_step_whole_or_not_at_all(bench: Bench, point: str) -> None:
    """Before the commit nothing of it is there, behind it all."""

    class Crash(Batches):
        def pass_by(self, passed: str) -> None:
            if passed == point and self.begun == 0:
                self.begun = 1
                bench.crash()
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks, running(bench.store) as store:
        store.log.faults = Crash()
        for number in range(1000):
            store.integers("numbers").put(number, b"")
        store.texts("names").put("name", b"")
        await store.log.synced()
    async with running(bench.store) as store:
        left = len(list(store.integers("numbers").scan())), len(list(store.texts("names").scan()))
        assert left == ((0, 0) if point == "before commit" else (1000, 1))


async def test_what_was_synced_survives_a_crash_and_what_was_not_is_lost(bench: Bench) -> None:
    """Twenty lives on one store."""
    expected: list[int] = []
    for life in range(20):
        async with running(bench.store) as store:
            numbers = store.integers("numbers")
            assert [key for key, _ in numbers.scan()] == expected
            numbers.put(life, b"safe")
            await store.log.synced()
            expected.append(life)
            numbers.put(1000 + life, b"lost")
            bench.crash()


async def test_many_waiters_share_a_batch(bench: Bench) -> None:
    """Nobody syncs alone: one batch, and one more for those who came while it was written."""
    async with running(bench.store) as store:
        batches = store.log.faults = Batches()
        numbers = store.integers("numbers")

        async def publish(number: int) -> None:
            numbers.put(number, b"")
            await store.log.synced()

        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(publish, number)
        assert batches.safe <= 3
        assert len(list(numbers.scan())) == 200


async def test_synced_is_done_at_once_when_nothing_is_to_be_written(bench: Bench) -> None:
    """Also without anybody who writes."""
    bench.store.open()
    await bench.store.log.synced()
    bench.store.close()


async def test_a_new_row_that_is_deleted_at_once_is_never_written(bench: Bench) -> None:
    """It came and went within a step."""
    async with running(bench.store) as store:
        batches = store.log.faults = Batches()
        numbers = store.integers("numbers")
        numbers.put(1, b"", is_new=True)
        numbers.delete(1)
        assert store.log.is_at_rest
        await store.log.synced()
        assert batches.begun == 0


async def test_a_row_that_is_deleted_and_new_and_deleted_is_gone(bench: Bench) -> None:
    """The older row of its key is in the file, so its deletion has to be written."""
    async with running(bench.store) as store:
        numbers = store.integers("numbers")
        numbers.put(1, b"old")
        await store.log.synced()
        numbers.delete(1)
        numbers.put(1, b"new", is_new=True)
        numbers.delete(1)
        assert numbers.get(1) is None
        await store.log.synced()
        assert numbers.get(1) is None


async def test_what_waits_for_safety_is_called_in_order_when_it_is_there(bench: Bench) -> None:
    """Not before, and never for what could not be written."""
    called: list[str] = []
    async with running(bench.store) as store:
        numbers = store.integers("numbers")
        for name in ("first", "second", "third"):
            numbers.put(1, name.encode(), undo=lambda: None)
            store.log.when_safe(lambda name=name: called.append(f"{name} {numbers.get(1)!r}"))  # type: ignore[misc]
        assert called == []
        await store.log.synced()
        assert called == ["first b'third'", "second b'third'", "third b'third'"]
        bench.break_()
        store.log.when_safe(lambda: called.append("never"))
        with pytest.raises(StoreUnavailable):
            await store.log.synced()
        bench.mend()
        numbers.put(1, b"")
        await store.log.synced()
        assert len(called) == 3


# -- failures ------------------------------------------------------------------------------------------------------


async def test_a_failed_batch_is_undone_newest_first_with_all_that_was_built_on_it(bench: Bench) -> None:
    """Every waiter of either batch is told; then the store works on."""
    undone: list[int] = []
    errors: list[str] = []
    async with running(bench.store) as store:
        numbers = store.integers("numbers")
        numbers.put(0, b"before")
        await store.log.synced()
        bench.break_()

        async def change(first: int) -> None:
            for number in range(first, first + 3):
                numbers.put(number, b"", undo=lambda number=number: undone.append(number))  # type: ignore[misc]
            try:
                await store.log.synced()
            except StoreUnavailable as error:
                errors.append(str(error))

        async with anyio.create_task_group() as tasks:
            for first in (0, 3, 6):
                tasks.start_soon(change, first)
        assert len(errors) == 3
        assert all(text.endswith("nothing of it was accepted; try again later") for text in errors)
        assert sorted(undone) == list(range(9))
        starts = [undone[place : place + 3] for place in (0, 3, 6)]
        assert all(some == sorted(some, reverse=True) for some in starts)
        assert list(numbers.scan()) == [(0, b"before")]
        bench.mend()
        numbers.put(1, b"after")
        await store.log.synced()
        assert list(numbers.scan()) == [(0, b"before"), (1, b"after")]


async def test_what_was_built_on_a_failing_batch_is_undone_before_it(bench: Bench) -> None:
    """The second batch was still open when the first one failed."""
    undone: list[str] = []
    async with running(bench.store) as store:
        numbers = store.integers("numbers")
        bench.break_()
        numbers.put(1, b"", undo=lambda: undone.append("first"))
        store.log.flush()
        numbers.put(2, b"", undo=lambda: undone.append("second"))
        with pytest.raises(StoreUnavailable):
            await store.log.synced()
        assert undone == ["second", "first"]
        assert list(numbers.scan()) == []


async def test_facts_are_carried_over_until_they_can_be_written(bench: Bench) -> None:
    """What else was in their batch is undone; what waits for them is called when they are safe."""
    called: list[str] = []
    async with running(bench.store) as store:
        numbers = store.integers("numbers")
        numbers.put(1, b"queued")
        await store.log.synced()
        bench.break_()
        with store.log.facts():
            numbers.delete(1, undo=lambda: called.append("a fact was undone"))
            numbers.put(2, b"letter")
            store.log.when_safe(lambda: called.append("fact"))
        numbers.put(3, b"published", undo=lambda: called.append("undone"))
        store.log.when_safe(lambda: called.append("never"))
        with pytest.raises(StoreUnavailable):
            await store.log.synced()
        assert called == ["undone"]
        assert list(numbers.scan()) == [(2, b"letter")]
        bench.mend()
        await store.log.synced()
        assert called == ["undone", "fact"]
        bench.crash()
    async with running(bench.store) as store:
        assert list(store.integers("numbers").scan()) == [(2, b"letter")]


async def test_a_change_is_written_without_anybody_waiting(bench: Bench) -> None:
    """Soon, and so is what waits for safety without a change."""
    async with running(bench.store) as store:
        batches = store.log.faults = Batches()
        numbers = store.integers("numbers")
        with anyio.fail_after(5):
            await anyio.wait_all_tasks_blocked()
            numbers.put(1, b"")
            await batches.first_is_safe.wait()
            await anyio.wait_all_tasks_blocked()
            safe = anyio.Event()
            store.log.when_safe(safe.set)
            await safe.wait()


async def test_facts_are_written_without_anybody_waiting_once_that_is_possible(bench: Bench) -> None:
    """A disk that was full for a while needs no publisher to be noticed."""
    safe = anyio.Event()
    async with running(bench.store) as store:
        bench.break_()
        store.integers("numbers").put(1, b"")
        with store.log.facts():
            store.log.when_safe(safe.set)
        with pytest.raises(StoreUnavailable):
            await store.log.synced()
        bench.mend()
        with anyio.fail_after(5):
            await safe.wait()


async def test_what_an_undo_states_is_newer_than_the_facts_that_were_lost(bench: Bench) -> None:
    """A queue that was deleted takes what comes back to it along."""
    async with running(bench.store) as store:
        numbers = store.integers("numbers")
        bench.break_()
        numbers.put(1, b"a fact")
        numbers.put(2, b"", undo=lambda: numbers.delete(1))
        with pytest.raises(StoreUnavailable):
            await store.log.synced()
        assert numbers.get(1) is None
        bench.mend()
        await store.log.synced()
        assert list(numbers.scan()) == []


# -- opening and closing -------------------------------------------------------------------------------------------


async def test_everything_is_there_after_reopening(bench: Bench) -> None:
    """Closing writes what nobody has waited for."""
    for life in range(3):
        store = bench.store
        store.open()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            names = store.texts("names")
            assert [key for key, _ in names.scan()] == [str(earlier) for earlier in range(life)]
            names.put(str(life), b"")
            await anyio.lowlevel.checkpoint()
            await store.aclose()
            tasks.cancel_scope.cancel()


async def test_closing_does_not_depend_on_the_task_that_writes(bench: Bench) -> None:
    """A bus that is cancelled along with its tasks keeps what it knows all the same."""
    store = bench.store
    store.open()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            store.integers("numbers").put(1, b"in flight")
            await anyio.lowlevel.checkpoint()
            store.log.flush()
            store.integers("numbers").put(2, b"open")
            scope.cancel()
    with anyio.fail_after(5):
        await store.aclose()
    async with running(store):
        assert [key for key, _ in store.integers("numbers").scan()] == [1, 2]


async def test_closing_writes_what_was_handed_over_before_anybody_wrote(bench: Bench) -> None:
    """A bus that is left as soon as it was entered: its task has not begun."""
    store = bench.store
    store.open()
    store.integers("numbers").put(1, b"")
    store.log.flush()
    store.integers("numbers").put(2, b"")
    await store.aclose()
    async with running(store):
        assert [key for key, _ in store.integers("numbers").scan()] == [1, 2]


async def test_what_cannot_be_written_at_the_end_is_said(bench: Bench) -> None:
    """And the store is free again."""
    async with running(bench.store) as store:
        store.integers("numbers").put(0, b"safe")
        await store.log.synced()
        bench.break_()
        store.integers("numbers").put(1, b"")
        store.texts("names").put("x", b"")
        with pytest.raises(StoreNotWrittenOut) as raised:
            await store.aclose()
        assert str(raised.value).startswith("2 changed rows could not be written when the store was closed (")
    bench.mend()
    async with running(bench.store) as store:
        assert [key for key, _ in store.integers("numbers").scan()] == [0]


async def test_only_one_bus_at_a_time(bench: Bench) -> None:
    """The second is told, changes nothing, and can open it when the first one has left."""
    second = bench.another()
    async with running(bench.store) as store:
        with pytest.raises(StoreInUse) as raised:
            second.open()
        assert str(raised.value).endswith(
            "is open in another bus; one bus at a time may use it, so leave that one first"
        )
        store.integers("numbers").put(1, b"")
        await store.log.synced()
    async with running(second):
        assert list(second.integers("numbers").scan()) == [(1, b"")]


async def test_closing_twice_is_harmless(bench: Bench) -> None:
    """In either way, also of a store that was never open."""
    bench.store.close()
    await bench.store.aclose()
    bench.store.open()
    bench.store.close()
    bench.store.close()
    await bench.store.aclose()
    bench.store.open()
    await bench.store.aclose()
    await bench.store.aclose()
