"""A worker behind a queue: it reports the jobs that failed, only those come back, and the hopeless one is set aside."""

import json
from typing import Any

import anyio

from eventbus import EventBus, VirtualClock
from triggers import SQS

bus = EventBus(clock=VirtualClock(), seed=1)
sqs = SQS(bus)
hopeless = sqs.create_queue("hopeless")
jobs = sqs.create_queue("jobs", visibility_timeout=60, dead_letter=hopeless, max_receive_count=3)


@bus.function(timeout=10)
async def worker(event: Any, context: Any) -> Any:
    failed = []
    for record in event["Records"]:
        job, tries = json.loads(record["body"]), int(record["attributes"]["ApproximateReceiveCount"])
        is_done = tries > job["fails"]
        print(f"+{bus.clock.elapsed:g} s  {job['name']}: {'done' if is_done else 'failed'}")
        if not is_done:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


worker.poll(jobs, function_response_types=["ReportBatchItemFailures"], grant=True)


async def main() -> None:
    async with bus:
        for name, fails in (("resize", 0), ("upload", 1), ("divide by zero", 99)):
            await jobs.send(json.dumps({"name": name, "fails": fails}))
        await bus.wait_idle()
        print(f"left: {jobs.statistics().total}, set aside: {[m.json()['name'] for m in await hopeless.receive()]}")
        count = bus.metrics.query("Invocations", worker).sum
        print(f"{count:g} invocations in {bus.clock.elapsed:g} s of virtual time")


if __name__ == "__main__":
    anyio.run(main)
