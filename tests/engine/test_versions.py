"""Versions: numbering, what freezes, what they are addressed by, and how they end."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from eventbus import EventBus, Function
from eventbus.errors import (
    AccessDenied,
    ConfigurationError,
    InvalidParameterValue,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
)
from eventbus.iam.roles import Role
from eventbus.testing import Recorder
from tests.engine.support import ARN, S3, Box, make_bus

pytestmark = pytest.mark.anyio


async def first(event: Any, context: Any) -> str:
    return "first"


async def second(event: Any, context: Any) -> str:
    return "second"


def declare(bus: EventBus, **options: Any) -> Function:
    return bus.add_function("f", first, **options)


async def test_a_version_keeps_its_code_and_configuration_whatever_happens_to_latest() -> None:
    """Handler, timeout, memory and environment variables are those of the day it was published."""
    bus = make_bus()
    f = declare(bus, memory=128, timeout=3, environment={"STAGE": "old"})
    version = f.publish_version()
    f.update_code(second)
    f.update_configuration(memory=512, timeout=9, environment={"STAGE": "new"})
    async with bus:
        old, new = await bus.invoke(version), await bus.invoke(f)
    assert (old.payload, old.executed_version, new.payload, new.executed_version) == ("first", "1", "second", "$LATEST")
    assert (version.configuration.memory, version.configuration.timeout) == (128, 3)
    assert dict(version.configuration.environment) == {"STAGE": "old"}
    assert version.role is f.role


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("memory", {"memory": 129}),
    ("timeout", {"timeout": 4}),
    ("environment", {"environment": {"AB": "1"}}),
    ("tmp", {"tmp": 513}),
    ("description", {"description": "new"}),
]


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=[name for name, _ in CHANGES])
async def test_a_change_of_what_a_version_freezes_makes_the_next_one_new(name: str, change: dict[str, Any]) -> None:
    """And publishing again without a change gives the version that is there."""
    f = declare(make_bus())
    one = f.publish_version()
    assert f.publish_version() is one
    f.update_configuration(**change)
    two = f.publish_version()
    assert (two.number, f.publish_version()) == ("2", two)
    assert list(f.versions) == ["1", "2"]


async def test_role_and_dead_letter_queue_are_part_of_a_version() -> None:
    """Changing either makes the next version a new one."""
    bus = make_bus()
    f = declare(bus)
    f.publish_version()
    bus.roles.create("other")
    f.update_configuration(role="other")
    assert f.publish_version().number == "2"
    f.dead_letter(Box(bus), grant=True)
    assert f.publish_version().number == "3"
    assert [version.role.name for version in f.versions.values()] == ["f-role", "other", "other"]


@pytest.mark.parametrize(
    "change", [{"reserved_concurrency": 5}, {"retries": 0}, {"max_event_age": 60}, {"recursive_loop": "Allow"}]
)
async def test_settings_of_the_whole_function_make_no_new_version(change: dict[str, Any]) -> None:
    """They hold for all versions together, or for the asynchronous events of the function itself."""
    f = declare(make_bus())
    one = f.publish_version()
    f.update_configuration(**change)
    f.allow(S3)
    assert f.publish_version() is one


async def test_a_description_of_its_own_makes_no_difference_for_the_next() -> None:
    """PublishVersion's Description describes the version alone."""
    f = declare(make_bus(), description="latest")
    one = f.publish_version("the first")
    assert (one.description, f.configuration.description) == ("the first", "latest")
    assert f.publish_version("the second") is one


async def test_numbers_are_never_used_twice_not_even_by_a_function_made_again() -> None:
    """A deleted version leaves a gap, a deleted function too."""
    bus = make_bus()
    f = declare(bus)
    f.publish_version()
    f.update_configuration(memory=256)
    f.publish_version()
    f.delete("2")
    f.update_configuration(memory=512)
    assert f.publish_version().number == "3"
    f.delete()
    assert declare(bus).publish_version().number == "4"


