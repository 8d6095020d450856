"""A function, a version or an alias is deleted while something is wired to it, and perhaps declared again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eventbus import EventBus, Function, VirtualClock
from eventbus.errors import ConfigurationError, ResourceNotFound
from triggers import S3, SNS, SQS, DynamoDB, EventBridge, FunctionUrl, HttpApi, Kinesis, RestApi, Schedule
from triggers.polling.mapping import EventSourceMapping

pytestmark = pytest.mark.anyio

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


class World:
    """A function wired in every way that there is, and what became of its calls."""

    def __init__(self, wired: str = "function") -> None:
        self.clock = VirtualClock()
        self.bus = bus = EventBus(clock=self.clock, seed=7)
        self.calls: list[str] = []
        self.bucket = S3(bus).create_bucket("photos")
        self.topic = SNS(bus).create_topic("t")
        self.queue = SQS(bus).create_queue("q", visibility_timeout=60)
        self.stream = Kinesis(bus).create_stream("s")
        self.table = DynamoDB(bus).create_table("items", "id", stream="NEW_IMAGE")
        self.events = EventBridge(bus).default
        self.http, self.rest = HttpApi(bus, "http"), RestApi(bus, "rest")
        self.function = self.declare("old")
        version, alias = self.function.publish_version(), self.function.create_alias("live", "$LATEST")
        self.target = target = {"function": self.function, "version": version, "alias": alias}[wired]
        self.source = bus.add_function("source", self.answer)
        self.source.on_success(target, grant=True)
        self.bucket.notify(target, "s3:ObjectCreated:*", grant=True)
        self.topic.subscribe(target, grant=True)
        self.events.put_rule("r", event_pattern={"source": ["shop"]}).target(target, grant=True)
        Schedule(bus).create("hourly", "rate(1 hour)", target, grant=True)
        self.url = FunctionUrl(bus, target, grant=True)
        self.http.route("GET /x", target, grant=True)
        self.rest.route("GET /x", target, grant=True)
        guard = self.http.authorizer(target, grant=True)
        self.http.route("GET /guarded", self.source, authorizer=guard, grant=True)
        self.mappings = [
            target.poll(self.queue, grant=True),
            target.poll(self.stream, starting_position="TRIM_HORIZON", grant=True),
            target.poll(self.table, starting_position="TRIM_HORIZON", grant=True),
        ]

    async def answer(self, event: Any, context: Any) -> str:
        return "an answer"

    def declare(self, tag: str) -> Function:
        async def handler(event: Any, context: Any) -> dict[str, Any]:
            self.calls.append(tag)
            is_authorizer = event.get("type") == "REQUEST"
            return {"isAuthorized": True} if is_authorizer else {"statusCode": 200, "body": tag}

        return self.bus.add_function("f", handler)

    def delete(self) -> None:
        if self.target.qualifier is None:
            self.function.delete()
        elif self.target.qualifier == "live":
            self.function.delete_alias("live")
        else:
            self.function.delete(self.target.qualifier)

    async def use_everything(self) -> None:
        """Send something down every wire but those of HTTP."""
        await self.bucket.put_object("k", b"")
        await self.topic.publish("m")
        await self.events.put("d", {}, "shop")
        await self.queue.send("m")
        await self.stream.put_record(b"r", "k")
        await self.table.put_item({"id": "1"})
        await self.bus.push(self.source, 1, source="s3.amazonaws.com")
        await self.clock.advance(3700)
        await self.bus.wait_idle()

    async def statuses(self) -> list[int]:
        requests = ((self.http, "/x"), (self.rest, "/x"), (self.url, "/"), (self.http, "/guarded"))
        return [
            (await front.request("GET", path, headers={"authorization": "me"})).status_code for front, path in requests
        ]


@pytest.mark.parametrize("wired", ["function", "version", "alias"])
async def test_the_bus_goes_on_without_a_function_that_everything_is_wired_to(
    wired: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing raises; APIs answer 500 and URLs 403, and mappings say what is wrong."""
    world = World(wired)
    world.source.allow("s3.amazonaws.com")
    async with world.bus:
        world.delete()
        await world.use_everything()
        assert await world.statuses() == [500, 500, 403, 500]
        assert world.calls == []
        problem = f"Function not found: {world.target.arn}"
        assert [mapping.last_processing_result for mapping in world.mappings] == [f"PROBLEM: {problem}"] * 3
        said = [record.getMessage() for record in caplog.records if problem in record.getMessage()]
        assert sum("mapping_has_problem" in message for message in said) == 3
        assert sum("destination_failed" in message for message in said) == 1
        assert world.bus.metrics.query("DestinationDeliveryFailures", world.source).sum == 1
        assert world.queue.statistics().visible == 1  # nobody has taken it in vain


