"""Both kinds of queues against models that are too simple to be wrong: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from triggers.sqs.fifo import FifoStore
from triggers.sqs.messages import StoredMessage
from triggers.sqs.store import StandardStore, Store

RETENTION = 500.0
MAX_RECEIVES = 3
SECONDS = st.integers(0, 60)


@attrs.define
class Expected:
    """What the model knows of a message."""

    message: StoredMessage
    group: str
    sent_at: float
    visible_at: float
    receives: int = 0
    is_taken: bool = False


class QueueMachine(RuleBasedStateMachine):
    """A queue that is sent to, received from, deleted from, while time passes."""

    make: type[Store] = StandardStore

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.store = self.make()
        self.sent = 0
        self.expected: list[Expected] = []
        self.ended: set[str] = set()

    def in_flight(self, e: Expected) -> bool:
        return e.is_taken and e.visible_at > self.now

    def visible(self, e: Expected) -> bool:
        return e.visible_at <= self.now

    @rule(delay=st.one_of(st.just(0), SECONDS), group=st.sampled_from("abc"), age=st.sampled_from([0, 0, 0, 100]))
    def send(self, delay: int, group: str, age: int) -> None:
        self.sent += 1
        sent_at = self.now - age
        message = StoredMessage(f"m{self.sent}", "body", {}, sent_at, sent_at, "me", None, group_id=group)
        self.store.add(message, self.now, delay)
        self.expected.append(Expected(message, group, sent_at, self.now + delay))

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        gone = [e for e in self.expected if self.now - e.sent_at >= RETENTION]
        assert len(self.store.pass_time(self.now, RETENTION)) == len(gone)
        self.expected = [e for e in self.expected if e not in gone]
        self.ended |= {e.message.message_id for e in gone}

    @rule(limit=st.integers(1, 10), visibility=SECONDS)
    def receive(self, limit: int, visibility: int) -> None:
        self.store.pass_time(self.now, RETENTION)
        before = {e.message.message_id: e for e in self.expected}
        self.check_order_before()
        taken, dead = self.store.take(self.now, limit, visibility, MAX_RECEIVES)
        for message in dead:
            known = before[message.message_id]
            assert self.visible(known)
            assert known.receives == MAX_RECEIVES
            self.expected.remove(known)
            self.ended.add(message.message_id)
        assert len(taken) <= limit
        assert len({message.message_id for message in taken}) == len(taken)
        for message in taken:
            known = before[message.message_id]
            assert self.visible(known), "handed out while delayed or in flight"
            assert known.receives < MAX_RECEIVES
            known.receives += 1
            assert message.receives == known.receives
        self.check_taken([before[m.message_id] for m in taken], limit)
        for message in taken:
            known = before[message.message_id]
            known.visible_at, known.is_taken = self.now + visibility, True

    def check_order_before(self) -> None:
        """Nothing to remember for a standard queue."""

    def check_taken(self, taken: list[Expected], limit: int) -> None:
        if len(taken) < limit:
            left = [e for e in self.expected if self.visible(e) and e not in taken]
            assert not left, "a visible message was passed over"

    @precondition(lambda self: any(self.in_flight(e) for e in self.expected))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from([e for e in self.expected if self.in_flight(e)]))
        self.store.pass_time(self.now, RETENTION)
        self.store.remove(chosen.message)
        self.expected.remove(chosen)
        self.ended.add(chosen.message.message_id)

    @precondition(lambda self: any(self.in_flight(e) for e in self.expected))
    @rule(data=st.data(), timeout=SECONDS)
    def change_visibility(self, data: st.DataObject, timeout: int) -> None:
        chosen = data.draw(st.sampled_from([e for e in self.expected if self.in_flight(e)]))
        self.store.pass_time(self.now, RETENTION)
        self.store.show_at(chosen.message, self.now + timeout, self.now)
        chosen.visible_at = self.now + timeout

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def delete_and_take_back(self, data: st.DataObject) -> None:
        self.store.pass_time(self.now, RETENTION)
        for chosen in data.draw(st.lists(st.sampled_from(self.expected), min_size=1, unique_by=id)):
            standing = chosen.message.standing()
            self.store.remove(chosen.message)
            self.store.put_back(chosen.message, standing)

    @rule(limit=st.integers(1, 10), visibility=SECONDS)
    def receive_and_take_back(self, limit: int, visibility: int) -> None:
        self.store.pass_time(self.now, RETENTION)
        before: list[tuple[StoredMessage, Any]] = []
        self.store.take(self.now, limit, visibility, MAX_RECEIVES, before)
        for message, standing in reversed(before):
            self.store.put_back(message, standing)

    @rule(delay=SECONDS)
    def send_and_take_back(self, delay: int) -> None:
        message = StoredMessage("never", "body", {}, self.now, self.now, "me", None, group_id="a")
        self.store.add(message, self.now, delay)
        self.store.take_back(message)

    @rule()
    def restart(self) -> None:
        messages = list(self.store)
        orders = itertools.count(max((m.order for m in messages), default=-1) + 1)
        self.store = self.make()
        assert self.store.adopt(messages, orders.__next__) == []

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.store) == len(self.expected)
        assert len(self.expected) + len(self.ended) == self.sent

    @invariant()
    def the_counts_are_right(self) -> None:
        self.store.pass_time(self.now, RETENTION)
        counts = self.store.statistics(self.now)
        assert counts.in_flight == sum(self.in_flight(e) for e in self.expected)
        assert counts.visible == sum(self.visible(e) for e in self.expected)
        assert counts.total == len(self.expected)
        oldest = min((e.sent_at for e in self.expected), default=self.now)
        assert counts.oldest_age == self.now - oldest

    @invariant()
    def the_next_instant_is_known(self) -> None:
        self.store.pass_time(self.now, RETENTION)
        due = [e.visible_at for e in self.expected if e.visible_at > self.now]
        assert self.store.next_instant() == min(due, default=None)


class FifoMachine(QueueMachine):
    """A FIFO queue: in each group, strictly in the order of sending."""

    make = FifoStore

    def check_order_before(self) -> None:
        self.locked = {e.group for e in self.expected if self.in_flight(e)}

    def check_taken(self, taken: list[Expected], limit: int) -> None:
        passed_over = 0
        for group in {e.group for e in self.expected}:
            line = [e for e in self.expected if e.group == group]
            mine = [e for e in taken if e.group == group]
            if group in self.locked:
                assert not mine, "handed out from a locked group"
                continue
            assert line[: len(mine)] == mine, "a group out of order"
            rest = line[len(mine) :]
            passed_over += bool(rest) and self.visible(rest[0])
        assert len(taken) == limit or not passed_over, "an open group was passed over"


QUICK = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStandardQueue: Any = QueueMachine.TestCase
TestStandardQueue.settings = QUICK
TestFifoQueue: Any = FifoMachine.TestCase
TestFifoQueue.settings = QUICK


def _message(order: int, group: str = "g") -> StoredMessage:
    return StoredMessage(f"m{order}", "body", {}, 0.0, 0.0, "me", None, group_id=group)


def test_a_busy_queue_does_not_grow_between_two_instants() -> None:
    """Sending, receiving and deleting at one instant leaves nothing behind, though no time-out has ended."""
    for store in (StandardStore(), FifoStore()):
        for number in range(2000):
            store.add(_message(number), 0.0, 0.0)
            taken, _ = store.take(0.0, 10, 30.0, None)
            store.remove(taken[0])
        assert len(store._hidden) <= 66
        assert len(store) == 0


def test_a_dead_message_of_a_group_lets_the_next_one_through() -> None:
    """A message that is received too often leaves in the same receive that hands out the one behind it."""
    store = FifoStore()
    for number in range(2):
        store.add(_message(number), 0.0, 0.0)
    store.take(0.0, 1, 0.0, 1)
    store.pass_time(0.0, 500.0)
    taken, dead = store.take(0.0, 1, 30.0, 1)
    assert [m.message_id for m in dead] == ["m0"]
    assert [m.message_id for m in taken] == ["m1"]
    store.remove(taken[0])
    assert len(store) == 0


def test_what_was_put_back_is_dropped_in_its_turn() -> None:
    """The oldest message is the first to go, although it came back last."""
    store = StandardStore()
    for number in range(2):
        store.add(_message(number), 0.0, 0.0)
    second = attrs.evolve(_message(2), enqueued_at=400.0)
    store.add(second, 400.0, 0.0)
    for message in list(store)[:2]:
        standing = message.standing()
        store.remove(message)
        store.put_back(message, standing)
    assert [m.message_id for m in store.pass_time(500.0, 500.0)] == ["m0", "m1"]