async def test_preconditions_are_checked_in_the_words_of_aws() -> None:
    """Wrong code, wrong revision: nothing is published."""
    f = declare(make_bus())
    with pytest.raises(InvalidParameterValue) as wrong_code:
        f.publish_version(code_sha256="abc")
    assert str(wrong_code.value) == (
        f"CodeSHA256 (abc) is different from current CodeSHA256 in $LATEST ({f.code_sha256}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )
    before = f.revision_id
    f.update_configuration(memory=256)
    assert f.revision_id != before
    for call in (f.publish_version, lambda **o: f.update_code(second, **o), f.update_configuration):
        with pytest.raises(PreconditionFailed) as stale:
            call(revision_id=before)
        assert stale.value.message == (
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
        )
    assert not f.versions
    version = f.publish_version(code_sha256=f.code_sha256, revision_id=f.revision_id)
    f.update_code(second)
    assert f.code_sha256 != version.code_sha256


async def test_update_code_publishes_on_request() -> None:
    """And returns what it published."""
    f = declare(make_bus())
    published = f.update_code(second, publish=True)
    assert published is f.version("1")
    assert f.update_code(first) is f
    with pytest.raises(ConfigurationError, match="is not a handler"):
        f.update_code(5)  # type: ignore[arg-type]
    assert f.handler is first


@pytest.mark.parametrize("name", ["f:1", f"{ARN}f:1", "123456789012:function:f:1"])
async def test_a_version_is_found_under_every_form_of_its_name(name: str) -> None:
    """Name with qualifier, partial and full ARN."""
    bus = make_bus()
    version = declare(bus).publish_version()
    assert bus.resource(name) is version
    async with bus:
        result = await bus.invoke(name)
    assert result.executed_version == "1"


async def test_the_context_knows_what_was_invoked_and_what_ran() -> None:
    """The ARN as it was addressed, the version that runs."""
    bus, recorder = make_bus(), Recorder()
    f = bus.add_function("f", recorder)
    f.publish_version()
    f.create_alias("prod", "1")
    async with bus:
        for qualifier in (None, "$LATEST", "1", "prod"):
            await bus.invoke(f, qualifier=qualifier)
    assert [(c.invoked_function_arn, c.function_version) for c in recorder.contexts] == [
        (f"{ARN}f", "$LATEST"),
        (f"{ARN}f:$LATEST", "$LATEST"),
        (f"{ARN}f:1", "1"),
        (f"{ARN}f:prod", "1"),
    ]


async def test_versions_log_to_streams_of_their_own_in_the_same_group() -> None:
    """The version stands in the stream's name and in the START line."""
    bus = make_bus()
    f = declare(bus)
    version = f.publish_version()
    async with bus:
        await bus.invoke(f)
        await bus.invoke(version)
        assert bus.logs.groups() == ["/aws/lambda/f"]
        assert [stream.partition("[")[2].partition("]")[0] for stream in bus.logs.streams("f")] == ["$LATEST", "1"]
        assert "Version: 1\n" in bus.logs.text("f")


async def test_each_has_a_policy_of_its_own() -> None:
    """What the function allows its version does not, and the other way round."""
    bus = make_bus()
    f = declare(bus)
    version = f.publish_version()
    f.allow(S3)
    async with bus:
        await bus.push(f, 1, source=S3)
        await bus.push(version, 2, source=S3)
        await bus.wait_idle()
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.payload, letter.target) == ("AccessDenied", 2, f"{ARN}f:1")
        assert letter.error.endswith('call bus.functions["f"].version("1").allow(\'s3.amazonaws.com\')')
        version.allow(S3)
        await bus.redrive(letter)
        await bus.wait_idle()
        assert bus.statistics().finished == 2
    assert version.policy is not None
    assert version.policy["Statement"][0]["Resource"] == f"{ARN}f:1"


