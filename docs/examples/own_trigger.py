"""A trigger of your own: whatever has a `principal` and an `arn` can push events to functions, with `bus.push` alone.

Here it is a doorbell. As for AWS's own sources, the function has to let it in; what it may not do is recorded.
"""

from typing import Any

import anyio

from eventbus import EventBus, VirtualClock


class Doorbell:
    """One doorbell; each ring is an event for whoever answers the door."""

    principal = "doorbells.amazonaws.com"  # IAM knows services by such names only

    def __init__(self, bus: EventBus, door: str) -> None:
        self.bus = bus
        self.door = self.label = door  # the label is how code names it, in the calls that errors recommend
        self.arn = f"arn:aws:doorbells:{bus.region}:{bus.account_id}:door/{door}"

    async def ring(self, answer: object, times: int) -> str:
        receipt = await self.bus.push(answer, {"door": self.door, "times": times}, source=self)
        return receipt.request_id


bus = EventBus(clock=VirtualClock(), seed=1)
front, back = Doorbell(bus, "front"), Doorbell(bus, "back")


@bus.function
async def answer(event: Any, context: Any) -> None:
    print(f"{context.aws_request_id}: somebody rang {event['times']} times at the {event['door']} door")


answer.allow(front)  # the function's policy: this one doorbell, not the other


async def main() -> None:
    async with bus:
        print("accepted as", await front.ring(answer, 2))
        print("accepted as", await back.ring(answer, 3))
        await bus.wait_idle()
        print(f"\n{bus.trace}")
        for letter in bus.dead_letters:
            print(f"\n{letter.source} was not let in:\n{letter.error}")


if __name__ == "__main__":
    anyio.run(main)
