"""What happened: a shop's orders, seen in the logs, the metrics, the bill and the trace."""

import json

import anyio

from eventbus import EventBus, VirtualClock

bus = EventBus(clock=VirtualClock(), seed=1)


@bus.function(memory=512, log_format="JSON", system_log_level="WARN")
async def charge(event, context):
    print(json.dumps({"order": event["id"], "cents": event["cents"]}))
    if event["cents"] > 5000:
        raise ValueError("declined")
    metric = {"Namespace": "shop", "Dimensions": [[]], "Metrics": [{"Name": "Revenue"}]}
    now = int(bus.clock.now() * 1000)
    print(json.dumps({"_aws": {"Timestamp": now, "CloudWatchMetrics": [metric]}, "Revenue": event["cents"]}))


charge.allow("events.amazonaws.com")


async def main():
    async with bus:
        start = bus.clock.now()
        for number, cents in enumerate((1200, 800, 9900)):
            await bus.push(charge, {"id": number, "cents": cents}, source="events.amazonaws.com")
        await bus.wait_idle()

    print("\nlog events with more than 1000 cents:")
    for event in bus.logs.filter("charge", "{ $.cents > 1000 }"):
        print(f"  +{event.at - start:.0f} s  {event.message}", end="")

    revenue = bus.metrics.query("Revenue", namespace="shop")
    print(f"\nrevenue: {revenue.sum:.0f} cents in {revenue.samples} orders, median {revenue.percentile(50):.0f}")
    for point in bus.metrics.data("Errors", charge, statistic="Average"):
        print(f"  +{point.at - start:.0f} s  {point.value:.0%} of the invocations failed")

    print(f"\n{bus.billing}\n\n{bus.trace}")


anyio.run(main)