async def test_a_role_needs_permission_for_the_very_arn() -> None:
    """A handler that may invoke the function may not invoke its version."""
    bus = make_bus()
    f = declare(bus)
    version = f.publish_version()

    @bus.function
    async def caller(event: Any, context: Any) -> Any:
        return (await bus.invoke(f, qualifier=event)).payload

    caller.role.allow("lambda:InvokeFunction", f)
    async with bus:
        assert (await bus.invoke(caller, None)).payload == "first"
        assert (await bus.invoke(caller, "1")).payload["errorType"] == "AccessDenied"
        caller.role.allow("lambda:InvokeFunction", version)
        assert (await bus.invoke(caller, "1")).payload == "first"


async def test_nothing_is_granted_to_latest() -> None:
    """AWS refuses it, and says so; the function's own policy is what counts."""
    bus = make_bus()
    f = declare(bus)
    with pytest.raises(InvalidParameterValue) as caught:
        f.version("$LATEST").allow(S3)
    assert caught.value.message == "We currently do not support adding policies for $LATEST."


async def test_two_qualifiers_must_agree() -> None:
    """One in the name and another beside it are refused, the same one twice is fine."""
    bus = make_bus()
    declare(bus).publish_version()
    async with bus:
        assert (await bus.invoke("f:1", qualifier="1")).executed_version == "1"
        with pytest.raises(InvalidParameterValue) as caught:
            await bus.invoke("f:1", qualifier="2")
        assert str(caught.value) == (
            "The derived qualifier from the function name does not match the specified qualifier."
        )


@pytest.mark.parametrize("how", ["qualifier", "name"])
async def test_a_version_that_does_not_exist_is_not_found(how: str) -> None:
    """With the ARN that was looked for."""
    bus = make_bus()
    f = declare(bus)
    async with bus:
        with pytest.raises(ResourceNotFound) as caught:
            await (bus.invoke(f, qualifier="42") if how == "qualifier" else bus.invoke("f:42"))
        assert caught.value.message.removesuffix(".") == f"Function not found: {ARN}f:42"
    with pytest.raises(ResourceNotFound, match=r"published are none; call bus.functions\[\"f\"\].publish_version\(\)"):
        f.version(1)


async def test_the_rules_of_deletion() -> None:
    """Neither $LATEST alone nor an alias as a version, no version that an alias stands for, none that is not there."""
    f = declare(make_bus())
    f.publish_version()
    f.create_alias("prod", "1")
    with pytest.raises(InvalidParameterValue) as latest:
        f.delete("$LATEST")
    assert latest.value.message == "$LATEST version cannot be deleted without deleting the function."
    with pytest.raises(InvalidParameterValue) as alias:
        f.delete("prod")
    assert alias.value.message == "Deletion of aliases is not currently supported."
    with pytest.raises(ResourceNotFound) as unknown:
        f.delete("9")
    assert unknown.value.message == f"Function not found: {ARN}f"
    with pytest.raises(ResourceConflict, match="Version 1 is used by an alias"):
        f.delete("1")
    f.delete_alias("prod")
    f.delete_alias("prod")
    f.delete("1")
    assert not f.versions


async def test_deleting_a_function_lets_what_runs_finish_and_gives_up_what_is_queued() -> None:
    """Nothing is lost: the rest is in the dead-letter list, under its reason, and the counters add up."""
    bus = make_bus()
    recorder = Recorder(fail="always")
    f = bus.add_function("f", recorder)
    version = f.publish_version()
    f.allow(S3)
    async with bus:
        await bus.push(f, "waits for its retry", source=S3)
        await bus.settle()
        f.delete()
        await bus.wait_idle()
        (letter,) = bus.dead_letters
        assert (letter.reason, letter.attempts) == ("ResourceNotFound", 1)
        counted = bus.statistics()
        assert (counted.accepted, counted.dead_lettered, counted.running) == (1, 1, 0)
        for gone in (f, version, "f", f"{ARN}f:1"):
            with pytest.raises((ResourceNotFound, ConfigurationError)):
                await bus.push(gone, 1, source=S3)
        with pytest.raises(ResourceNotFound):
            await bus.redrive(letter)
        with pytest.raises(ResourceNotFound):
            f.delete()
        assert bus.add_function("f", recorder) is bus.functions["f"]


