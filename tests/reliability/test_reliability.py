"""Short runs of the proofs; the long ones are commands, see docs/reliability.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.kill import kill_test
from tests.reliability.mutations import MUTATIONS, first_seed_that_notices
from tests.reliability.simulation import run

SEEDS = 300


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("first", range(0, SEEDS, 50))
def test_no_promise_is_broken_in_simulation(first: int, backend: str) -> None:
    for seed in range(first, first + 50):
        run(seed, backend)


def test_the_same_seed_gives_the_same_run() -> None:
    worlds = [run(7), run(7)]
    assert worlds[0].runs == worlds[1].runs
    assert worlds[0].accepted == worlds[1].accepted


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_simulation_notices_broken_code(name: str) -> None:
    assert first_seed_that_notices(name, 60) is not None, MUTATIONS[name].__doc__


def test_no_event_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    seen = kill_test(tmp_path / "bus.db", rounds=12, seed=1)
    assert seen.judge() == []
    assert len(seen.accepted) > 100
