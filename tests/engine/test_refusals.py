"""What nobody can have meant is refused at the call, in one sentence, and nothing is half-changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eventbus import EventBus
from eventbus.errors import ConfigurationError, EventBusError, InvalidParameterValue, ResourceNotFound, ValidationFailed
from eventbus.functions.layers import Layers
from eventbus.functions.names import PATTERN
from eventbus.telemetry.errors import InvalidFilterPattern, InvalidLogParameter, InvalidMetricData, LogGroupNotFound
from tests.engine.support import Box, make_bus
from tests.sandbox.support import HERE
from tests.sandbox.test_functions import zipped


async def handler(event: Any, context: Any) -> Any:
    return event


def plain(event: Any, context: Any) -> Any:
    return event


def world() -> EventBus:
    bus = make_bus()
    function = bus.add_function("f", handler)
    function.publish_version()
    function.create_alias("live", "1")
    bus.logs.create_log_group("app")
    bus.logs.create_log_stream("app", "s")
    return bus


def layers(bus: EventBus, number: int) -> list[Any]:
    made = bus.shared(Layers)
    return [made.publish(f"layer{n}", zipped(one_py="")) for n in range(number)]


LONG = "x" * 257
LENGTH = "failed to satisfy constraint: Member must have length less than or equal to 256"
REFUSED: list[tuple[Callable[[EventBus], Any], type[EventBusError], str]] = [
    # descriptions
    (lambda b: b.add_function("g", handler, description=LONG), ValidationFailed, LENGTH),
    (lambda b: b.functions["f"].update_configuration(description=LONG), ValidationFailed, LENGTH),
    (lambda b: b.functions["f"].update_configuration(description=5), ConfigurationError, "a text is needed"),
    (lambda b: b.functions["f"].create_alias("new", "1", description=LONG), ValidationFailed, LENGTH),
    (lambda b: b.functions["f"].update_alias("live", description=LONG), ValidationFailed, LENGTH),
    # layers
    (
        lambda b: b.add_function("g", "handlers.sleep", HERE, layers=["arn"]),
        ConfigurationError,
        "versions of layers are needed, such as bus.shared(Layers).chosen([arn])",
    ),
    (
        lambda b: b.add_function("g", "handlers.sleep", HERE, layers=layers(b, 6)),
        InvalidParameterValue,
        "Cannot reference more than 5 layers",
    ),
    (
        lambda b: b.add_function("g", "handlers.sleep", HERE, layers=layers(b, 1) * 2),
        InvalidParameterValue,
        "Two different versions of the same layer",
    ),
    (lambda b: b.add_function("g", plain, layers=layers(b, 1)), ConfigurationError, "layers are for processes"),
    # numbers and flags
    (lambda b: b.add_function("g", handler, max_event_age=60.5), ConfigurationError, "whole seconds are needed"),
    (lambda b: EventBus(enforce_iam="no"), ConfigurationError, "enforce_iam='no': True or False is needed"),  # type: ignore[arg-type]
    (lambda b: EventBus(console=3), ConfigurationError, "console=3: True or False is needed"),  # type: ignore[arg-type]
    (lambda b: EventBus(region="mars"), ConfigurationError, "an AWS region reads like us-east-1"),
    (lambda b: setattr(b.billing, "free_tier", "no"), ConfigurationError, "free_tier='no': True or False is needed"),
    (lambda b: setattr(b.billing, "prices", 3), ConfigurationError, "prices=3: a Prices(...) is needed"),
    (lambda b: b.billing.rows("2026-13"), ConfigurationError, 'a month reads like "2026-01"'),
    (
        lambda b: b.functions["f"].on_success(Box(b), grant="no"),  # type: ignore[arg-type]
        ConfigurationError,
        "grant='no': True or False is needed",
    ),
    # what a function can not be asked
    (
        lambda b: b.functions["f"].version("$LATEST").put_provisioned_concurrency(1),
        InvalidParameterValue,
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions",
    ),
    (
        lambda b: b.functions["f"].version("$LATEST").provisioned_concurrency,
        InvalidParameterValue,
        "The function resource provided must be an alias or a published version",
    ),
    (
        lambda b: b.functions["f"].dead_letter(b.functions["f"]),
        InvalidParameterValue,
        "dead_letter takes a standard queue or topic",
    ),
    # tags and roles
    (lambda b: b.functions["f"].tag({"a": 1}), ConfigurationError, "a dict of texts is needed"),  # type: ignore[dict-item]
    (lambda b: b.functions["f"].tag([("a", "b")]), ConfigurationError, "a dict of texts is needed"),  # type: ignore[arg-type]
    (lambda b: b.functions["f"].untag("ab"), ConfigurationError, "a list of texts is needed"),
    (lambda b: b.functions["f"].role.allow(5, "*"), ConfigurationError, "5 are no actions"),  # type: ignore[arg-type]
    (lambda b: b.functions["f"].role.allow([5], "*"), ConfigurationError, "[5] are no actions"),  # type: ignore[list-item]
    # logs
    (lambda b: b.logs.events("unknown"), LogGroupNotFound, "there is no /aws/lambda/unknown; there is: /aws/lambda/f"),
    (lambda b: b.logs.tail("unknown"), LogGroupNotFound, "The specified log group does not exist"),
    (lambda b: b.logs.streams("/aws/lambda/unknown"), LogGroupNotFound, "The specified log group does not exist"),
    (lambda b: b.logs.events(5), InvalidLogParameter, "5 is no name of a log group"),  # type: ignore[arg-type]
    (lambda b: b.logs.events("f", None), InvalidFilterPattern, "a text is needed"),  # type: ignore[arg-type]
    (lambda b: b.logs.events("f", ["a"]), InvalidFilterPattern, "a text is needed"),  # type: ignore[arg-type]
    (lambda b: b.logs.events("f", start="x"), InvalidLogParameter, "start='x': seconds"),  # type: ignore[arg-type]
    (lambda b: b.logs.tail("f", limit=-1), InvalidLogParameter, "limit=-1: a whole number from 0 is needed"),
    (lambda b: b.logs.tail("f", limit="2"), InvalidLogParameter, "limit='2': a whole number"),  # type: ignore[arg-type]
    (lambda b: b.logs.put_log_events("app", "s", "x"), InvalidLogParameter, "'x' is no log event"),  # type: ignore[arg-type]
    (lambda b: b.logs.put_log_events("app", "s", 5), InvalidLogParameter, "5 are no log events"),  # type: ignore[arg-type]
    (lambda b: b.logs.put_log_events("app", "s", [(0, 5)]), InvalidLogParameter, "(0, 5) is no log event"),  # type: ignore[list-item]
    (lambda b: b.logs.put_log_events("app", "s", [("n", "x")]), InvalidLogParameter, "is no log event"),  # type: ignore[list-item]
    # metrics
    (lambda b: b.metrics.query("Invocationss"), InvalidMetricData, "'Invocations' is nearest"),
    (lambda b: b.metrics.query("Error", b.functions["f"]), InvalidMetricData, "'Errors' is nearest"),
    (lambda b: b.metrics.data("Latency", namespace="AWS/Lambda"), InvalidMetricData, "Lambda has no metric 'Latency'"),
    (lambda b: b.metrics.query(5), InvalidMetricData, "5 is no name of a metric"),  # type: ignore[arg-type]
    (lambda b: b.metrics.query("Invocations", "nope"), InvalidMetricData, "'nope' is no resource"),
    (lambda b: b.metrics.query("Errors", dimensions=["a"]), InvalidMetricData, "a dict of texts"),  # type: ignore[arg-type]
    (lambda b: b.metrics.data("Errors", start="x"), InvalidMetricData, "start='x': seconds"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_is_refused(call: Callable[[EventBus], Any], error: type[EventBusError], message: str) -> None:
    """By an error of the library's own, which says what would have been taken; roles and functions are as before."""
    bus = world()
    before = (list(bus.functions), bus.functions["f"].role.version, bus.functions["f"].revision)
    with pytest.raises(error) as caught:
        call(bus)
    assert message in str(caught.value)
    assert (list(bus.functions), bus.functions["f"].role.version, bus.functions["f"].revision) == before


