"""Configuring: every refusal at the call, with its exact sentence, and nothing changed."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from eventbus import EventBus, Function
from eventbus.errors import (
    ConfigurationError,
    InvalidParameterValue,
    ResourceConflict,
    ResourceNotFound,
    ValidationFailed,
)
from eventbus.testing import Recorder
from tests.engine.support import ARN, S3, Box, Photos, make_bus


async def handler(event: Any, context: Any) -> Any:
    return event


def plain(event: Any, context: Any) -> Any:
    return event


BUS_OPTIONS = [
    ("account_id", "12345", "account_id='12345': an AWS account id is twelve digits, as text"),
    ("account_id", 123456789012, "account_id=123456789012: an AWS account id is twelve digits, as text"),
    ("account_id", "12345678901²", "account_id='12345678901²': an AWS account id is twelve digits, as text"),
    ("region", "", "region='': an AWS region reads like us-east-1"),
    ("region", "us east", "region='us east': an AWS region reads like us-east-1"),
    ("region", None, "region=None: an AWS region reads like us-east-1"),
    ("concurrency", 0, "concurrency=0: the account's limit is a whole number from 1 to 999,999"),
    ("concurrency", 1_000_000, "concurrency=1000000: the account's limit is a whole number from 1 to 999,999"),
    ("concurrency", "x", "concurrency='x': the account's limit is a whole number from 1 to 999,999"),
    ("concurrency", 2.5, "concurrency=2.5: the account's limit is a whole number from 1 to 999,999"),
    ("concurrency", True, "concurrency=True: the account's limit is a whole number from 1 to 999,999"),
    ("queue_limit", 0, "queue_limit=0: a whole number from 1 is needed"),
    ("queue_limit", 1.5, "queue_limit=1.5: a whole number from 1 is needed"),
    ("queue_limit", True, "queue_limit=True: a whole number from 1 is needed"),
    ("history", -1, "history=-1: a whole number from 1 is needed"),
    ("grace", -0.1, "grace=-0.1: seconds, 0 or more"),
    ("grace", float("nan"), "grace=nan: seconds, 0 or more"),
    ("grace", None, "grace=None: seconds, 0 or more"),
    ("clock", 5, "clock=5: a SystemClock() or a VirtualClock() is needed"),
    ("faults", 0.5, "faults=0.5: a Faults(...) is needed"),
]


@pytest.mark.parametrize(("option", "value", "message"), BUS_OPTIONS)
def test_a_bus_refuses_an_option_that_cannot_be(option: str, value: Any, message: str) -> None:
    """The sentence names the option, the value and what would have been accepted."""
    options = {option: value}
    with pytest.raises(ConfigurationError) as caught:
        EventBus(**options)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)


FUNCTION_OPTIONS = [
    ("memory", 127, "memory=127: AWS accepts 128 to 10,240 MB"),
    ("memory", 10_241, "memory=10241: AWS accepts 128 to 10,240 MB"),
    ("memory", 128.5, "memory=128.5: a whole number is needed"),
    ("memory", "128", "memory='128': AWS accepts 128 to 10,240 MB"),
    ("timeout", 0, "timeout=0: AWS accepts 0.001 to 900 seconds"),
    ("timeout", 900.5, "timeout=900.5: AWS accepts 0.001 to 900 seconds"),
    ("timeout", float("nan"), "timeout=nan: AWS accepts 0.001 to 900 seconds"),
    ("timeout", None, "timeout=None: AWS accepts 0.001 to 900 seconds"),
    ("retries", -1, "retries=-1: AWS accepts 0 to 2 retries"),
    ("retries", 3, "retries=3: AWS accepts 0 to 2 retries"),
    ("retries", 1.0, "retries=1.0: a whole number is needed"),
    ("retries", True, "retries=True: AWS accepts 0 to 2 retries"),
    ("max_event_age", 59, "max_event_age=59: AWS accepts 60 to 21,600 seconds"),
    ("max_event_age", 21_601, "max_event_age=21601: AWS accepts 60 to 21,600 seconds"),
    ("reserved_concurrency", -1, "reserved_concurrency=-1: a whole number from 0, or None for no reservation"),
    ("reserved_concurrency", 1.5, "reserved_concurrency=1.5: a whole number from 0, or None for no reservation"),
    ("reserved_concurrency", True, "reserved_concurrency=True: a whole number from 0, or None for no reservation"),
    ("recursive_loop", "Stop", "recursive_loop='Stop': AWS accepts 'Terminate' and 'Allow'"),
    ("description", 5, "description=5: a text is needed"),
]


@pytest.mark.parametrize(("option", "value", "message"), FUNCTION_OPTIONS)
def test_a_function_refuses_an_option_that_cannot_be(option: str, value: Any, message: str) -> None:
    """When it is declared and when it is changed; the bus and the function stay as they were."""
    bus = make_bus()
    with pytest.raises(ConfigurationError) as caught:
        bus.add_function("f", handler, **{option: value})
    assert str(caught.value) == message
    assert not bus.functions
    function = bus.add_function("f", handler)
    before = function.configuration
    with pytest.raises(ConfigurationError) as caught:
        function.update_configuration(**{option: value})
    assert str(caught.value) == message
    assert function.configuration is before


@pytest.mark.parametrize(
    "options",
    [
        {"memory": 128, "timeout": 900, "retries": 0, "max_event_age": 60},
        {"memory": 10_240, "timeout": 0.001, "retries": 2, "max_event_age": 21_600},
        {"reserved_concurrency": 0, "recursive_loop": "Allow", "description": "text"},
        {"reserved_concurrency": 900},
    ],
)
def test_the_limits_themselves_are_accepted(options: dict[str, Any]) -> None:
    """From the smallest to the largest value of AWS."""
    function = make_bus().add_function("f", handler, **options)
    assert {name: getattr(function.configuration, name) for name in options} == options


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    """A misspelt option is no silent default."""
    bus = make_bus()
    with pytest.raises(ConfigurationError) as caught:
        bus.add_function("f", handler, retrys=1, memmory=2)
    assert str(caught.value) == (
        "a function has no option memmory, retrys; it has name, role, memory, timeout, retries, "
        "max_event_age, reserved_concurrency, isolation, recursive_loop, description, environment, tmp, "
        "log_format, application_log_level, system_log_level, log_group, layers, architecture, tracing"
    )
    function = bus.add_function("f", handler)
    with pytest.raises(ConfigurationError, match="isolation, nonsense cannot be changed; settings are memory, timeout"):
        function.update_configuration(nonsense=1, isolation="thread")


NAME = r"Member must satisfy regular expression pattern: [a-zA-Z0-9-_\.]+"


@pytest.mark.parametrize(
    ("name", "constraint"),
    [
        ("", NAME),
        ("a b", NAME),
        ("ä", NAME),
        ("a/b", NAME),
        (5, NAME),
        ("x" * 65, "Member must have length less than or equal to 64"),
    ],
)
def test_a_name_that_breaks_the_rules_is_refused_in_the_words_of_aws(name: Any, constraint: str) -> None:
    """ValidationException with value, member and constraint."""
    bus = make_bus()
    with pytest.raises(ValidationFailed) as caught:
        bus.add_function(name, handler)
    assert str(caught.value) == (
        f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: {constraint}"
    )
    assert not bus.functions


@pytest.mark.parametrize("name", ["x" * 64, "a-B_c.9", "$LATEST"[1:]])
def test_a_name_within_the_rules_is_accepted(name: str) -> None:
    """Up to 64 letters, digits, hyphens, underscores and dots."""
    assert make_bus().add_function(name, handler).arn == f"{ARN}{name}"


def test_a_taken_name_is_a_conflict() -> None:
    """The first function stays."""
    bus = make_bus()
    first = bus.add_function("f", handler)
    with pytest.raises(ResourceConflict) as caught:
        bus.add_function("f", plain)
    assert str(caught.value) == "Function already exist: f; choose another name="
    assert dict(bus.functions) == {"f": first}


# -- handlers ----------------------------------------------------------------------------------------------------------


class Greeter:
    async def __call__(self, event: Any, context: Any) -> Any:
        return event

    async def method(self, event: Any, context: Any) -> Any:
        return event

    def plain_method(self, event: Any, context: Any) -> Any:
        return event


class Threaded:
    def __call__(self, event: Any, context: Any) -> Any:
        return event


async def with_more(event: Any, context: Any, extra: int = 1, *rest: Any, key: int = 2) -> Any:
    return event


async def with_rest(*arguments: Any) -> Any:
    return arguments[0]


async def of_three(event: Any, context: Any, third: int) -> Any:
    return event


HANDLERS: list[tuple[Any, str, str]] = [
    (handler, "handler", "task"),
    (plain, "plain", "thread"),
    (with_more, "with_more", "task"),
    (with_rest, "with_rest", "task"),
    (Greeter(), "Greeter", "task"),
    (Threaded(), "Threaded", "thread"),
    (Greeter().method, "method", "task"),
    (Greeter().plain_method, "plain_method", "thread"),
    (functools.partial(of_three, third=3), "partial", "task"),
    (functools.partial(plain), "partial", "thread"),
    (Recorder(name="recorded", result="x"), "recorded", "task"),
    (max, "max", "thread"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("candidate", "name", "isolation"), HANDLERS, ids=[row[1] + row[2] for row in HANDLERS])
async def test_whatever_takes_event_and_context_is_a_handler(candidate: Any, name: str, isolation: str) -> None:
    """Functions, methods, partials, objects; async ones run in tasks, plain ones in threads."""
    bus = make_bus()
    function = bus.function(candidate)
    assert (function.name, function.configuration.isolation) == (name, isolation)
    if candidate is max:
        return
    async with bus:
        assert (await bus.invoke(function, "x")).payload == "x"


def no_arguments() -> None: ...
def one_argument(event: Any) -> None: ...
def three_arguments(event: Any, context: Any, more: Any) -> None: ...
def keyword_only(*, event: Any, context: Any) -> None: ...
def needs_a_keyword(event: Any, context: Any, *, more: Any) -> None: ...


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (5, "5 is not a handler: a handler is a function that takes (event, context)"),
        ("orders", "'orders' is not a handler; to name a function write @bus.function(name='orders')"),
        (no_arguments, "no_arguments() -> 'None' is not a handler: it is called as handler(event, context)"),
        (
            one_argument,
            "one_argument(event: 'Any') -> 'None' is not a handler: it is called as handler(event, context)",
        ),
        (
            three_arguments,
            "three_arguments(event: 'Any', context: 'Any', more: 'Any') -> 'None' is not a handler: "
            "it is called as handler(event, context)",
        ),
        (
            keyword_only,
            "keyword_only(*, event: 'Any', context: 'Any') -> 'None' is not a handler: "
            "it is called as handler(event, context)",
        ),
        (
            needs_a_keyword,
            "needs_a_keyword(event: 'Any', context: 'Any', *, more: 'Any') -> 'None' is not a handler: "
            "it is called as handler(event, context)",
        ),
    ],
)
def test_what_cannot_be_called_with_event_and_context_is_no_handler(candidate: Any, message: str) -> None:
    """The sentence shows what it is and how it would be called."""
    bus = make_bus()
    with pytest.raises(ConfigurationError) as caught:
        bus.function(candidate)
    assert str(caught.value) == message
    assert not bus.functions


@pytest.mark.parametrize(
    ("candidate", "isolation", "message"),
    [
        (plain, "task", "plain is a plain function and runs in a thread; make it `async def`"),
        (handler, "thread", "handler is `async def` and runs in a task; make it a plain `def`"),
        (handler, "process", "handler is `async def` and runs in a task; make it a plain `def`"),
        (
            plain,
            "lambda",
            "isolation='lambda': a handler runs in a 'task' (async def), a 'thread' (def) or a 'process'",
        ),
    ],
)
def test_an_isolation_that_does_not_fit_is_refused(candidate: Any, isolation: str, message: str) -> None:
    """What is async runs in a task, what is plain in a thread."""
    with pytest.raises(ConfigurationError) as caught:
        make_bus().function(isolation=isolation)(candidate)
    assert str(caught.value) == message


def test_a_lambda_needs_a_name() -> None:
    """And works with one."""
    bus = make_bus()
    with pytest.raises(ConfigurationError, match="a lambda has no name of its own: give it one"):
        bus.function(lambda event, context: None)
    assert bus.function(name="f")(lambda event, context: None).name == "f"


@pytest.mark.anyio
async def test_one_handler_can_be_two_functions() -> None:
    """Decorators can be stacked; each function has its own name, role and queue."""
    bus = make_bus()

    @bus.function(name="a")
    @bus.function(name="b")
    async def both(event: Any, context: Any) -> Any:
        return context.function_name

    async with bus:
        assert [(await bus.invoke(name)).payload for name in ("a", "b")] == ["a", "b"]


def test_calling_a_function_calls_the_plain_handler() -> None:
    """Unit tests stay unit tests: no bus, no copy."""
    bus = make_bus()

    @bus.function(name="other")
    def f(event: Any, context: Any) -> Any:
        """What it does."""
        return event

    payload = [1]
    assert f(payload, None) is payload
    assert (f.__name__, f.__doc__) == ("other", "What it does.")
    assert repr(f) == "<Function other: thread without a memory limit, 0 queued, 0 running>"


def test_functions_are_listed_by_name_and_read_only() -> None:
    """`bus.functions` is a view."""
    bus = make_bus()
    f = bus.add_function("f", handler)
    assert bus.functions["f"] is f
    with pytest.raises(TypeError):
        bus.functions["g"] = f  # type: ignore[index]


# -- permissions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def bus() -> EventBus:
    return make_bus()


@pytest.fixture
def function(bus: EventBus) -> Function:
    return bus.add_function("f", handler)


def test_allow_writes_the_statement_that_add_permission_would(function: Function) -> None:
    """Principal, source ARN and account are taken from the source."""
    assert function.policy is None
    function.allow(Photos())
    assert function.policy == {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [
            {
                "Sid": "s3--photos",
                "Effect": "Allow",
                "Principal": {"Service": S3},
                "Action": "lambda:InvokeFunction",
                "Resource": f"{ARN}f",
                "Condition": {
                    "StringEquals": {"AWS:SourceAccount": "123456789012"},
                    "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::photos"},
                },
            }
        ],
    }


@pytest.mark.parametrize(
    "source",
    [S3, Photos(), "123456789012", "*", "arn:aws:iam::123456789012:role/caller", "arn:aws:iam::111122223333:root"],
    ids=["service", "source", "account", "anyone", "role", "other account"],
)
def test_allowing_twice_changes_nothing(function: Function, source: Any) -> None:
    """One statement, one version."""
    function.allow(source)
    version, policy = function.access.version, function.policy
    function.allow(source)
    assert (function.access.version, function.policy) == (version, policy)


def test_a_narrower_statement_does_not_stand_for_a_wider_one(function: Function) -> None:
    """What was allowed under a condition only is not yet allowed."""
    function.add_permission("narrow", "*", principal_org_id="o-1234567890")
    function.add_permission("token", S3, event_source_token="t")
    function.add_permission("mine", S3, source_account="123456789012")
    function.allow("*")
    function.allow(S3)
    assert function.policy is not None
    assert len(function.policy["Statement"]) == 5


def test_allow_takes_functions_and_roles(bus: EventBus, function: Function) -> None:
    """A function stands for its execution role."""
    other = bus.add_function("other", handler)
    function.allow(other)
    function.allow(other.role)
    assert function.policy is not None
    (statement,) = function.policy["Statement"]
    assert statement["Principal"] == {"AWS": other.role.arn}


def test_generated_statement_ids_are_never_taken_twice(function: Function) -> None:
    """A second source whose label reads the same gets a number."""
    function.add_permission("s3-amazonaws-com", "sns.amazonaws.com")
    function.allow(S3)
    assert function.policy is not None
    assert [statement["Sid"] for statement in function.policy["Statement"]] == [
        "s3-amazonaws-com",
        "s3-amazonaws-com-2",
    ]


@pytest.mark.parametrize("source", [None, 5, object(), [S3]])
def test_what_cannot_be_allowed_is_refused(function: Function, source: Any) -> None:
    """The sentence lists what can be."""
    with pytest.raises(ConfigurationError, match="cannot be allowed: give a bucket, a topic, a function, a role"):
        function.allow(source)
    assert function.policy is None


def test_a_permission_can_be_added_and_removed_by_its_id(function: Function) -> None:
    """In AWS's own terms; a wrong id is not found."""
    statement = function.add_permission("one", S3, source_arn="arn:aws:s3:::photos")
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::photos"}}
    with pytest.raises(ResourceConflict, match=r"The statement id \(one\) provided already exists"):
        function.add_permission("one", "sns.amazonaws.com")
    with pytest.raises(ResourceNotFound, match="Statement two is not found in resource policy"):
        function.remove_permission("two")
    function.remove_permission("one")
    assert function.policy is None
    with pytest.raises(ResourceNotFound, match="No policy is associated with the given resource"):
        function.remove_permission("one")


