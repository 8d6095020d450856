"""A mapping as a resource: what is refused when it is created, its states, what it says about itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import botocore.session
import pytest
from botocore.model import StructureShape
from botocore.validate import ParamValidator

from eventbus import EventBus
from eventbus.errors import ConfigurationError, EventBusError, InvalidParameterValue, ResourceNotFound
from tests.polling.support import World, put
from triggers.dynamodb import DynamoDB
from triggers.polling import Mappings, ResourceInUse
from triggers.sns import SNS

LAMBDA = botocore.session.get_session().get_service_model("lambda")
STREAM_ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
TABLE_STREAM_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/things/stream/2026-01-01T00:00:00.000"
TOO_MANY_FILTERS: Any = [{"data": {"a": [1]}}] * 6


def stream(**options: Any) -> Callable[[World], Any]:
    """Poll a stream of which the role may read."""
    options = {"starting_position": "LATEST", "grant": True, **options}
    return lambda world: world.function().poll(world.stream(), **{k: v for k, v in options.items() if v is not ...})


def queue(fifo: bool = False, **options: Any) -> Callable[[World], Any]:
    """Poll a queue of which the role may read."""

    def poll(world: World) -> Any:
        made = world.sqs.create_queue("q.fifo" if fifo else "q", fifo=fifo)
        return world.function().poll(made, **{"grant": True, **options})

    return poll


def table(world: World) -> Any:
    return DynamoDB(world.bus).create_table("things", "id", stream="KEYS_ONLY")


def by_arn(arn: str) -> Callable[[World], Any]:
    return lambda world: world.function().poll(arn, starting_position="LATEST")


ENUM = "Member must satisfy enum value set"
REFUSALS: list[tuple[Callable[[World], Any], str, str]] = [
    (by_arn("arn:aws:s3:::photos"), "InvalidParameterValueException", "Unrecognized event source."),
    (by_arn("not an arn"), "InvalidParameterValueException", "Unrecognized event source."),
    (by_arn(STREAM_ARN), "InvalidParameterValueException", f"Stream not found: {STREAM_ARN}"),
    (
        by_arn("arn:aws:sqs:us-east-1:123456789012:nope"),
        "InvalidParameterValueException",
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
        "SQS Error Message: The specified queue does not exist.",
    ),
    (
        stream(starting_position=...),
        "InvalidParameterValueException",
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
        "Member must not be null.",
    ),
    (
        stream(starting_position="NOW"),
        "ValidationException",
        "1 validation error detected: Value 'NOW' at 'startingPosition' failed to satisfy constraint: "
        f"{ENUM}: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]",
    ),
    (
        lambda world: world.function().poll(table(world), starting_position="AT_TIMESTAMP"),
        "InvalidParameterValueException",
        f"Unsupported starting position for arn type: {TABLE_STREAM_ARN}",
    ),
    (
        lambda world: world.function().poll(
            table(world), starting_position="AT_TIMESTAMP", starting_position_timestamp=5.0
        ),
        "InvalidParameterValueException",
        f"Unsupported starting position for arn type: {TABLE_STREAM_ARN}",
    ),
    (
        stream(filters=["{"]),
        "InvalidParameterValueException",
        "Invalid filter pattern definition.",
    ),
    (
        stream(filters=[{"data": ["plain"]}]),
        "InvalidParameterValueException",
        "Invalid filter pattern definition.",
    ),
    (
        queue(on_failure="anything"),
        "InvalidParameterValueException",
        "Unsupported DestinationConfig parameter for given event source mapping type.",
    ),
    (
        queue(batch_size=11),
        "InvalidParameterValueException",
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
    ),
    (
        queue(starting_position="LATEST"),
        "InvalidParameterValueException",
        "Unsupported StartingPosition parameter for given event source mapping type.",
    ),
    (
        stream(maximum_concurrency=5),
        "InvalidParameterValueException",
        "Unsupported ScalingConfig parameter for given event source mapping type.",
    ),
    (
        stream(grant=False),
        "InvalidParameterValueException",
        f"Cannot access stream {STREAM_ARN}. Please ensure the role can perform the GetRecords, GetShardIterator, "
        "DescribeStream, ListShards, and ListStreams Actions on your stream in IAM.",
    ),
    (
        queue(grant=False),
        "InvalidParameterValueException",
        "The function execution role does not have permissions to call ReceiveMessage on SQS",
    ),
    (
        stream(batch_size=10_001),
        "ValidationException",
        "1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: "
        "Member must have value less than or equal to 10000",
    ),
]


@pytest.mark.parametrize(("poll", "code", "message"), REFUSALS, ids=[message[:70] for _, _, message in REFUSALS])
def test_what_aws_refuses_is_refused_in_its_words(poll: Callable[[World], Any], code: str, message: str) -> None:
    """And nothing is made."""
    world = World()
    with pytest.raises(EventBusError) as caught:
        poll(world)
    assert getattr(caught.value, "code", None) == code
    assert getattr(caught.value, "message", None) == message
    assert len(world.bus.shared(Mappings)) == 0


@pytest.mark.parametrize(
    "poll",
    [
        stream(batch_size=0),
        stream(batch_window=301),
        stream(batch_size=True),
        stream(parallelization_factor=11),
        stream(maximum_retry_attempts=-2),
        stream(maximum_retry_attempts=10_001),
        stream(maximum_record_age=59),
        stream(maximum_record_age=604_801),
        stream(tumbling_window=901),
        stream(bisect_batch_on_function_error=1),
        stream(function_response_types=["Something"]),
        stream(function_response_types="ReportBatchItemFailures"),
        stream(metrics=["Nothing"]),
        stream(filters=TOO_MANY_FILTERS),
        stream(filters="{}"),
        stream(starting_position="AT_TIMESTAMP"),
        stream(starting_position_timestamp=1.0),
        stream(batchsize=1),
        queue(maximum_concurrency=1),
        queue(maximum_concurrency=1001),
        queue(fifo=True, batch_size=11),
        queue(fifo=True, batch_window=1),
        queue(maximum_retry_attempts=1),
        stream(enabled="no"),
        queue(enabled=0),
    ],
)
def test_what_is_out_of_range_is_refused(poll: Callable[[World], Any]) -> None:
    """With nothing made and nothing granted."""
    world = World()
    with pytest.raises(EventBusError):
        poll(world)
    assert len(world.bus.shared(Mappings)) == 0
    assert "kinesis" not in str(world.bus.functions["f"].role.policies)


def test_the_error_of_a_missing_permission_names_the_mending_call() -> None:
    """Which works when it is typed in."""
    world = World()
    function, source = world.function(), world.stream()
    with pytest.raises(EventBusError) as caught:
        function.poll(source, starting_position="LATEST")
    call = str(caught.value).partition("; call ")[2].removesuffix(" or pass grant=True")
    eval(call, {"bus": world.bus, "kinesis": world.kinesis})
    assert function.poll(source, starting_position="LATEST").state == "Creating"


def test_the_functions_timeout_must_fit_into_the_queues_visibility() -> None:
    """A function of 31 seconds and a queue of 30 are refused."""
    world = World()
    with pytest.raises(EventBusError, match=r"^Queue visibility timeout: 30 seconds is less than Function timeout: 31"):
        world.function(timeout=31).poll(world.sqs.create_queue("q"), grant=True)
    mapping = world.function(name="g").poll(world.sqs["q"], grant=True)
    mapping.function.update_configuration(timeout=31)
    with pytest.raises(EventBusError, match=r"^Queue visibility timeout: 30 seconds is less than Function timeout: 31"):
        mapping.update(batch_size=1)


def test_a_second_mapping_of_the_same_two_is_a_conflict() -> None:
    """The error names the first."""
    world = World()
    function, source, other = world.function(), world.stream(), world.sqs.create_queue("q")
    first = function.poll(source, starting_position="LATEST", grant=True)
    with pytest.raises(EventBusError) as caught:
        function.poll(source.arn, starting_position="LATEST")
    assert str(caught.value) == (
        f'The event source arn (" {source.arn} ") and function (" f ") provided mapping already exists. '
        f"Please update or delete the existing mapping with UUID {first.uuid}"
    )
    second = function.poll(other, grant=True)
    with pytest.raises(EventBusError) as caught:
        function.poll(other)
    assert str(caught.value) == (
        f'An event source mapping with SQS arn (" {other.arn} ") and function (" f ") already exists. '
        f"Please update or delete the existing mapping with UUID {second.uuid}"
    )
    assert world.function(name="g").poll(other, grant=True).uuid != second.uuid


def test_what_cannot_be_polled_is_refused() -> None:
    """A topic, and a stream of another bus."""
    world, other = World(), World()
    function = world.function()
    with pytest.raises(ConfigurationError, match="cannot be polled"):
        function.poll(SNS(world.bus).create_topic("t"))
    with pytest.raises(ConfigurationError, match="belongs to another bus"):
        function.poll(other.stream(), starting_position="LATEST")


def test_a_fifo_queue_is_no_destination() -> None:
    """Nor a function; and the role must be allowed to send."""
    world = World()
    function = world.function()
    for target in (world.sqs.create_queue("q.fifo", fifo=True), world.function(name="g")):
        with pytest.raises(EventBusError, match="is invalid; on_failure takes"):
            function.poll(world.kinesis.create_stream(f"s{len(world.kinesis)}"), starting_position="LATEST",
                          on_failure=target, grant=True)  # fmt: skip
    failed = world.sqs.create_queue("failed")
    source = world.stream()
    function.role.allow("kinesis:*", source)
    with pytest.raises(EventBusError, match="does not have permissions to call SendMessage on SQS; call"):
        function.poll(source, starting_position="LATEST", on_failure=failed)


@pytest.mark.parametrize(
    "poll",
    [
        stream(filters=[{"data": {"a": [1]}}], metrics=["EventCount"]),
        stream(starting_position="AT_TIMESTAMP", starting_position_timestamp=1.5),
        queue(maximum_concurrency=7, function_response_types=["ReportBatchItemFailures"]),
    ],
)
def test_what_it_says_about_itself_has_the_shape_of_aws(poll: Callable[[World], Any]) -> None:
    """botocore's model of EventSourceMappingConfiguration accepts it."""
    answer = poll(World()).describe()
    shape = LAMBDA.shape_for("EventSourceMappingConfiguration")
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), report.generate_report()
    assert isinstance(shape, StructureShape)
    assert set(answer) <= set(shape.members)