async def test_what_is_declared_again_under_the_name_is_found_by_every_wire() -> None:
    """Wires keep an ARN: the new function is called everywhere, the old one nowhere."""
    world = World()
    world.source.allow("s3.amazonaws.com")
    async with world.bus:
        world.delete()
        new = world.declare("new")
        new.role.allow("*", "*")
        for principal in ("s3", "sns", "events", "scheduler", "apigateway"):
            new.allow(f"{principal}.amazonaws.com")
        world.source.role.allow("lambda:InvokeFunction", new)
        world.url.grant()
        await world.use_everything()
        assert world.calls == ["new"] * 8
        assert await world.statuses() == [200, 200, 200, 200]
        assert {mapping.last_processing_result for mapping in world.mappings} == {"OK"}


async def test_a_batch_that_is_being_retried_stops_with_its_function() -> None:
    """The mapping has a problem, and goes on where it was when there is a function again."""
    clock = VirtualClock()
    bus = EventBus(clock=clock, seed=7)
    stream, calls = Kinesis(bus).create_stream("s"), list[str]()

    async def failing(event: Any, context: Any) -> None:
        calls.append("old")
        raise ValueError("no")

    async def content(event: Any, context: Any) -> None:
        calls.append("new")

    function = bus.add_function("f", failing)
    mapping = function.poll(stream, starting_position="TRIM_HORIZON", grant=True)
    async with bus:
        await stream.put_record(b"r", "k")
        await clock.advance(1.5)
        function.delete()
        before = len(calls)
        await clock.advance(600)
        assert len(calls) == before
        assert mapping.last_processing_result.startswith(f"PROBLEM: Function not found: {ARN}")
        bus.add_function("f", content).role.allow("*", "*")
        await clock.advance(600)
        assert calls[before:] == ["new"]
        assert mapping.last_processing_result == "OK"


USES: list[Callable[[EventBus, Any], Any]] = [
    lambda bus, gone: bus.push(gone, 1, source="s3.amazonaws.com"),
    lambda bus, gone: bus.invoke(gone),
    lambda bus, gone: bus.request(gone, 1),
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("wired", ["function", "version", "alias"])
async def test_what_was_deleted_is_not_found(wired: str, use: Callable[[EventBus, Any], Any]) -> None:
    """AWS's error, which a service can tell from a mistake in the program, and one word more in place of a riddle."""
    world = World(wired)
    async with world.bus:
        world.delete()
        with pytest.raises(ResourceNotFound) as caught:
            await use(world.bus, world.target)
        assert str(caught.value) == f"Function not found: {world.target.arn}; this function was deleted"
        if wired == "function":
            world.declare("new")
            with pytest.raises(ResourceNotFound, match="this function was deleted; there is another of this name now"):
                await use(world.bus, world.target)


async def test_a_function_of_another_bus_stays_a_mistake_of_the_program() -> None:
    """Objects belong to one bus, and no service hides that one was mixed up."""
    stranger = EventBus(clock=VirtualClock()).add_function("f", lambda event, context: None)
    async with EventBus(clock=VirtualClock()) as bus:
        with pytest.raises(ConfigurationError, match="belongs to another bus"):
            await bus.invoke(stranger)


def test_a_mapping_names_the_function_that_it_invokes_now() -> None:
    """Also when that is another than it was made for; without one, the one that was deleted."""
    world = World()
    mapping: EventSourceMapping = world.mappings[0]
    world.delete()
    assert mapping.function is world.function
    new = world.declare("new")
    assert mapping.function is new
