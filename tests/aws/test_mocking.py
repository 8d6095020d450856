"""`mock_aws` in each of moto's forms."""

from __future__ import annotations

import unittest
from typing import Any

import boto3
import pytest

from eventbus.errors import ConfigurationError
from triggers.aws import mock_aws


def names() -> list[str]:
    return [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]


def make(name: str) -> list[str]:
    boto3.client("s3").create_bucket(Bucket=name)
    return names()


@mock_aws
def test_a_plain_decorator() -> None:
    assert make("one") == ["one"]


@mock_aws()
@pytest.mark.parametrize("name", ["two", "three"])
def test_a_called_decorator_with_parameters_of_the_test(name: str) -> None:
    assert make(name) == [name]


@pytest.mark.anyio
@mock_aws
async def test_a_coroutine_function_runs_inside_the_bus() -> None:
    assert make("four") == ["four"]


@mock_aws
class TestInAClass:
    def test_each_test_has_a_bus_of_its_own(self) -> None:
        assert make("five") == ["five"]

    def test_and_so_has_the_other(self) -> None:
        assert make("six") == ["six"]


class TestStarted(unittest.TestCase):
    def setUp(self) -> None:
        self.mock = mock_aws(account_id="999999999999").start()

    def tearDown(self) -> None:
        self.mock.stop()

    def test_started_by_hand_with_options_of_the_bus(self) -> None:
        assert boto3.client("sts").get_caller_identity()["Account"] == "999999999999"


def test_a_block_gives_what_is_served_and_every_block_is_fresh() -> None:
    mocked = mock_aws()
    with mocked as outer:
        make("outer")
        with mocked as inner:
            assert (names(), inner.bus is outer.bus) == ([], False)
        assert names() == ["outer"]


def test_what_the_calls_cause_happens() -> None:
    seen: list[Any] = []
    with mock_aws() as aws:
        make("photos")
        function = aws.bus.add_function("f", lambda event, context: seen.append(event["Records"][0]["eventName"]))
        function.allow(aws.bus.service("S3")["photos"])
        s3 = boto3.client("s3")
        wiring = [{"LambdaFunctionArn": function.arn, "Events": ["s3:ObjectCreated:*"]}]
        s3.put_bucket_notification_configuration(
            Bucket="photos", NotificationConfiguration={"LambdaFunctionConfigurations": wiring}
        )
        s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"meow")
        aws.wait_idle()
    assert seen == ["ObjectCreated:Put"]


def test_a_unittest_case_has_one_bus_for_each_test_with_what_surrounds_it() -> None:
    seen: list[Any] = []

    @mock_aws
    class Case(unittest.TestCase):
        def setUp(self) -> None:
            boto3.client("s3").create_bucket(Bucket="unit")

        def tearDown(self) -> None:
            seen.append(names())

        def test_one(self) -> None:
            boto3.client("s3").create_bucket(Bucket="more")

        def test_two(self) -> None:
            seen.append("two")

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])
    assert seen == [["more", "unit"], "two", ["unit"]]


def test_a_class_whose_surroundings_would_call_aws_itself_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Cats\.setup_method would run outside of mock_aws.*pytest fixture"):

        @mock_aws
        class Cats:
            def setup_method(self) -> None:
                boto3.client("s3").create_bucket(Bucket="cats")