def test_a_new_mapping_of_a_stream_is_described_as_recorded() -> None:
    """Key by key."""
    world = World()
    mapping = stream()(world)
    assert mapping.source is world.kinesis["s"]
    answer = mapping.describe()
    for volatile in ("UUID", "EventSourceMappingArn", "LastModified"):
        assert answer.pop(volatile)
    assert answer == {
        "EventSourceArn": STREAM_ARN,
        "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 0,
        "ParallelizationFactor": 1,
        "StartingPosition": "LATEST",
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "BisectBatchOnFunctionError": False,
        "TumblingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "DestinationConfig": {"OnFailure": {}},
        "LastProcessingResult": "No records processed",
        "State": "Creating",
        "StateTransitionReason": "User action",
    }


def test_a_new_mapping_of_a_queue_is_described_as_recorded() -> None:
    """Without anything of streams."""
    answer = queue()(World()).describe()
    assert answer["StateTransitionReason"] == "USER_INITIATED"
    assert answer["BatchSize"] == 10
    assert not {"LastProcessingResult", "StartingPosition", "DestinationConfig", "ScalingConfig"} & set(answer)


def test_errors_have_codes_that_the_service_model_knows() -> None:
    """botocore raises what callers catch."""
    codes = {shape.name for shape in LAMBDA.operation_model("DeleteEventSourceMapping").error_shapes}
    assert {ResourceInUse.code, ResourceNotFound.code} <= codes


