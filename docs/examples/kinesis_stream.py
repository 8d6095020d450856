"""A Kinesis stream into a function: a poisoned record blocks its shard until it is bisected out, and order is kept."""

import json
from base64 import b64decode
from typing import Any

import anyio

from eventbus import EventBus, VirtualClock
from triggers import SQS, Kinesis

bus = EventBus(clock=VirtualClock(), seed=1)
kinesis, sqs = Kinesis(bus), SQS(bus)
readings = kinesis.create_stream("readings", shards=2)
rejected = sqs.create_queue("rejected")


@bus.function
async def store(event: Any, context: Any) -> None:
    batch = [json.loads(b64decode(record["kinesis"]["data"])) for record in event["Records"]]
    shard = event["Records"][0]["eventID"].partition(":")[0]
    names = " ".join(f"{reading['sensor']}{reading['n']}" for reading in batch)
    print(f"+{bus.clock.elapsed:g} s  {shard[-1]}  {names}")
    if any(reading["celsius"] is None for reading in batch):
        raise ValueError("a reading without a temperature")


mapping = store.poll(
    readings,
    starting_position="TRIM_HORIZON",
    bisect_batch_on_function_error=True,
    maximum_retry_attempts=1,
    on_failure=rejected,
    grant=True,
)


async def main() -> None:
    async with bus:
        for n in range(4):
            for sensor in ("attic", "cellar"):
                celsius = None if (sensor, n) == ("cellar", 2) else 20 + n
                reading = {"sensor": sensor, "n": n, "celsius": celsius}
                await readings.put_record(json.dumps(reading), partition_key=sensor)
        await bus.wait_idle()
        [letter] = await rejected.receive()
        failure = letter.json()
        print(f"{failure['requestContext']['condition']}: {failure['KinesisBatchInfo']['batchSize']} record")
        print(f"{mapping}, after {bus.clock.elapsed:g} s of virtual time")


if __name__ == "__main__":
    anyio.run(main)
