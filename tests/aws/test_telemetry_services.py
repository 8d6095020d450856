"""CloudWatch Logs and CloudWatch metrics as boto3 sees them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from gzip import compress
from typing import Any

import boto3
import pytest
from botocore.awsrequest import create_request_object, prepare_request_dict
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from eventbus import EventBus
from tests.aws.conftest import policy
from tests.aws.generated import received
from tests.aws.test_front import signed
from tests.aws.test_services import refusal
from triggers.aws import AWS
from triggers.aws.compressed import inflated
from triggers.aws.errors import Malformed
from triggers.aws.front import Front
from triggers.aws.http import Request
from triggers.aws.models import operation_model

pytestmark = pytest.mark.usefixtures("aws")


class TestLogs:
    @pytest.fixture
    def logs(self, aws: AWS) -> Any:
        client = boto3.client("logs")
        client.create_log_group(logGroupName="app", tags={"team": "blue"})
        client.create_log_stream(logGroupName="app", logStreamName="web")
        return client

    @pytest.fixture
    def now(self, bus: EventBus) -> int:
        return int(bus.clock.now() * 1000)

    def put(self, logs: Any, now: int, count: int, stream: str = "web") -> Any:
        events = [{"timestamp": now + n, "message": f"{'ERROR' if n % 2 else 'INFO'} {n}"} for n in range(count)]
        return logs.put_log_events(logGroupName="app", logStreamName=stream, logEvents=events)

    def read(self, logs: Any, **options: Any) -> tuple[list[str], Any]:
        found = logs.get_log_events(logGroupName="app", logStreamName="web", **options)
        return [event["message"].split()[1] for event in found["events"]], found

    def test_a_stream_is_read_backwards_and_forwards(self, logs: Any, now: int) -> None:
        self.put(logs, now, 5)
        last, found = self.read(logs, limit=2)
        before, found = self.read(logs, limit=2, nextToken=found["nextBackwardToken"])
        first, found = self.read(logs, limit=2, nextToken=found["nextBackwardToken"])
        none, found = self.read(logs, limit=2, nextToken=found["nextBackwardToken"])
        assert (last, before, first, none) == (["3", "4"], ["1", "2"], ["0"], [])
        again, _ = self.read(logs, limit=2, nextToken=found["nextForwardToken"])
        assert again == ["0", "1"]

    def test_the_same_token_says_that_there_is_nothing_more_for_now(self, logs: Any, now: int) -> None:
        self.put(logs, now, 2)
        _, found = self.read(logs, startFromHead=True)
        nothing, again = self.read(logs, nextToken=found["nextForwardToken"])
        assert (nothing, again["nextForwardToken"]) == ([], found["nextForwardToken"])
        logs.put_log_events(
            logGroupName="app", logStreamName="web", logEvents=[{"timestamp": now + 9, "message": "INFO new"}]
        )
        assert self.read(logs, nextToken=again["nextForwardToken"])[0] == ["new"]

    def test_an_instant_is_of_the_span_that_begins_with_it(self, logs: Any, now: int) -> None:
        self.put(logs, now, 5)
        assert self.read(logs, startTime=now + 1, endTime=now + 3, startFromHead=True)[0] == ["1", "2"]
        found = logs.filter_log_events(logGroupName="app", startTime=now + 1, endTime=now + 3)["events"]
        assert [event["timestamp"] - now for event in found] == [1, 2, 3]

    def test_events_are_filtered_page_by_page(self, logs: Any, now: int) -> None:
        logs.create_log_stream(logGroupName="app", logStreamName="job")
        self.put(logs, now, 6)
        self.put(logs, now + 100, 2, "job")
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName="app", filterPattern="ERROR", PaginationConfig={"PageSize": 3}
        )
        found = [event for page in pages for event in page["events"]]
        assert [event["message"] for event in found] == ["ERROR 1", "ERROR 3", "ERROR 5", "ERROR 1"]
        assert len({event["eventId"] for event in found}) == 4
        one = logs.filter_log_events(logGroupName="app", logStreamNames=["job"])["events"]
        assert {event["logStreamName"] for event in one} == {"job"}

    def test_what_is_too_old_is_left_out_and_named(self, logs: Any, now: int) -> None:
        days = 15 * 86_400_000
        done = self.put(logs, now - days, 2)
        assert done["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2}

    def test_groups_and_streams_are_described(self, logs: Any, now: int) -> None:
        self.put(logs, now, 2)
        logs.create_log_stream(logGroupName="app", logStreamName="idle")
        logs.put_retention_policy(logGroupName="app", retentionInDays=7)
        [group] = logs.describe_log_groups(logGroupNamePrefix="ap")["logGroups"]
        assert (group["retentionInDays"], group["creationTime"]) == (7, now)
        assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"team": "blue"}
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName="app", orderBy="LastEventTime", descending=True, PaginationConfig={"PageSize": 1}
        )
        streams = [stream for page in pages for stream in page["logStreams"]]
        assert [stream["logStreamName"] for stream in streams] == ["web", "idle"]
        assert streams[0]["lastEventTimestamp"] == now + 1
        logs.delete_log_stream(logGroupName="app", logStreamName="web")
        assert logs.filter_log_events(logGroupName="app")["events"] == []
        logs.delete_log_group(logGroupName="app")
        assert logs.describe_log_groups()["logGroups"] == []

    def test_a_filter_pattern_is_tried_out(self, logs: Any) -> None:
        found = logs.test_metric_filter(filterPattern="ERROR", logEventMessages=["INFO 1", "ERROR 2"])["matches"]
        assert [(match["eventNumber"], match["eventMessage"]) for match in found] == [(2, "ERROR 2")]

    def test_refusals_have_awss_codes(self, logs: Any) -> None:
        taken = {"logGroupName": "app", "logStreamName": "web"}
        assert refusal(logs.create_log_group, logGroupName="app") == ("ResourceAlreadyExistsException", 400)
        assert refusal(logs.create_log_stream, **taken) == ("ResourceAlreadyExistsException", 400)
        for wrong in ({**taken, "logGroupName": "none"}, {**taken, "logStreamName": "none"}):
            assert refusal(logs.get_log_events, **wrong) == ("ResourceNotFoundException", 400)
        assert refusal(logs.get_log_events, **taken, nextToken="?") == ("InvalidParameterException", 400)
        retention = refusal(logs.put_retention_policy, logGroupName="app", retentionInDays=2)
        assert retention == ("InvalidParameterException", 400)
        with pytest.raises(ClientError, match="eventbus does not implement logs:StartQuery"):
            logs.start_query(startTime=0, endTime=1, queryString="fields @message")

    def test_the_log_of_a_function_is_there(self, logs: Any, bus: EventBus, aws: AWS) -> None:
        @bus.function
        async def says(event: Any, context: Any) -> None:
            print("hello", event["n"])

        says.allow("events.amazonaws.com")
        events = boto3.client("events")
        events.put_rule(Name="r", EventPattern='{"source": ["shop"]}')
        events.put_targets(Rule="r", Targets=[{"Id": "f", "Arn": says.arn, "Input": '{"n": 1}'}])
        events.put_events(Entries=[{"Source": "shop", "DetailType": "t", "Detail": "{}"}])
        aws.wait_idle()
        found = logs.filter_log_events(logGroupName="/aws/lambda/says", filterPattern="hello")["events"]
        assert [event["message"] for event in found] == ["hello 1\n"]


class TestCloudWatch:
    WHERE = {"Namespace": "shop", "MetricName": "orders"}  # noqa: RUF012

    @pytest.fixture
    def cloudwatch(self, aws: AWS) -> Any:
        return boto3.client("cloudwatch")

    @pytest.fixture
    def span(self, bus: EventBus) -> dict[str, datetime]:
        now = datetime.fromtimestamp(bus.clock.now(), UTC)
        return {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(hours=1)}

    def test_statistics_of_what_was_put(self, cloudwatch: Any, span: Any) -> None:
        data = [{"MetricName": "orders", "Value": n, "Unit": "Count"} for n in range(1, 900)]
        cloudwatch.put_metric_data(Namespace="shop", MetricData=data)  # so much that botocore compresses it
        found = cloudwatch.get_metric_statistics(
            **self.WHERE, **span, Period=60, Statistics=["Sum", "Maximum"], ExtendedStatistics=["p50"]
        )
        [point] = found["Datapoints"]
        assert (point["Sum"], point["Maximum"], point["Unit"]) == (899 * 450, 899, "Count")
        assert point["ExtendedStatistics"] == {"p50": 450}
        other = cloudwatch.get_metric_statistics(**self.WHERE, **span, Period=60, Statistics=["Sum"], Unit="Seconds")
        assert other["Datapoints"] == []

    def test_several_metrics_at_once(self, cloudwatch: Any, span: Any, bus: EventBus) -> None:
        now = bus.clock.now()
        for minute in range(3):
            at = datetime.fromtimestamp(now - minute * 60, UTC)
            cloudwatch.put_metric_data(
                Namespace="shop", MetricData=[{"MetricName": "orders", "Value": minute, "Timestamp": at}]
            )
        stat = {"Metric": self.WHERE, "Period": 60, "Stat": "Sum"}
        [result] = cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "a", "MetricStat": stat}], **span)[
            "MetricDataResults"
        ]
        assert (result["Id"], result["Label"], result["Values"]) == ("a", "orders", [0, 1, 2])
        assert result["Timestamps"] == sorted(result["Timestamps"], reverse=True)
        maths = [{"Id": "b", "Expression": "SUM(METRICS())"}]
        assert refusal(cloudwatch.get_metric_data, MetricDataQueries=maths, **span) == ("InvalidParameterValue", 400)

    def test_metrics_of_functions_are_listed(self, cloudwatch: Any, bus: EventBus, aws: AWS) -> None:
        function = bus.add_function("f", lambda event, context: None)
        aws.wait_idle()
        bus.from_thread(bus.invoke, function, {})
        pages = cloudwatch.get_paginator("list_metrics").paginate(
            Namespace="AWS/Lambda", Dimensions=[{"Name": "FunctionName", "Value": "f"}]
        )
        names = {metric["MetricName"] for page in pages for metric in page["Metrics"]}
        assert {"Invocations", "Errors", "Duration"} <= names

    def test_refusals_have_awss_codes(self, cloudwatch: Any, span: Any) -> None:
        put = {"Namespace": "AWS/Lambda", "MetricData": [{"MetricName": "a", "Value": 1}]}
        assert refusal(cloudwatch.put_metric_data, **put) == ("InvalidParameterValue", 400)
        with pytest.raises(cloudwatch.exceptions.InvalidParameterValueException):
            cloudwatch.put_metric_data(**put)
        backwards = {"StartTime": span["EndTime"], "EndTime": span["StartTime"]}
        ask = {**self.WHERE, "Period": 60, "Statistics": ["Sum"]}
        assert refusal(cloudwatch.get_metric_statistics, **ask, **backwards) == ("InvalidParameterValue", 400)
        every = {**span, "StartTime": span["StartTime"] - timedelta(days=9)}
        assert refusal(cloudwatch.get_metric_statistics, **ask, **every) == ("InvalidParameterCombination", 400)

    def test_a_role_needs_the_permission(self, cloudwatch: Any, bus: EventBus) -> None:
        iam = boto3.client("iam")
        trust = policy(Principal={"AWS": "123456789012"}, Action="sts:AssumeRole")
        arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        keys = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
        session: dict[str, str] = {
            "aws_access_key_id": keys["AccessKeyId"],
            "aws_secret_access_key": keys["SecretAccessKey"],
            "aws_session_token": keys["SessionToken"],
        }
        assert refusal(boto3.client("cloudwatch", **session).list_metrics) == ("AccessDenied", 403)
        assert refusal(boto3.client("logs", **session).describe_log_groups) == ("AccessDeniedException", 400)
        assert refusal(boto3.client("events", **session).list_rules) == ("AccessDeniedException", 400)
        assert refusal(boto3.client("scheduler", **session).list_schedules) == ("AccessDeniedException", 403)
        assert refusal(boto3.client("kinesis", **session).list_streams) == ("AccessDeniedException", 400)
        allowed = policy(Action="cloudwatch:ListMetrics", Resource="*")
        iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=allowed)
        assert boto3.client("cloudwatch", **session).list_metrics()["Metrics"] == []

    @pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "query"])
    def test_the_other_protocols_of_other_clients_are_spoken(self, bus: EventBus, protocol: str) -> None:
        """Made and read by botocore, which itself speaks JSON now."""
        front = Front(bus)

        def call(name: str, given: dict[str, Any]) -> Any:
            operation = operation_model("cloudwatch", name)
            made = create_serializer(protocol, False).serialize_to_request(given, operation)
            prepare_request_dict(made, endpoint_url="https://monitoring.us-east-1.amazonaws.com", context={})
            request = received(create_request_object(made))
            request.headers = {**request.headers, **signed("monitoring")}
            response = front.answer_nowait(request)
            parser: Any = create_parser(protocol)
            answer = {"status_code": response.status, "headers": response.headers, "body": response.body}
            return parser.parse({**answer, "context": {"operation_name": name}}, operation.output_shape)

        call("PutMetricData", {"Namespace": "shop", "MetricData": [{"MetricName": "orders", "Value": 1.5}]})
        found = call("ListMetrics", {"Namespace": "shop"})["Metrics"]
        assert [metric["MetricName"] for metric in found] == ["orders"]
        refused = call("PutMetricData", {"Namespace": "AWS/x", "MetricData": [{"MetricName": "a", "Value": 1.0}]})
        assert refused["Error"]["Code"] in ("InvalidParameterValue", "InvalidParameterValueException")


class TestCompressed:
    def test_a_body_that_was_compressed_is_inflated(self) -> None:
        made = inflated(Request("POST", "/", "", {"content-encoding": "gzip"}, compress(b"{}")))
        assert (made.body, made.headers) == (b"{}", {})

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"nonsense", id="no gzip"),
            pytest.param(compress(b"x" * 100)[:-9], id="cut off"),
            pytest.param(compress(b"0" * (11 * 2**20)), id="too large"),
        ],
    )
    def test_what_is_no_gzip_or_too_large_is_refused(self, body: bytes) -> None:
        with pytest.raises(Malformed):
            inflated(Request("POST", "/", "", {"content-encoding": "gzip"}, body))