@pytest.mark.anyio
async def test_states_settle_after_the_call() -> None:
    """Creating, Enabled, Disabling, Disabled, Enabling, Enabled, Updating, Enabled, Deleting, gone."""
    world = World()
    mapping = stream()(world)
    mappings = world.bus.shared(Mappings)
    seen = [mapping.state]

    async def settled() -> None:
        seen.append(mapping.state)
        await world.bus.wait_idle()
        seen.append(mapping.state)

    async with world.bus:
        await settled()
        mapping.disable()
        await settled()
        mapping.enable()
        await settled()
        mapping.update(batch_size=7)
        await settled()
        assert mappings[mapping.uuid].settings.batch_size == 7
        mapping.delete()
        with pytest.raises(ResourceInUse):
            mapping.enable()
        await settled()
    assert seen == [
        "Creating", "Creating", "Enabled", "Disabling", "Disabled", "Enabling", "Enabled", "Updating", "Enabled",
        "Deleting", "Gone",
    ]  # fmt: skip
    with pytest.raises(ResourceNotFound, match=r"^The resource you requested does not exist"):
        mappings[mapping.uuid]
    with pytest.raises(ResourceNotFound):
        mapping.disable()


@pytest.mark.anyio
async def test_a_batch_ends_before_the_mapping_is_disabled() -> None:
    """It is Disabling meanwhile, and goes on behind that batch when it is enabled."""
    world = World()
    source = world.stream()
    mapping = world.function(takes=10.0).poll(source, starting_position="TRIM_HORIZON", batch_size=1, grant=True)
    async with world.bus:
        put(source, "a", "b")
        await world.advance(5)
        mapping.disable()
        await world.advance(1)
        assert mapping.state == "Disabling"
        await world.advance(60)
        assert (mapping.state, world.batches) == ("Disabled", [["a"]])
        mapping.enable()
        await world.bus.wait_idle()
    assert world.batches == [["a"], ["b"]]


