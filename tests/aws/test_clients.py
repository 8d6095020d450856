"""boto3 in this process: on the loop's own thread, in handlers, in other threads, in plain tests."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from eventbus import EventBus, VirtualClock
from eventbus.errors import BusNotRunning, ConfigurationError
from tests.aws.conftest import policy, queue_with_arn
from triggers import S3, SQS
from triggers.aws import AWS, front
from triggers.aws.http import Request, Response
from triggers.aws.maps import prepare


def put(key: str = "a.txt", **options: Any) -> Any:
    return boto3.client("s3").put_object(Bucket="photos", Key=key, Body=b"meow", **options)


class TestPlain:
    def test_a_plain_test_needs_no_event_loop(self, bus: EventBus, aws: AWS) -> None:
        boto3.client("s3").create_bucket(Bucket="photos")
        put()
        assert boto3.client("s3").get_object(Bucket="photos", Key="a.txt")["Body"].read() == b"meow"

    def test_what_a_call_causes_is_there_after_waiting(self, bus: EventBus, aws: AWS) -> None:
        seen: list[str] = []
        s3 = S3(bus)

        @s3.create_bucket("photos").on("s3:ObjectCreated:*", retries=2)
        async def fails(event: Any, context: Any) -> None:
            seen.append(event["Records"][0]["s3"]["object"]["key"])
            raise ValueError

        put()
        aws.wait_idle()
        assert seen == ["a.txt"] * 3
        assert len(bus.dead_letters) == 1

    def test_a_long_poll_of_an_empty_queue_ends_though_nobody_moves_the_clock(self, bus: EventBus, aws: AWS) -> None:
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
        sqs.send_message(QueueUrl=url, MessageBody="text")
        assert len(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]) == 1

    def test_leaving_the_block_leaves_the_bus_that_it_ran(self, bus: EventBus) -> None:
        with AWS(bus):
            boto3.client("s3").create_bucket(Bucket="photos")
            states = [repr(bus).split()[1]]
            put()
            states.append(repr(bus).split()[1])
        assert [*states, repr(bus).split()[1]] == ["new:", "running:", "closed:"]

    def test_it_decorates_functions(self, bus: EventBus) -> None:
        @AWS(bus)
        def flow() -> Any:
            return boto3.client("sts").get_caller_identity()["Account"]

        assert flow() == "123456789012"

    def test_outside_of_blocks_nothing_is_changed(self, bus: EventBus, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
        before = URLLib3Session.send
        with AWS(bus), AWS(EventBus()):
            assert URLLib3Session.send is not before
            assert "AWS_ACCESS_KEY_ID" in os.environ
        assert URLLib3Session.send is before
        assert "AWS_ACCESS_KEY_ID" not in os.environ

    def test_two_blocks_do_not_see_each_other(self, bus: EventBus) -> None:
        other = EventBus(clock=VirtualClock())
        client: Any = None
        with AWS(bus):
            client = boto3.client("s3")
            client.create_bucket(Bucket="outer")
            with AWS(other):
                assert client.list_buckets()["Buckets"] == []
            assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["outer"]

    def test_transfers_in_threads_of_their_own_find_the_only_block(self, bus: EventBus, aws: AWS) -> None:
        client = boto3.client("s3")
        client.create_bucket(Bucket="photos")
        client.upload_fileobj(io.BytesIO(b"z" * 20_000_000), "photos", "big")
        target = io.BytesIO()
        client.download_fileobj("photos", "big", target)
        assert target.getvalue() == b"z" * 20_000_000
        assert client.head_object(Bucket="photos", Key="big")["ETag"].endswith('-3"')

    def test_a_thread_without_context_is_refused_when_there_are_several_blocks(self, bus: EventBus, aws: AWS) -> None:
        client = boto3.client("s3")
        with AWS(EventBus()):
            assert isinstance(outcome_in_thread(client.list_buckets), ConfigurationError)
            assert isinstance(outcome_in_thread(partial(copy_context().run, client.list_buckets)), dict)


def outcome_in_thread(call: Callable[[], Any]) -> Any:
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


@pytest.mark.anyio
class TestRunning:
    async def test_on_the_loops_own_thread_a_call_is_one_synchronous_step(self, bus: EventBus, aws: AWS) -> None:
        async with bus:
            url, arn = queue_with_arn(boto3.client("sqs"), "events", "s3")
            boto3.client("s3").create_bucket(Bucket="photos")
            boto3.client("s3").put_bucket_notification_configuration(
                Bucket="photos",
                NotificationConfiguration={
                    "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
                },
            )
            put("raw/cat.jpg")
            found = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
            assert len(found) == 2  # the s3:TestEvent, and the object's

    @pytest.mark.parametrize("is_kept", [False, True])
    async def test_from_a_thread_only_what_has_to_wait_is_awaited(
        self, is_kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All is done in one step where there is no store; what waits for a message never is."""
        bus = EventBus(clock=VirtualClock(), store=tmp_path / "bus.db" if is_kept else None)
        at_once: list[bool] = []

        def calls() -> None:
            boto3.client("s3").create_bucket(Bucket="photos")
            put()
            url = boto3.client("sqs").create_queue(QueueName="q")["QueueUrl"]
            at_once.clear()
            put()
            boto3.client("s3").list_objects_v2(Bucket="photos")
            boto3.client("sqs").receive_message(QueueUrl=url)
            boto3.client("sqs").send_message(QueueUrl=url, MessageBody="text")
            assert boto3.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]

        with AWS(bus) as inner:
            original = inner.front.answer_at_once

            def noted(request: Request) -> Any:
                answered = original(request)
                at_once.append(isinstance(answered, Response))
                return answered

            monkeypatch.setattr(inner.front, "answer_at_once", noted)
            async with bus:
                await anyio.to_thread.run_sync(calls)
        assert at_once == ([False] * 5 if is_kept else [True, True, True, True, False])

    async def test_files_travel_on_the_loops_own_thread_too(self, bus: EventBus, aws: AWS) -> None:
        """Without the threads that boto3 would wait for, and they for the loop; elsewhere with them."""
        client, target = boto3.client("s3"), io.BytesIO()
        with anyio.fail_after(20):
            async with bus:
                client.create_bucket(Bucket="photos")
                client.upload_fileobj(io.BytesIO(b"z" * 9_000_000), "photos", "big")
                client.download_fileobj("photos", "big", target)
        assert target.getvalue() == b"z" * 9_000_000

    async def test_what_a_service_needs_is_loaded_in_a_thread(
        self, bus: EventBus, aws: AWS, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Imports and models take some tenths of a second, for which the event loop must not stand still."""
        threads: list[int] = []

        def noted(service: str) -> None:
            threads.append(threading.get_ident())
            prepare(service)

        monkeypatch.setattr(front, "prepare", noted)
        async with bus:
            await anyio.to_thread.run_sync(boto3.client("s3").list_buckets)
        assert len(threads) == 1
        assert threads[0] != threading.get_ident()

    async def test_a_handler_is_its_functions_role(self, bus: EventBus, aws: AWS) -> None:
        bucket = S3(bus).create_bucket("photos")
        outcomes: list[Any] = []

        @bus.function
        async def writes(event: Any, context: Any) -> None:
            try:
                outcomes.append(put()["ResponseMetadata"]["HTTPStatusCode"])
            except ClientError as error:
                outcomes.append(error.response)

        async with bus:
            await bus.invoke(writes)
            writes.role.allow("s3:PutObject", bucket)
            await bus.invoke(writes)
        refused, done = outcomes
        assert done == 200
        assert refused["Error"]["Code"] == "AccessDenied"
        assert (
            "assumed-role/writes-role/writes is not authorized to perform: s3:PutObject" in refused["Error"]["Message"]
        )
        assert refused["ResponseMetadata"]["HTTPHeaders"]["x-eventbus-mend"].endswith(
            '.role.allow("s3:PutObject", s3["photos"])'
        )

    async def test_a_handler_in_a_thread_is_its_functions_role_too(self, bus: EventBus, aws: AWS) -> None:
        S3(bus).create_bucket("photos")

        @bus.function
        def who(event: Any, context: Any) -> Any:
            return boto3.client("sts").get_caller_identity()["Arn"]

        async with bus:
            result = await bus.invoke(who)
        assert result.payload == "arn:aws:sts::123456789012:assumed-role/who-role/who"

    async def test_what_a_handler_starts_does_not_inherit_the_key_that_it_showed(self, bus: EventBus, aws: AWS) -> None:
        s3 = S3(bus)
        seen: list[str] = []

        @s3.create_bucket("photos").on("s3:ObjectCreated:*")
        async def who(event: Any, context: Any) -> None:
            seen.append(boto3.client("sts").get_caller_identity()["Arn"])

        iam, sts = boto3.client("iam"), boto3.client("sts")
        trust = policy(Principal={"AWS": "*"}, Action="sts:AssumeRole")
        arn = iam.create_role(RoleName="writer", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        allowed = policy(Action="s3:PutObject", Resource="*")
        iam.put_role_policy(RoleName="writer", PolicyName="p", PolicyDocument=allowed)
        keys = sts.assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
        client = boto3.client(
            "s3",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        async with bus:
            client.put_object(Bucket="photos", Key="k", Body=b"x")
            await bus.wait_idle()
            with pytest.raises(
                ClientError, match="assumed-role/writer/session is not authorized to perform: s3:GetObject"
            ):
                client.get_object(Bucket="photos", Key="k")
        assert seen == ["arn:aws:sts::123456789012:assumed-role/who-role/who"]

    async def test_another_thread_waits_for_messages(self, bus: EventBus, aws: AWS) -> None:
        queue = SQS(bus).create_queue("q")
        receive = partial(boto3.client("sqs").receive_message, QueueUrl=queue.url, WaitTimeSeconds=20)
        async with bus, anyio.create_task_group() as tasks:
            found: list[Any] = []

            async def wait() -> None:
                found.append(await anyio.to_thread.run_sync(receive))

            tasks.start_soon(wait)
            await anyio.to_thread.run_sync(lambda: None)
            await queue.send("hello")
            with anyio.fail_after(5):
                while not found:
                    await anyio.lowlevel.checkpoint()
        assert found[0]["Messages"][0]["Body"] == "hello"

    async def test_a_bus_that_is_not_entered_says_so_inside_an_event_loop(self, bus: EventBus, aws: AWS) -> None:
        boto3.client("s3").create_bucket(Bucket="photos")
        with pytest.raises(BusNotRunning):
            put()
