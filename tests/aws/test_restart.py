"""What was set up over the wire is there again after a restart; what is in it is kept by the rooms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from anyio.from_thread import start_blocking_portal

from eventbus import EventBus, VirtualClock
from tests.aws.conftest import queue_with_arn
from tests.aws.packages import made_role, zipped
from triggers.aws.app import App
from triggers.aws.clients import AWS
from triggers.aws.journal import is_kept


@contextmanager
def served(store: Path) -> Iterator[App]:
    """A process of `eventbus serve --store`, without the socket."""
    bus = EventBus(clock=VirtualClock(), store=str(store))
    app = App(bus)
    aws = AWS(bus)
    aws.front = app.front
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(bus), aws:
        yield app


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")


def everything() -> Any:
    """All that clients can see of what they have set up."""
    s3, sns, sqs, iam = (client(name) for name in ("s3", "sns", "sqs", "iam"))
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    urls = sqs.list_queues().get("QueueUrls", [])
    subscriptions = sns.list_subscriptions()["Subscriptions"]
    unstable = ("CreatedTimestamp", "LastModifiedTimestamp", "ApproximateNumberOfMessages")
    queues = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls]
    return {
        "buckets": {
            name: [
                s3.get_bucket_versioning(Bucket=name).get("Status"),
                {k: v for k, v in s3.get_bucket_notification_configuration(Bucket=name).items() if k[0] != "R"},
            ]
            for name in buckets
        },
        "topics": sns.list_topics()["Topics"],
        "subscriptions": [
            sns.get_subscription_attributes(SubscriptionArn=one["SubscriptionArn"])["Attributes"]
            for one in subscriptions
        ],
        "queues": [{k: v for k, v in queue.items() if k not in unstable} for queue in queues],
        "roles": [role["Arn"] for role in iam.list_roles()["Roles"]],
        "policies": [
            iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"] for role in iam.list_roles()["Roles"]
        ],
    }


def set_up() -> None:
    s3, sns, sqs, iam = (client(name) for name in ("s3", "sns", "sqs", "iam"))
    _, arn = queue_with_arn(sqs, "events", "sns", "s3")
    topic = sns.create_topic(Name="uploads")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"FilterPolicy": '{"a": ["b"]}'})
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration=wanted)
    trusted = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [trusted]}
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(trust))
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=document)


def test_everything_is_there_again_with_the_same_ids(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with served(tmp_path / "bus.db"):
        set_up()
        before = everything()
        version = client("s3").put_object(Bucket="photos", Key="k", Body=b"meow")["VersionId"]
    for _ in range(2):
        with served(tmp_path / "bus.db"):
            assert everything() == before
            got = client("s3").get_object(Bucket="photos", Key="k")
            assert (got["Body"].read(), got["VersionId"]) == (b"meow", version)
            url = client("sqs").get_queue_url(QueueName="events")["QueueUrl"]
            attributes = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            assert attributes["ApproximateNumberOfMessages"] == "2"  # the test event, once, and that of the object
    assert caplog.records == []


def test_a_flow_goes_on_after_a_restart(tmp_path: Path) -> None:
    with served(tmp_path / "bus.db"):
        set_up()
    with served(tmp_path / "bus.db"):
        client("s3").put_object(Bucket="photos", Key="later", Body=b"x")
        url = client("sqs").get_queue_url(QueueName="events")["QueueUrl"]
        bodies = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        assert any('"later"' in message["Body"] for message in bodies)


def test_what_came_and_went_leaves_nothing_behind(tmp_path: Path) -> None:
    with served(tmp_path / "bus.db") as app:
        sqs, sns = client("sqs"), client("sns")
        for _ in range(5):
            url = sqs.create_queue(QueueName="q")["QueueUrl"]
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5"})
            sqs.delete_queue(QueueUrl=url)
            sns.delete_topic(TopicArn=sns.create_topic(Name="t")["TopicArn"])
            api = client("apigatewayv2").create_api(Name="a", ProtocolType="HTTP")["ApiId"]
            client("apigatewayv2").create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
            client("apigatewayv2").delete_api(ApiId=api)
        journal = app.front.journal
        assert journal is not None
        assert len(journal) == 0


def test_what_something_else_names_is_done_and_undone_in_its_order(tmp_path: Path) -> None:
    """A notification is accepted only while its queue is there."""
    with served(tmp_path / "bus.db"):
        set_up()
        client("sqs").delete_queue(QueueUrl=client("sqs").get_queue_url(QueueName="events")["QueueUrl"])
        before = everything()
    with served(tmp_path / "bus.db"):
        assert everything() == before
        assert before["queues"] == []


def test_what_goes_alone_takes_nothing_along(tmp_path: Path) -> None:
    """A subscription is ended, a bucket and a queue have the same name, an API is as it was."""
    with served(tmp_path / "bus.db"):
        s3, sqs, sns, http = (client(name) for name in ("s3", "sqs", "sns", "apigatewayv2"))
        s3.create_bucket(Bucket="same")
        _, arn = queue_with_arn(sqs, "other")
        sqs.delete_queue(QueueUrl=sqs.create_queue(QueueName="same")["QueueUrl"])
        topic = sns.create_topic(Name="same")["TopicArn"]
        subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
        sns.set_subscription_attributes(
            SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true"
        )
        sns.unsubscribe(SubscriptionArn=subscription)
        api = http.create_api(Name="same", ProtocolType="HTTP")["ApiId"]
        http.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        before = everything()
        stages = http.get_stages(ApiId=api)["Items"]
    with served(tmp_path / "bus.db"):
        assert everything() == before
        assert client("apigatewayv2").get_stages(ApiId=api)["Items"] == stages
        assert before["subscriptions"] == []


def test_what_was_refused_is_not_done_again(tmp_path: Path) -> None:
    with served(tmp_path / "bus.db") as app:
        sqs = client("sqs")
        with pytest.raises(sqs.exceptions.ClientError):
            sqs.create_queue(QueueName="not a name")
        assert app.front.journal is not None
        assert len(app.front.journal) == 0


def test_what_cannot_be_read_or_done_is_told_and_the_rest_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with served(tmp_path / "bus.db") as app:
        client("sqs").create_queue(QueueName="q1")
        client("sqs").create_queue(QueueName="q2")
        assert app.front.bus.store is not None
        rows = app.front.bus.store.texts("wire_requests")
        (_, first), *_ = rows.scan()
        rows.put("f" * 16, b"{damaged")
        rows.put("e" * 16, first.replace(b"q1", b"!!"))
        client("sqs").create_queue(QueueName="q3")  # is written with the batch that these are in
    with served(tmp_path / "bus.db"):
        names = [url.rpartition("/")[2] for url in client("sqs").list_queues()["QueueUrls"]]
    assert names == ["q1", "q2", "q3"]
    assert "wire_request_unreadable" in caplog.text
    assert "wire_request_not_done_again" in caplog.text


@pytest.mark.parametrize(
    ("service", "operation", "kept"),
    [
        ("s3", "CreateBucket", True),
        ("s3", "PutBucketPolicy", True),
        ("s3", "PutObject", False),
        ("s3", "ListBuckets", False),
        ("sns", "Subscribe", True),
        ("sns", "Publish", False),
        ("sqs", "SetQueueAttributes", True),
        ("sqs", "SendMessage", False),
        ("iam", "PutRolePolicy", True),
        ("iam", "SimulatePrincipalPolicy", False),
        ("sts", "AssumeRole", False),
        ("lambda", "CreateFunction", True),
        ("lambda", "Invoke", False),
        ("dynamodb", "CreateTable", True),
        ("dynamodb", "PutItem", False),
        ("kinesis", "CreateStream", True),
        ("events", "PutRule", True),
        ("events", "PutEvents", False),
        ("scheduler", "CreateSchedule", True),
    ],
)
def test_what_sets_something_up_is_kept(service: str, operation: str, kept: bool) -> None:
    assert is_kept(service, operation) is kept


def of_functions() -> Any:
    """What clients see of functions and of what is wired to them."""
    functions, tables, events, schedules = (client(n) for n in ("lambda", "dynamodb", "events", "scheduler"))
    unstable = ("LastModified", "StateTransitionReason", "State", "CreationDateTime")
    names = [function["FunctionName"] for function in functions.list_functions()["Functions"]]
    return {
        "functions": names,
        "versions": [
            (one["Version"], one["CodeSha256"], one.get("Environment"))
            for name in names
            for one in functions.list_versions_by_function(FunctionName=name)["Versions"]
        ],
        "aliases": [functions.list_aliases(FunctionName=name)["Aliases"] for name in names],
        "mappings": [
            {key: value for key, value in mapping.items() if key not in unstable}
            for mapping in functions.list_event_source_mappings()["EventSourceMappings"]
        ],
        "tables": tables.list_tables()["TableNames"],
        "rules": [(rule["Name"], rule.get("EventPattern")) for rule in events.list_rules()["Rules"]],
        "schedules": [schedule["Name"] for schedule in schedules.list_schedules()["Schedules"]],
    }


def test_functions_and_what_is_wired_to_them_are_there_again(tmp_path: Path) -> None:
    """From their archives, with versions, aliases and mappings under the same ids; a flow goes on."""
    with served(tmp_path / "bus.db"):
        functions, tables, events = (client(name) for name in ("lambda", "dynamodb", "events"))
        role = made_role(client("iam"), Action=["dynamodb:*", "sqs:*"], Resource="*")
        package = zipped(app="import os\ndef handler(event, context):\n    return [os.environ['STAGE'], event]\n")
        environment = {"Variables": {"STAGE": "one"}}
        arn = functions.create_function(
            FunctionName="f", Runtime="python3.11", Handler="app.handler", Role=role, Code={"ZipFile": package},
            Environment=environment,
        )["FunctionArn"]  # fmt: skip
        functions.publish_version(FunctionName="f")
        functions.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
        functions.update_function_configuration(FunctionName="f", Environment={"Variables": {"STAGE": "two"}})
        _, queue = queue_with_arn(client("sqs"), "work")
        functions.create_event_source_mapping(FunctionName="f:live", EventSourceArn=queue)
        tables.create_table(
            TableName="orders", BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )  # fmt: skip
        tables.put_item(TableName="orders", Item={"id": {"S": "1"}})
        events.put_rule(Name="placed", EventPattern='{"source": ["shop"]}')
        events.put_targets(Rule="placed", Targets=[{"Id": "1", "Arn": arn}])
        before = of_functions()
    with served(tmp_path / "bus.db"):
        assert of_functions() == before
        functions = client("lambda")
        for qualifier, stage in (("live", "one"), ("$LATEST", "two")):
            answer = functions.invoke(FunctionName="f", Qualifier=qualifier, Payload=b"1")["Payload"].read()
            assert json.loads(answer) == [stage, 1]
        assert client("dynamodb").scan(TableName="orders")["Items"] == [{"id": {"S": "1"}}]


def consumers(stream: str) -> Any:
    """What clients see of the consumers of a stream, but for the instants at which they were made."""
    found = client("kinesis").list_stream_consumers(StreamARN=stream)["Consumers"]
    return [(one["ConsumerName"], one["ConsumerARN"]) for one in found]


def test_consumers_are_there_again_with_the_mappings_that_read_them(tmp_path: Path) -> None:
    """Under the same ARNs; those that were deregistered are not."""
    with served(tmp_path / "bus.db"):
        kinesis, functions = client("kinesis"), client("lambda")
        kinesis.create_stream(StreamName="clicks", ShardCount=1)
        arn = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]["StreamARN"]
        made = [
            kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=name)["Consumer"]["ConsumerARN"]
            for name in ("one", "other", "third")
        ]
        kinesis.deregister_stream_consumer(ConsumerARN=made[1])
        role = made_role(client("iam"), Action="kinesis:*", Resource="*")
        code = {"ZipFile": zipped(app="def handler(event, context):\n    pass\n")}
        functions.create_function(FunctionName="f", Runtime="python3.11", Handler="app.handler", Role=role, Code=code)
        functions.create_event_source_mapping(FunctionName="f", EventSourceArn=made[0], StartingPosition="TRIM_HORIZON")
        before = consumers(arn), of_functions()
        assert len(before[0]) == 2
    with served(tmp_path / "bus.db"):
        assert (consumers(arn), of_functions()) == before


def test_nothing_is_left_of_a_stream_that_is_deleted_with_its_consumers(tmp_path: Path) -> None:
    """Whichever way they were named."""
    with served(tmp_path / "bus.db") as app:
        kinesis = client("kinesis")
        kinesis.create_stream(StreamName="clicks", ShardCount=1)
        arn = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]["StreamARN"]
        for name in ("one", "other", "third"):
            kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=name)
        kinesis.deregister_stream_consumer(ConsumerARN=consumers(arn)[0][1])
        kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="other")
        assert app.front.journal is not None
        assert len(app.front.journal) == 6
        kinesis.delete_stream(StreamName="clicks", EnforceConsumerDeletion=True)
        assert len(app.front.journal) == 0