@pytest.mark.anyio
async def test_a_mapping_that_is_retrying_can_be_disabled_at_once() -> None:
    """Nobody waits for the pause to end; enabled, it begins anew."""
    world = World()
    source = world.stream()
    mapping = world.function(lambda carried: 1 / 0 if len(world.calls) < 9 else None).poll(
        source, starting_position="TRIM_HORIZON", grant=True
    )
    async with world.bus:
        put(source, "a")
        await world.advance(40)
        mapping.disable()
        await world.bus.wait_idle()
        assert (mapping.state, world.elapsed) == ("Disabled", 40)
        assert mapping.last_processing_result == "PROBLEM: Function call failed"
        mapping.enable()
        await world.bus.wait_idle()
    assert world.batches == [["a"]] * 9
    assert mapping.last_processing_result == "OK"


@pytest.mark.parametrize("how", ["made", "updated"])
def test_nothing_is_granted_for_a_mapping_that_is_refused(how: str) -> None:
    """Neither reading the source nor sending to the destination."""
    world = World()
    function, other = world.function(), world.function(name="other")
    destination = world.sqs.create_queue("failed.fifo", fifo=True)
    mapping = function.poll(world.stream(), starting_position="LATEST", grant=True)
    policies = other.role.policies
    make = partial(other.poll, mapping.source, starting_position="LATEST")
    refused = {"made": make, "updated": partial(mapping.update, function=other)}[how]
    with pytest.raises(InvalidParameterValue):
        refused(on_failure=destination, grant=True)
    assert other.role.policies == policies