# -- wiring ------------------------------------------------------------------------------------------------------------

CALLS = ["on_success", "on_failure", "dead_letter"]


@pytest.mark.parametrize("call", CALLS)
def test_a_destination_needs_the_roles_permission(bus: EventBus, function: Function, call: str) -> None:
    """Without it the call is refused with the mending call; with it, or with grant=True, it is taken."""
    box = Box(bus)
    with pytest.raises(InvalidParameterValue) as caught:
        getattr(function, call)(box)
    assert str(caught.value) == (
        "The provided execution role does not have permissions to call SendMessage on SQS; "
        'call bus.functions["f"].role.allow("sqs:SendMessage", sqs["failed"]) or pass grant=True'
    )
    assert getattr(function.destinations, call) is None
    function.role.allow("sqs:SendMessage", box)
    getattr(function, call)(box.arn)
    assert getattr(function.destinations, call) is box
    other = bus.add_function("other", handler)
    getattr(other, call)(box, grant=True)
    assert getattr(other.destinations, call) is box


@pytest.mark.parametrize("call", CALLS)
def test_a_fifo_queue_is_no_destination(bus: EventBus, function: Function, call: str) -> None:
    """Refused in AWS's words, with what would be taken; nothing is granted."""
    box = Box(bus, "failed.fifo", is_fifo=True)
    version = function.role.version
    with pytest.raises(InvalidParameterValue) as caught:
        getattr(function, call)(box, grant=True)
    assert caught.value.message == f"The destination ARN {box.arn} is invalid."
    assert caught.value.mend is not None
    accepted = "function, standard queue, standard topic"
    kinds = {"on_success": f"{accepted} or event bus", "on_failure": f"{accepted}, event bus or bucket"}
    assert caught.value.mend == f"{call} takes a {kinds.get(call, 'standard queue or standard topic')}"
    assert function.role.version == version


