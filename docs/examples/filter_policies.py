"""Filter policies: who gets which message, and the answer to "why did nothing happen?"."""

import json
from typing import Any

import anyio

from eventbus import EventBus, VirtualClock
from triggers import SNS

bus = EventBus(clock=VirtualClock())  # with real time, which of two functions is first depends on the machine
weather = SNS(bus).create_topic("weather")


# By the message's attributes: every key has to match, any value of it will do.
@weather.on(filter_policy={"kind": ["storm", {"prefix": "flood"}], "level": [{"numeric": [">=", 3]}]})
async def alarm(event: Any, context: Any) -> None:
    print(f"  alarm: {event['Records'][0]['Sns']['Message']}")


# By the message's body, which is JSON then.
@weather.on(
    filter_policy={"station": {"height": [{"numeric": [">", 1000]}]}},
    filter_policy_scope="MessageBody",
)
async def mountain_log(event: Any, context: Any) -> None:
    print(f"  mountain_log: {event['Records'][0]['Sns']['Message']}")


async def main() -> None:
    valley, summit = {"station": {"height": 140}}, {"station": {"height": 2410}}
    async with bus:
        for body, kind, level in (
            (valley, "storm", 2),
            (valley, "flood-warning", 4),
            (summit, "sunshine", 1),
            (summit, "storm", 5),
        ):
            print(f"{kind}, level {level}, at {body['station']['height']} m")
            await weather.publish(json.dumps(body), attributes={"kind": kind, "level": level})
            await bus.wait_idle()
        print("\nWhy does a storm of level 2 in the valley reach nobody?")
        print(weather.explain(json.dumps(valley), {"kind": "storm", "level": 2}))


if __name__ == "__main__":
    anyio.run(main)