async def test_a_version_as_a_destination_and_a_function_for_its_own_version() -> None:
    """Another function's version may be a destination; one's own may not."""
    bus, recorder = make_bus(), Recorder()
    version = bus.add_function("g", recorder).publish_version()
    f = declare(bus)
    f.allow(S3)
    f.on_success(version, grant=True)
    with pytest.raises(InvalidParameterValue, match="as a destination for itself"):
        f.on_failure(f.publish_version())
    async with bus:
        await bus.push(f, 1, source=S3)
        await bus.wait_idle()
    assert recorder.events[0]["requestContext"]["functionArn"] == f"{ARN}f:$LATEST"
    assert recorder.contexts[0].invoked_function_arn == f"{ARN}g:1"


async def test_a_role_that_lambda_cannot_assume_is_refused() -> None:
    """Because of its trust policy, or because it does not exist; nothing is declared or changed."""
    bus = make_bus()
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    bus.roles.create("ec2", trust_policy=trust)
    for role in ("ec2", "nobody", "arn:aws:iam::123456789012:role/nobody"):
        with pytest.raises(InvalidParameterValue) as caught:
            declare(bus, role=role)
        assert caught.value.message == "The role defined for the function cannot be assumed by Lambda."
    assert not bus.functions
    f = declare(bus, reserved_concurrency=3)
    with pytest.raises(InvalidParameterValue):
        f.update_configuration(role="ec2", reserved_concurrency=5, memory=256)
    assert (f.configuration.memory, f.configuration.reserved_concurrency, f.role.name) == (128, 3, "f-role")
    assert bus.account.pool("f").limit == 3


async def test_what_runs_goes_on_as_the_role_that_it_began_with() -> None:
    """As with credentials that an environment was given; the next event finds a new one."""
    bus = make_bus()
    box = Box(bus)
    bus.roles.create("other")
    go = anyio.Event()

    @bus.function
    async def f(event: Any, context: Any) -> str:
        await go.wait()
        bus.authorize("sqs:SendMessage", box.arn, box.access, box.label)
        caller = bus.caller()
        assert caller is not None
        return str(caller.principal)

    f.role.allow("sqs:SendMessage", box)
    results: list[Any] = []

    async def call() -> None:
        results.append((await bus.invoke(f)).payload)

    async with bus:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            f.update_configuration(role="other")
            go.set()
        assert results == ["arn:aws:sts::123456789012:assumed-role/f-role/f"]
        assert (await bus.invoke(f)).payload["errorType"] == "AccessDenied"


async def test_functions_may_share_a_role() -> None:
    """By object, name or ARN; what it may do all of them may."""
    bus = make_bus()
    role = bus.roles.create("worker")
    functions = [bus.add_function(f"f{n}", first, role=how) for n, how in enumerate((role, "worker", role.arn))]
    assert {f.role for f in functions} == {role}
    own = Role("own", "123456789012")
    assert bus.add_function("g", first, role=own).role is bus.roles["own"]
    assert list(bus.roles) == ["worker", "own"]


async def test_an_alias_needs_a_policy_of_its_own_for_a_role() -> None:
    """A handler may invoke exactly what its role names."""
    bus = make_bus()
    f = declare(bus)
    f.publish_version()
    alias = f.create_alias("prod", 1)

    @bus.function
    async def caller(event: Any, context: Any) -> Any:
        try:
            return (await bus.invoke(alias)).payload
        except AccessDenied as error:
            return str(error)

    async with bus:
        refused = (await bus.invoke(caller)).payload
        assert refused.endswith(
            'call bus.functions["caller"].role.allow("lambda:InvokeFunction", bus.functions["f"].alias("prod"))'
        )
        caller.role.allow("lambda:InvokeFunction", alias)
        assert (await bus.invoke(caller)).payload == "first"