TAKEN: list[Callable[[EventBus], Any]] = [
    lambda b: b.add_function("g", handler, description="x" * 256, max_event_age=60.0),
    lambda b: b.add_function("g", "handlers.sleep", HERE, layers=layers(b, 5)),
    lambda b: [EventBus(region=name) for name in ("us-gov-west-1", "us-iso-east-1", "eu-isoe-west-1", "cn-north-1")],
    lambda b: list(b.logs.events("f")) + list(b.logs.events("/aws/lambda/f")) + b.logs.tail("f", 0),
    lambda b: b.metrics.query("NumberOfMessagesSent"),
    lambda b: b.metrics.query("FailedInvocations"),
    lambda b: b.metrics.query("Invocationss", namespace="shop"),
    lambda b: b.metrics.query("Duration", "arn:aws:lambda:us-east-1:123456789012:function:gone"),
    lambda b: b.billing.rows("2026-12"),
]


@pytest.mark.parametrize("call", TAKEN, ids=range(len(TAKEN)))
def test_what_can_be_is_taken(call: Callable[[EventBus], Any]) -> None:
    """The edges; a function that has not run has an empty log; metrics of other services are theirs to name."""
    call(world())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "qualifier", "member", "pattern"),
    [
        ("a b c!", None, "functionName", PATTERN),
        ("", None, "functionName", PATTERN),
        ("f:a b", None, "functionName", PATTERN),
        ("f", "a b", "qualifier", r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"),
        ("f", "", "qualifier", r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"),
    ],
)
async def test_what_can_be_no_name_is_a_validation_error(
    name: str, qualifier: str | None, member: str, pattern: str
) -> None:
    """In the words of the wire, which looks at names before it looks for functions."""
    async with world() as bus:
        with pytest.raises(ValidationFailed) as caught:
            await bus.invoke(name, qualifier=qualifier)
        value = qualifier if member == "qualifier" else name
        assert str(caught.value) == (
            f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {pattern}"
        )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("f", "$LATEST"),
        ("function:f", "$LATEST"),
        ("function:f:1", "1"),
        ("123456789012:function:f:live", "1"),
        ("us-east-1:123456789012:function:f", "$LATEST"),
        ("arn:aws:lambda:us-east-1:123456789012:function:f:1", "1"),
    ],
)
async def test_a_function_is_named_by_any_part_of_its_arn(name: str, version: str) -> None:
    """As in the pattern of AWS's model."""
    async with world() as bus:
        assert (await bus.invoke(name)).executed_version == version
        with pytest.raises(ResourceNotFound):
            await bus.invoke(name.replace("123456789012", "210987654321") + "x")


