"""The demo at work: files go in one after another, then what failed is tried again, then the report."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import attrs

from eventbus import EventBus, SystemClock, VirtualClock
from triggers.demo.collect import SAMPLES, Collection, collect, shown
from triggers.demo.flow import Flow, build
from triggers.demo.narrator import Narrator
from triggers.demo.report import report
from triggers.running import run_until_idle
from triggers.s3.errors import S3Error
from triggers.summary import count

REFRESH = 0.2
"""Seconds between two looks at what is new, while retries are waited for in real time."""


@attrs.frozen(kw_only=True)
class Options:
    """What `eventbus demo` was asked for."""

    directory: Path | None = None
    limit: int = 200
    seed: int = 0
    is_real_time: bool = False
    is_mermaid: bool = False
    is_quiet: bool = False
    shows_all_trees: bool = False


async def play(options: Options) -> int:
    """Run the demo; returns the exit status. Raises NothingToDo for a directory that holds nothing to take."""
    found = collect(options.directory or SAMPLES, options.limit)
    clock = SystemClock() if options.is_real_time else VirtualClock()
    bus = EventBus(clock=clock, seed=options.seed, history=max(10_000, 30 * options.limit))
    flow = build(bus)
    bus.trace.clear()  # what the wiring left there, so that the tree begins with the files
    # a diagram is to be redirected into a file, which nothing else must get into
    narrator = Narrator(bus, sys.stderr if options.is_mermaid else sys.stdout, is_quiet=options.is_quiet)
    _introduce(narrator, options, found)

    async def work() -> None:
        await _put_files(bus, flow, narrator, found)
        await _try_again(bus, narrator)

    ending = await run_until_idle(bus, work)
    narrator.catch_up()
    if ending.failure is not None:
        raise ending.failure
    report(bus, flow, ending, narrator, is_mermaid=options.is_mermaid, shows_all=options.shows_all_trees)
    return 0 if ending.signal is None else 128 + ending.signal


def _introduce(narrator: Narrator, options: Options, found: Collection) -> None:
    whose = "that eventbus ships" if options.directory is None else f"of {shown(str(options.directory))}"
    narrator.say(f"{count(len(found.files), 'file')} {whose}, through a bucket, a topic and five functions.")
    if options.is_real_time:
        narrator.say("In real time: what fails is tried again after 1 minute and after 2 more,")
        narrator.say("so this takes about 3 minutes. Ctrl-C stops it and shows what is known by then.")
    else:
        narrator.say("Virtual clock: retries of minutes take no time (unlike with --real-time).")
    for key, reason in found.skipped:
        narrator.skipped(key, reason)
    if found.hidden:
        narrator.skipped(count(found.hidden, "entry", "entries"), "names that begin with a dot are left alone")
    if found.has_more:
        narrator.skipped("the rest", f"the first {options.limit} files are taken; --limit N changes that")
    narrator.say()


async def _put_files(bus: EventBus, flow: Flow, narrator: Narrator, found: Collection) -> None:
    for number, file in enumerate(found.files, 1):
        narrator.file(number, len(found.files), file)
        try:
            await flow.uploads.put_object(file.key, file.path)
        except (OSError, S3Error) as error:  # it was readable a moment ago, or has become something else
            narrator.skipped(file.key, getattr(error, "strerror", None) or str(error))
            continue
        # Publishing waits for nobody. We wait for the functions' first attempts, so that their lines stand together.
        await bus.settle()
        narrator.catch_up()


async def _try_again(bus: EventBus, narrator: Narrator) -> None:
    narrator.all_files_are_in()
    if waiting := bus.statistics().waiting:
        narrator.say(f"\nAll files are in. {count(waiting, 'event')} failed, to be tried again:\n")
    clock = bus.clock
    if isinstance(clock, VirtualClock):
        while bus.statistics().waiting and (due := clock.next_due()) is not None:
            await clock.jump_to(due)
            narrator.catch_up()
        return
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_keep_telling, narrator)
        await bus.wait_idle()
        tasks.cancel_scope.cancel()


async def _keep_telling(narrator: Narrator) -> None:
    while True:
        narrator.catch_up()
        narrator.waiting()
        await anyio.sleep(REFRESH)
