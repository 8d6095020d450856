"""The kill test: a process that publishes and handles with the durable store is killed at random moments, for real.

    python -m tests.reliability.kill [--rounds 1000] [--seed 0]

The child reports, on a pipe, every payload whose push returned, every run of a handler and every success. The parent
kills it with SIGKILL, starts it again on the same file, and at the end lets it run until it is idle. Then: no accepted
event is missing, none is in two final states, what was finished and written down did not run again, and `eventbus
doctor` finds nothing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs

CHILD = """
import itertools, os, sys
import anyio
from eventbus import EventBus

store, life, is_last = sys.argv[1], sys.argv[2], sys.argv[3] == "last"
SOURCE = "s3.amazonaws.com"

def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())  # one write: whole, or not at all

bus = EventBus(store=store)

@bus.function(retries=0)
async def good(event, context):
    say("ran", event)
    await anyio.sleep(0)
    say("succeeded", event)

@bus.function(retries=0)
async def bad(event, context):
    say("ran", event)
    raise ValueError(event)

for function in (good, bad):
    function.allow(SOURCE)

async def publish(publisher):
    for number in itertools.count():
        function = bad if number % 7 == 6 else good
        payload = f"{life}.{publisher}.{number}"
        say("pushing", payload)
        await bus.push(function, payload, source=SOURCE)
        say("accepted", payload)

async def main():
    async with bus:
        say("started")
        if not is_last:
            async with anyio.create_task_group() as tasks:
                for publisher in range(8):
                    tasks.start_soon(publish, publisher)
        await bus.wait_idle()
        for letter in bus.dead_letters:
            say("letter", letter.payload)
        say("idle", *(f"{k}={v}" for k, v in vars_of(bus.statistics()).items()))

def vars_of(statistics):
    return {name: getattr(statistics, name) for name in ("queued", "waiting", "running")}

anyio.run(main)
"""


@attrs.define
class Seen:
    """What the children have reported, over all lives."""

    accepted: set[str] = attrs.field(factory=set)
    succeeded: set[str] = attrs.field(factory=set)
    letters: list[str] = attrs.field(factory=list)
    safe: set[str] = attrs.field(factory=set)
    """Successes that were written down for certain: a push that began after them has returned."""
    repeated: int = 0
    problems: list[str] = attrs.field(factory=list)

    def read(self, lines: list[str]) -> None:
        """Take in what one life has reported, in order."""
        begun: dict[str, set[str]] = {}
        done: set[str] = set()
        safe_before = frozenset(self.safe)
        for line in lines:
            word, _, payload = line.partition(" ")
            match word:
                case "pushing":
                    begun[payload] = set(done)
                case "accepted":
                    self.accepted.add(payload)
                    self.safe |= begun.get(payload, set())
                case "ran":
                    if payload in safe_before:
                        self.problems.append(f"{payload} was finished and written down, and ran again")
                    self.repeated += payload in self.succeeded
                case "succeeded":
                    done.add(payload)
                    self.succeeded.add(payload)
                case "letter":
                    self.letters.append(payload)

    def judge(self) -> list[str]:
        """Every broken promise, after the last life has ended."""
        letters = set(self.letters)
        problems = list(self.problems)
        problems += [f"{p} was accepted and is lost" for p in self.accepted - self.succeeded - letters]
        # a success that was cut off before it was written down is no end: the event may have run again, and failed
        problems += [f"{p} is a dead letter and was finished" for p in letters & self.safe]
        if len(letters) != len(self.letters):
            problems.append("an event has two dead letters")
        return problems


def life(store: Path, number: int, *, kill_after: int | None) -> list[str]:
    """Run one child; kill it when it has reported so many lines, or let it finish."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(store), str(number), "last" if kill_after is None else "some"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with child:
        assert child.stdout is not None
        lines = [line.decode() for line in itertools.islice(child.stdout, kill_after)]
        if kill_after is not None:
            child.send_signal(signal.SIGKILL)
        # what it had written when it died is part of its report, but for a line that was cut
        lines += [line.decode() for line in child.stdout]
    if child.returncode != (0 if kill_after is None else -signal.SIGKILL):
        raise SystemExit(f"life {number} ended by itself, with status {child.returncode}")
    return [line.removesuffix("\n") for line in lines if line.endswith("\n")]


def kill_test(store: Path, rounds: int, seed: int) -> Seen:
    """So many lives that are killed, and one that is not."""
    chance, seen = random.Random(seed), Seen()
    for number in range(rounds):
        seen.read(life(store, number, kill_after=int(1 + 1500 * chance.random() ** 2)))
    seen.read(life(store, rounds, kill_after=None))
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "bus.db"
        begun = time.perf_counter()
        seen = kill_test(store, arguments.rounds, arguments.seed)
        problems = seen.judge()
        doctor = subprocess.run(
            [sys.executable, "-m", "triggers.cli", "doctor", str(store)], capture_output=True, text=True
        )
        if doctor.returncode != 0:
            problems.append(doctor.stdout + doctor.stderr)
    print("\n".join(problems[:20]))
    print(
        f"{arguments.rounds} kills, {len(seen.accepted)} events accepted, {len(seen.letters)} dead letters, "
        f"{seen.repeated} runs repeated, {len(problems)} problems, {time.perf_counter() - begun:.0f} s"
    )
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