@pytest.mark.parametrize(
    ("call", "kind", "taken"),
    [
        ("on_success", "topic", True),
        ("on_success", "bucket", False),
        ("on_failure", "bucket", True),
        ("dead_letter", "topic", True),
        ("dead_letter", "bucket", False),
        ("on_success", "function", True),
        ("on_failure", "function", True),
        ("dead_letter", "function", False),
    ],
)
def test_which_kinds_may_be_wired_to_what(bus: EventBus, function: Function, call: str, kind: str, taken: bool) -> None:
    """Buckets take failures only, dead-letter queues are queues or topics."""
    target: Any = bus.add_function("other", handler) if kind == "function" else Box(bus, "box", kind=kind)
    if taken:
        getattr(function, call)(target, grant=True)
    else:
        with pytest.raises(InvalidParameterValue, match="is invalid"):
            getattr(function, call)(target, grant=True)
    assert getattr(function.destinations, call) is (target if taken else None)


@pytest.mark.parametrize("call", ["on_success", "on_failure"])
def test_a_function_is_no_destination_for_itself(function: Function, call: str) -> None:
    """By object, name or ARN."""
    for target in (function, "f", f"{ARN}f"):
        with pytest.raises(InvalidParameterValue) as caught:
            getattr(function, call)(target, grant=True)
        assert str(caught.value) == "You can't specify the function as a destination for itself."


def test_an_unknown_destination_is_not_found(function: Function) -> None:
    """An ARN of nothing on this bus."""
    with pytest.raises(ResourceNotFound) as caught:
        function.on_failure("arn:aws:sqs:us-east-1:123456789012:nowhere")
    assert str(caught.value) == "arn:aws:sqs:us-east-1:123456789012:nowhere does not exist on this bus"


def test_a_resource_is_registered_once(bus: EventBus) -> None:
    """A second one with the same ARN is refused; after `unregister` there is room again."""
    box = Box(bus)
    assert bus.resource(box.arn) is box
    with pytest.raises(ConfigurationError, match="exists on this bus already"):
        Box(bus)
    bus.unregister(box)
    with pytest.raises(ResourceNotFound):
        bus.resource(box.arn)
    with pytest.raises(ConfigurationError, match="belongs to another bus, or was deleted"):
        bus.resource(box)
    Box(bus)
