"""What a handler sets up with Python objects is done as its function's role, as it is over the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eventbus import EventBus, Function, VirtualClock
from eventbus.errors import AccessDenied
from eventbus.functions.alias import Alias
from eventbus.functions.version import Version
from eventbus.iam.roles import Role
from triggers import SNS, SQS, DynamoDB, EventBridge

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role"
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function"


class World:
    """A function that does what it is told, and something of everything."""

    def __init__(self) -> None:
        self.bus = bus = EventBus(clock=VirtualClock(), seed=7)
        self.sqs, self.sns, self.db, self.eb = SQS(bus), SNS(bus), DynamoDB(bus), EventBridge(bus)
        self.queue, self.topic = self.sqs.create_queue("q"), self.sns.create_topic("t")
        self.subscription = self.topic.subscribe(self.queue, grant=True)
        self.table = self.db.create_table("items", "id", stream="NEW_IMAGE")
        self.event_bus = self.eb.create_event_bus("shop")
        self.event_bus.put_permission("them", "210987654321")
        self.role = bus.roles.create("keeper")
        self.role.attach("AWSLambdaBasicExecutionRole")
        self.role.put_policy("own", _NOTHING)
        self.g: Function = bus.add_function("g", nothing)
        self.g.add_permission("them", "210987654321")
        self.g.put_event_invoke_config(retries=1)
        self.version: Version = self.g.publish_version()
        self.alias: Alias = self.g.create_alias("live", "1")
        bus.logs.create_log_group("app")
        bus.logs.create_log_stream("app", "s")
        self.f: Function = bus.add_function("f", self.handler)
        self.call: Callable[[World], object] = lambda world: None

    async def handler(self, event: Any, context: Any) -> None:
        self.call(self)

    async def do(self, call: Callable[[World], object]) -> str | None:
        """Have the handler make the call: the message with which it was refused, or None."""
        self.call = call
        result = await self.bus.invoke(self.f)
        if result.function_error is None:
            return None
        assert result.payload["errorType"] == AccessDenied.__name__, result.payload
        return str(result.payload["errorMessage"])


async def nothing(event: Any, context: Any) -> None:
    """A handler."""


_NOTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}],
}

CALLS: list[tuple[str, str, Callable[[World], object]]] = [
    ("sqs:CreateQueue", '"arn:aws:sqs:us-east-1:123456789012:new"', lambda w: w.sqs.create_queue("new")),
    ("sqs:DeleteQueue", 'sqs["q"]', lambda w: w.sqs.delete_queue("q")),
    ("sqs:SetQueueAttributes", 'sqs["q"]', lambda w: w.queue.set_attributes({"DelaySeconds": "1"})),
    ("sqs:SetQueueAttributes", 'sqs["q"]', lambda w: w.queue.set_policy(None)),
    ("sqs:SetQueueAttributes", 'sqs["q"]', lambda w: w.queue.allow("s3.amazonaws.com")),
    ("sns:CreateTopic", '"arn:aws:sns:us-east-1:123456789012:new"', lambda w: w.sns.create_topic("new")),
    ("sns:DeleteTopic", 'sns["t"]', lambda w: w.sns.delete_topic(w.topic)),
    ("sns:DeleteTopic", '"arn:aws:sns:us-east-1:123456789012:none"', lambda w: w.sns.delete_topic("none")),
    ("sns:SetTopicAttributes", 'sns["t"]', lambda w: w.topic.set_attribute("DisplayName", "x")),
    ("sns:SetTopicAttributes", 'sns["t"]', lambda w: w.topic.set_policy(None)),
    ("sns:SetTopicAttributes", 'sns["t"]', lambda w: w.topic.allow("s3.amazonaws.com")),
    ("sns:Subscribe", 'sns["t"]', lambda w: w.topic.subscribe(w.queue)),
    ("sns:SetSubscriptionAttributes", 'sns["t"]', lambda w: w.subscription.set_filter_policy(None)),
    ("sns:SetSubscriptionAttributes", 'sns["t"]', lambda w: w.subscription.set_attribute("FilterPolicy", "")),
    ("sns:Unsubscribe", 'sns["t"]', lambda w: w.subscription.unsubscribe()),
    (
        "dynamodb:CreateTable",
        '"arn:aws:dynamodb:us-east-1:123456789012:table/new"',
        lambda w: w.db.create_table("new", "id", time_to_live="t", stream="NEW_IMAGE"),
    ),
    ("dynamodb:DeleteTable", 'dynamodb["items"]', lambda w: w.db.delete_table("items")),
    ("dynamodb:DescribeTable", 'dynamodb["items"]', lambda w: w.table.describe()),
    ("dynamodb:UpdateTable", 'dynamodb["items"]', lambda w: w.table.disable_stream()),
    ("dynamodb:UpdateTable", 'dynamodb["items"]', lambda w: w.table.create_index("by-x", "x")),
    ("dynamodb:UpdateTimeToLive", 'dynamodb["items"]', lambda w: w.table.update_time_to_live("t")),
    (
        "events:CreateEventBus",
        '"arn:aws:events:us-east-1:123456789012:event-bus/new"',
        lambda w: w.eb.create_event_bus("new"),
    ),
    ("events:DeleteEventBus", 'eb["shop"]', lambda w: w.eb.delete_event_bus("shop")),
    ("events:PutPermission", 'eb["shop"]', lambda w: w.event_bus.put_permission("x", "*")),
    ("events:PutPermission", 'eb["shop"]', lambda w: w.event_bus.allow("s3.amazonaws.com")),
    ("events:PutPermission", 'eb["shop"]', lambda w: w.event_bus.set_policy(None)),
    ("events:RemovePermission", 'eb["shop"]', lambda w: w.event_bus.remove_permission("them")),
    ("iam:CreateRole", 'bus.roles["new"]', lambda w: w.bus.roles.create("new")),
    ("iam:DeleteRole", 'bus.roles["keeper"]', lambda w: w.bus.roles.delete("keeper")),
    ("iam:PutRolePolicy", 'bus.roles["keeper"]', lambda w: w.role.allow("*", "*")),
    ("iam:PutRolePolicy", 'bus.roles["f-role"]', lambda w: w.f.role.allow("*", "*")),
    ("iam:PutRolePolicy", 'bus.roles["keeper"]', lambda w: w.role.deny("*", "*")),
    ("iam:PutRolePolicy", 'bus.roles["keeper"]', lambda w: w.role.put_policy("p", _NOTHING)),
    ("iam:DeleteRolePolicy", 'bus.roles["keeper"]', lambda w: w.role.delete_policy("own")),
    ("iam:AttachRolePolicy", 'bus.roles["keeper"]', lambda w: w.role.attach("AWSLambdaSQSQueueExecutionRole")),
    ("iam:DetachRolePolicy", 'bus.roles["keeper"]', lambda w: w.role.detach("AWSLambdaBasicExecutionRole")),
    (
        "iam:UpdateAssumeRolePolicy",
        'bus.roles["keeper"]',
        lambda w: setattr(w.role, "trust_policy", w.role.trust_policy),
    ),
    ("iam:PutRolePermissionsBoundary", 'bus.roles["keeper"]', lambda w: setattr(w.role, "boundary", _NOTHING)),
    ("iam:DeleteRolePermissionsBoundary", 'bus.roles["keeper"]', lambda w: setattr(w.role, "boundary", None)),
    ("lambda:UpdateFunctionConfiguration", 'bus.functions["g"]', lambda w: w.g.update_configuration(timeout=9)),
    ("lambda:UpdateFunctionConfiguration", 'bus.functions["g"]', lambda w: w.g.dead_letter(None)),
    ("lambda:UpdateFunctionCode", 'bus.functions["g"]', lambda w: w.g.update_code(w.handler, publish=True)),
    ("lambda:PublishVersion", 'bus.functions["g"]', lambda w: w.g.publish_version()),
    ("lambda:CreateAlias", 'bus.functions["g"]', lambda w: w.g.create_alias("new", "1")),
    ("lambda:UpdateAlias", 'bus.functions["g"]', lambda w: w.g.update_alias("live", description="x")),
    ("lambda:UpdateAlias", 'bus.functions["g"]', lambda w: w.alias.update(description="x")),
    ("lambda:DeleteAlias", 'bus.functions["g"]', lambda w: w.g.delete_alias("live")),
    ("lambda:DeleteFunction", 'bus.functions["g"]', lambda w: w.g.delete()),
    ("lambda:PutFunctionConcurrency", 'bus.functions["g"]', lambda w: w.g.update_configuration(reserved_concurrency=1)),
    (
        "lambda:DeleteFunctionConcurrency",
        'bus.functions["g"]',
        lambda w: w.g.update_configuration(reserved_concurrency=None),
    ),
    (
        "lambda:PutFunctionRecursionConfig",
        'bus.functions["g"]',
        lambda w: w.g.update_configuration(recursive_loop="Allow"),
    ),
    ("lambda:PutFunctionEventInvokeConfig", 'bus.functions["g"]', lambda w: w.g.update_configuration(retries=0)),
    ("lambda:PutFunctionEventInvokeConfig", 'bus.functions["g"]', lambda w: w.g.put_event_invoke_config(retries=0)),
    ("lambda:PutFunctionEventInvokeConfig", 'bus.functions["g"]', lambda w: w.g.on_success(None)),
    ("lambda:PutFunctionEventInvokeConfig", 'bus.functions["g"]', lambda w: w.g.version("$LATEST").on_failure(None)),
    (
        "lambda:UpdateFunctionEventInvokeConfig",
        'bus.functions["g"]',
        lambda w: w.g.update_event_invoke_config(retries=0),
    ),
    ("lambda:DeleteFunctionEventInvokeConfig", 'bus.functions["g"]', lambda w: w.g.delete_event_invoke_config()),
    (
        "lambda:PutProvisionedConcurrencyConfig",
        'bus.functions["g"].version("1")',
        lambda w: w.version.put_provisioned_concurrency(1),
    ),
    (
        "lambda:DeleteProvisionedConcurrencyConfig",
        'bus.functions["g"].alias("live")',
        lambda w: w.alias.delete_provisioned_concurrency(),
    ),
    ("lambda:AddPermission", 'bus.functions["g"]', lambda w: w.g.add_permission("x", "210987654321")),
    ("lambda:AddPermission", 'bus.functions["g"].version("1")', lambda w: w.version.allow("s3.amazonaws.com")),
    ("lambda:RemovePermission", 'bus.functions["g"]', lambda w: w.g.remove_permission("them")),
    ("lambda:TagResource", 'bus.functions["g"]', lambda w: w.g.tag({"a": "b"})),
    ("lambda:UntagResource", 'bus.functions["g"]', lambda w: w.g.untag(["a"])),
    ("logs:FilterLogEvents", '"*"', lambda w: w.bus.logs.events("g")),
    ("logs:FilterLogEvents", '"*"', lambda w: w.bus.logs.tail("app")),
    ("logs:DescribeLogGroups", '"*"', lambda w: w.bus.logs.groups()),
    ("logs:DescribeLogStreams", '"*"', lambda w: w.bus.logs.streams("app")),
    ("logs:StartLiveTail", '"*"', lambda w: w.bus.logs.follow("app")),
    (
        "cloudwatch:PutMetricData",
        '"*"',
        lambda w: w.bus.metrics.put_metric_data("n", [{"MetricName": "m", "Value": 1}]),
    ),
    ("cloudwatch:GetMetricStatistics", '"*"', lambda w: w.bus.metrics.query("Invocations")),
    ("cloudwatch:GetMetricData", '"*"', lambda w: w.bus.metrics.data("Invocations")),
    ("cloudwatch:ListMetrics", '"*"', lambda w: w.bus.metrics.names()),
]
NAMES = [f"{action}-{number}" for number, (action, _, _) in enumerate(CALLS)]


@pytest.mark.parametrize(("action", "label", "call"), CALLS, ids=NAMES)
async def test_a_control_call_takes_its_permission(action: str, label: str, call: Callable[[World], object]) -> None:
    """Without it the call is refused with the one that mends it; with it, and for the owner, it is done."""
    world = World()
    async with world.bus:
        refused = await world.do(call)
        assert refused is not None
        assert f"perform: {action} on resource: " in refused
        assert f'call bus.functions["f"].role.allow("{action}", {label})' in refused
        world.f.role.allow(action, "*")
        assert await world.do(call) is None
    owners = World()
    call(owners)


async def test_a_function_is_made_with_a_role_that_its_maker_may_pass_on() -> None:
    """A handler hands out no more than it was given: making a function, its role, and passing one on are all asked."""
    world = World()
    admin = world.bus.roles.create("admin")
    admin.allow("*", "*")
    made = f"{LAMBDA}:new"

    def declare(world: World) -> None:
        world.bus.add_function("new", nothing, role=admin)

    async with world.bus:
        assert "perform: lambda:CreateFunction on resource: " + made in (await world.do(declare) or "")
        world.f.role.allow("lambda:*", "*")
        assert f"perform: iam:PassRole on resource: {ROLE}/admin" in (await world.do(declare) or "")
        assert "new" not in world.bus.functions
        assert f"perform: iam:CreateRole on resource: {ROLE}/new-role" in (
            await world.do(lambda w: w.bus.add_function("new", nothing)) or ""
        )
        own = Role("own", "123456789012")
        own.allow("*", "*")
        world.f.role.allow(["iam:PassRole", "iam:CreateRole"], "*")
        assert f"perform: iam:PutRolePolicy on resource: {ROLE}/own" in (
            await world.do(lambda w: w.bus.add_function("new", nothing, role=own)) or ""
        )
        assert await world.do(declare) is None
        assert world.bus.functions["new"].role is admin


@pytest.mark.parametrize(
    "call", [lambda w: w.g.update_configuration(role="keeper"), lambda w: setattr(w.g, "role", w.role)]
)
async def test_another_role_is_passed_on(call: Callable[[World], object]) -> None:
    """Changing a function's role takes the permission for that role."""
    world = World()
    world.f.role.allow("lambda:UpdateFunctionConfiguration", world.g)
    async with world.bus:
        assert f"perform: iam:PassRole on resource: {ROLE}/keeper" in (await world.do(call) or "")
        assert world.g.role is not world.role
        world.f.role.allow("iam:PassRole", world.role)
        assert await world.do(call) is None
        assert world.g.role is world.role


async def test_nobody_locks_himself_out_of_a_policy() -> None:
    """The owner takes a policy back that denies everything to everybody, and then may do everything again."""
    world = World()
    deny = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
    for one in (world.queue, world.topic, world.event_bus):
        one.set_policy(deny)
        one.set_policy(None)
    world.queue.set_attributes({"DelaySeconds": "1"})


async def test_without_enforcement_a_handler_may_do_everything() -> None:
    """`enforce_iam=False` switches all checks off."""
    bus = EventBus(clock=VirtualClock(), enforce_iam=False)

    @bus.function
    async def f(event: Any, context: Any) -> None:
        f.role.allow("*", "*")
        f.update_configuration(timeout=5)

    async with bus:
        assert (await bus.invoke(f)).function_error is None