def test_a_refused_update_changes_nothing() -> None:
    """Neither settings nor state."""
    mapping = stream()(World())
    before = mapping.describe()
    for changes in ({"batch_size": 0}, {"filters": ["{"]}, {"starting_position": "LATEST"}, {"on_failure": "nobody"}):
        with pytest.raises(EventBusError):
            mapping.update(**changes)
    assert mapping.describe() == before


def a_queue_of_another_function(world: World) -> dict[str, Any]:
    world.function(name="g").poll(world.sqs["q"], grant=True)
    return {"function": "g"}


UPDATES: list[tuple[Callable[[World], dict[str, Any]], str]] = [
    (lambda world: {"function": "nope"}, "Function does not exist"),
    (lambda world: {"function": world.sqs["q"]}, "is not a function"),
    (lambda world: {"enabled": "no"}, "enabled is True or False"),
    (a_queue_of_another_function, "already exists"),
    (
        lambda world: {"function": world.function(name="g", timeout=60), "grant": True},
        "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds",
    ),
    (
        lambda world: {"function": world.function(name="g"), "on_failure": world.sqs["q"], "grant": True},
        "Unsupported DestinationConfig parameter",
    ),
]


@pytest.mark.parametrize(("given", "message"), UPDATES, ids=[message for _, message in UPDATES])
def test_what_an_update_refuses(given: Callable[[World], dict[str, Any]], message: str) -> None:
    """Nothing is changed, and nothing granted."""
    world = World()
    mapping = world.function().poll(world.sqs.create_queue("q"), grant=True)
    changes = given(world)
    before = mapping.describe()
    versions = {name: function.role.version for name, function in world.bus.functions.items()}
    with pytest.raises(EventBusError, match=message):
        mapping.update(**changes)
    assert mapping.describe() == before
    assert versions == {name: function.role.version for name, function in world.bus.functions.items()}


@pytest.mark.anyio
async def test_handlers_need_the_permission() -> None:
    """To make a mapping, and to change one."""
    world = World()
    source, other = world.stream(), world.function(name="other")

    async def handler(event: Any, context: Any) -> Any:
        other.poll(source, starting_position="LATEST", grant=True).disable()

    function = world.bus.add_function("f", handler)
    function.role.allow("iam:PutRolePolicy", other.role)  # which grant=True does
    async with world.bus:
        for action in ("lambda:CreateEventSourceMapping", "lambda:UpdateEventSourceMapping"):
            refused = (await world.bus.invoke(function)).payload
            assert refused["errorType"] == "AccessDenied"
            assert f'role.allow("{action}", "' in refused["errorMessage"]
            function.role.allow(action, "*")
            for mapping in world.bus.shared(Mappings):
                mapping.delete()
            await world.bus.wait_idle()
        assert (await world.bus.invoke(function)).function_error is None


def test_a_mapping_may_be_deleted_before_the_bus_runs() -> None:
    """And made again."""
    world = World()
    mapping = stream()(world)
    mapping.delete()
    assert mapping.state == "Gone"
    assert world.bus.functions["f"].poll(STREAM_ARN, starting_position="LATEST").state == "Creating"


def test_mappings_are_listed_by_function_and_by_source() -> None:
    """As ListEventSourceMappings does."""
    world = World()
    first = stream()(world)
    second = world.function(name="g").poll(world.kinesis["s"], starting_position="LATEST", grant=True)
    mappings = world.bus.shared(Mappings)
    assert list(mappings) == mappings.of(source_arn=STREAM_ARN) == [first, second]
    assert mappings.of(function_arn=second.function.arn) == [second]


def test_a_bus_without_iam_needs_no_permission() -> None:
    """`enforce_iam=False`."""
    world = World(enforce_iam=False)
    assert isinstance(world.bus, EventBus)
    assert world.function().poll(world.stream(), starting_position="LATEST").state == "Creating"
