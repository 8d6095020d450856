"""Schedules: a month of nights, a time zone that changes its clocks, and a retry; in no time."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import anyio

from eventbus import EventBus, VirtualClock
from triggers import SQS, Schedule

clock = VirtualClock(start=datetime(2026, 3, 15, tzinfo=UTC).timestamp())
bus = EventBus(clock=clock, seed=1)
schedule = Schedule(bus)
reports = SQS(bus).create_queue("reports")
nights: list[str] = []


@schedule.on("cron(0 3 * * ? *)", timezone="Europe/Berlin", input={"at": "<aws.scheduler.scheduled-time>"}, retries=2)
async def nightly(event: Any, context: Any) -> None:
    nights.append(event["at"])
    if nights.count(event["at"]) == 1 and len(nights) == 1:
        raise OSError("the first night goes wrong once")


schedule.create("weekly", "cron(0 9 ? * MON *)", reports, input="write the report", flexible_window=15, grant=True)
schedule.create(
    "reminder",
    "at(2026-03-18T12:00:00)",
    reports,
    input="remember <aws.scheduler.scheduled-time>",
    action_after_completion="DELETE",
    grant=True,
)


async def main() -> None:
    print("first night:", datetime.fromtimestamp(schedule["nightly"].next_at or 0, ZoneInfo("Europe/Berlin")))
    async with bus:
        await clock.advance(4 * 86_400)
        print([message.body for message in await reports.receive(10)])
        await clock.advance(26 * 86_400)
        print(f"{len(nights)} runs in 30 days, the first night twice: {nights[0] == nights[1]}")
        print("in winter at", nights[0][11:16], "and in summer at", nights[-1][11:16], "UTC")
        print("schedules left:", [one.name for one in schedule])


if __name__ == "__main__":
    anyio.run(main)