GRANTS: list[Callable[[EventBus, Box, Box], Any]] = [
    lambda b, good, bad: b.functions["f"].put_event_invoke_config(retries=9, on_failure=good, grant=True),
    lambda b, good, bad: b.functions["f"].put_event_invoke_config(on_success=good, on_failure=bad, grant=True),
    lambda b, good, bad: b.functions["f"].update_event_invoke_config(max_event_age=1, on_failure=good, grant=True),
]


@pytest.mark.parametrize("call", GRANTS, ids=range(len(GRANTS)))
def test_nothing_is_granted_for_what_is_refused(call: Callable[[EventBus, Box, Box], Any]) -> None:
    """Settings, destinations and the role's policies are as they were."""
    bus = world()
    function = bus.functions["f"]
    function.put_event_invoke_config(retries=1)
    before, policies = function.event_invoke_config, function.role.policies
    good, bad = Box(bus, "good"), Box(bus, "bad.fifo", is_fifo=True)
    with pytest.raises(EventBusError):
        call(bus, good, bad)
    assert function.event_invoke_config == before
    assert function.role.policies == policies


def test_a_grant_that_another_policy_denies_is_taken_back() -> None:
    """It would have been without effect."""
    bus = world()
    function, box = bus.functions["f"], Box(bus)
    function.role.deny("sqs:SendMessage", "*")
    policies = function.role.policies
    with pytest.raises(InvalidParameterValue):
        function.on_failure(box, grant=True)
    assert function.role.policies == policies
