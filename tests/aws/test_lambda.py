"""Lambda as boto3 sees it: functions, versions, aliases and everything that is attached to them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from eventbus import EventBus
from tests.aws.conftest import policy, queue_with_arn
from tests.aws.packages import made_role, zipped
from triggers.aws import AWS

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
ECHO = zipped(
    app="def handler(event, context):\n    print('seen')\n    return event\n\n"
    "def fail(event, context):\n    raise ValueError('no')\n"
)
OTHER = zipped(app="def handler(event, context):\n    return 'other'\n")


@pytest.fixture
def client(aws: AWS) -> Any:
    return boto3.client("lambda")


@pytest.fixture
def role(aws: AWS) -> str:
    return made_role(boto3.client("iam"))


@pytest.fixture
def made(client: Any, role: str) -> dict[str, Any]:
    """The function `f`."""
    answer: dict[str, Any] = create(client, role)
    return answer


def create(client: Any, role: str, **options: Any) -> Any:
    given = {"FunctionName": "f", "Runtime": "python3.13", "Handler": "app.handler", "Code": {"ZipFile": ECHO}}
    return client.create_function(**{**given, "Role": role, **options})


def error(call: Any, *arguments: Any, **options: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **options)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


class TestFunctions:
    def test_what_create_answers_has_the_defaults_of_aws(self, made: dict[str, Any], role: str) -> None:
        shown = plain(made)
        assert re.fullmatch(r"[0-9a-f-]{36}", shown.pop("RevisionId"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", shown.pop("LastModified"))
        assert shown == {
            "FunctionName": "f",
            "FunctionArn": ARN,
            "Runtime": "python3.13",
            "Role": role,
            "Handler": "app.handler",
            "CodeSize": len(ECHO),
            "CodeSha256": base64.b64encode(hashlib.sha256(ECHO).digest()).decode(),
            "Description": "",
            "Timeout": 3,
            "MemorySize": 128,
            "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
        }

    @pytest.mark.parametrize(
        "waiter",
        ["function_active", "function_active_v2", "function_updated", "function_updated_v2", "function_exists"],
    )
    def test_every_waiter_is_satisfied(self, client: Any, made: dict[str, Any], waiter: str) -> None:
        client.update_function_configuration(FunctionName="f", Timeout=5)
        client.get_waiter(waiter).wait(FunctionName="f", WaiterConfig={"MaxAttempts": 1})

    def test_a_published_version_is_waited_for(self, client: Any, made: dict[str, Any]) -> None:
        version = client.publish_version(FunctionName="f")
        assert (version["Version"], version["FunctionArn"], version["State"]) == ("1", f"{ARN}:1", "Pending")
        waiter = client.get_waiter("published_version_active")
        waiter.wait(FunctionName="f", Qualifier="1", WaiterConfig={"MaxAttempts": 1})

    def test_get_shows_configuration_code_tags_and_concurrency(self, client: Any, role: str) -> None:
        create(client, role, Tags={"team": "a"})
        client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=7)
        found = client.get_function(FunctionName="f")
        assert found["Configuration"]["State"] == "Active"
        assert found["Configuration"]["LastUpdateStatus"] == "Successful"
        assert found["Code"]["RepositoryType"] == "S3"
        assert found["Tags"] == {"team": "a"}
        assert found["Concurrency"] == {"ReservedConcurrentExecutions": 7}

    def test_code_comes_from_a_bucket_too(self, client: Any, role: str) -> None:
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="packages")
        s3.put_object(Bucket="packages", Key="echo.zip", Body=ECHO)
        made = create(client, role, Code={"S3Bucket": "packages", "S3Key": "echo.zip"})
        assert made["CodeSize"] == len(ECHO)
        assert error(create, client, role, FunctionName="g", Code={"S3Bucket": "packages", "S3Key": "no"}) == (
            "InvalidParameterValueException",
            400,
            "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: "
            "The specified key does not exist.",
        )

    def test_without_code_the_handler_is_one_of_the_program(self, bus: EventBus, client: Any, role: str) -> None:
        @bus.function
        def greet(event: Any, context: Any) -> str:
            return f"hello {event['name']} from {context.function_name}"

        create(client, role, Code={}, Handler="greet")
        answer = client.invoke(FunctionName="f", Payload=b'{"name": "Ada"}')
        assert json.load(answer["Payload"]) == "hello Ada from f"
        assert error(create, client, role, FunctionName="g", Code={}, Handler="nobody")[2] == (
            "Please provide a source for function code."
        )

    def test_new_code_is_run_and_told_by_its_digest(self, client: Any, made: dict[str, Any]) -> None:
        updated = client.update_function_code(FunctionName="f", ZipFile=OTHER)
        assert updated["LastUpdateStatus"] == "InProgress"
        assert updated["CodeSha256"] != made["CodeSha256"]
        assert updated["RevisionId"] != made["RevisionId"]
        assert json.load(client.invoke(FunctionName="f")["Payload"]) == "other"

    def test_a_dry_run_changes_no_code(self, client: Any, made: dict[str, Any]) -> None:
        client.update_function_code(FunctionName="f", ZipFile=OTHER, DryRun=True)
        assert client.get_function_configuration(FunctionName="f")["CodeSha256"] == made["CodeSha256"]

    def test_settings_are_changed_and_shown(self, client: Any, made: dict[str, Any]) -> None:
        client.update_function_configuration(
            FunctionName="f",
            Handler="app.fail",
            Timeout=9,
            MemorySize=256,
            Description="d",
            Environment={"Variables": {"KEY": "value"}},
            EphemeralStorage={"Size": 1024},
            TracingConfig={"Mode": "Active"},
            LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"},
        )
        shown = client.get_function_configuration(FunctionName="f")
        assert (shown["Handler"], shown["Timeout"], shown["MemorySize"]) == ("app.fail", 9, 256)
        assert shown["Environment"] == {"Variables": {"KEY": "value"}}
        assert shown["EphemeralStorage"] == {"Size": 1024}
        assert shown["TracingConfig"] == {"Mode": "Active"}
        assert shown["LoggingConfig"]["ApplicationLogLevel"] == "WARN"
        client.update_function_configuration(FunctionName="f", Environment={"Variables": {}})
        assert "Environment" not in client.get_function_configuration(FunctionName="f")

    def test_a_dead_letter_queue_needs_the_roles_permission(self, client: Any, made: dict[str, Any]) -> None:
        _, arn = queue_with_arn(boto3.client("sqs"), "dead")
        change = {"FunctionName": "f", "Timeout": 7, "DeadLetterConfig": {"TargetArn": arn}}
        code, status, _ = error(client.update_function_configuration, **change)
        assert (code, status) == ("InvalidParameterValueException", 400)
        assert client.get_function_configuration(FunctionName="f")["Timeout"] == 3
        grant = policy(Action="sqs:SendMessage", Resource=arn)
        boto3.client("iam").put_role_policy(RoleName="role", PolicyName="p", PolicyDocument=grant)
        assert client.update_function_configuration(**change)["DeadLetterConfig"] == {"TargetArn": arn}

    def test_functions_are_listed_in_pages(self, client: Any, role: str) -> None:
        for name in "abc":
            create(client, role, FunctionName=name)
        client.publish_version(FunctionName="b")
        pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
        assert [[one["FunctionName"] for one in page["Functions"]] for page in pages] == [["a", "b"], ["c"]]
        every = client.list_functions(FunctionVersion="ALL")["Functions"]
        assert [one["FunctionArn"].partition("function:")[2] for one in every] == [
            "a:$LATEST",
            "b:$LATEST",
            "b:1",
            "c:$LATEST",
        ]

    def test_a_deleted_function_is_gone(self, client: Any, made: dict[str, Any]) -> None:
        assert client.delete_function(FunctionName="f")["ResponseMetadata"]["HTTPStatusCode"] == 204
        gone = ("ResourceNotFoundException", 404, f"Function not found: {ARN}")
        assert error(client.get_function, FunctionName="f") == gone
        assert error(client.delete_function, FunctionName="f") == gone

    @pytest.mark.parametrize("name", ["f", ARN, "123456789012:function:f", "function:f"])
    def test_a_function_is_known_by_its_name_and_by_its_arn(self, client: Any, made: dict[str, Any], name: str) -> None:
        assert client.get_function_configuration(FunctionName=name)["FunctionArn"] == ARN

    @pytest.mark.parametrize(
        ("name", "options", "expected"),
        [
            ("g", {}, ("ResourceNotFoundException", 404, f"Function not found: {ARN[:-1]}g")),
            ("f:9", {}, ("ResourceNotFoundException", 404, f"Function not found: {ARN}:9")),
            (
                "f:1",
                {"Qualifier": "2"},
                (
                    "InvalidParameterValueException",
                    400,
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ),
            ),
            (
                ARN.replace("us-east-1", "us-west-2"),
                {},
                (
                    "ResourceNotFoundException",
                    404,
                    "Functions from 'us-west-2' are not reachable in this region ('us-east-1')",
                ),
            ),
        ],
    )
    def test_a_name_that_is_wrong_is_refused_in_awss_words(
        self, client: Any, made: dict[str, Any], name: str, options: dict[str, str], expected: Any
    ) -> None:
        assert error(client.get_function, FunctionName=name, **options) == expected

    @pytest.mark.parametrize(
        ("options", "code", "start"),
        [
            ({"FunctionName": "f"}, "ResourceConflictException", "Function already exist: f"),
            ({"Timeout": 901}, "ValidationException", "1 validation error detected: Value '901' at 'timeout'"),
            ({"MemorySize": 10_241}, "ValidationException", "1 validation error detected: Value '10241' at 'memor"),
            ({"Runtime": "nodejs22.x"}, "InvalidParameterValueException", "Value nodejs22.x at 'runtime'"),
            ({"Role": "arn:aws:iam::123456789012:role/nobody"}, "InvalidParameterValueException", "The role defined"),
            ({"Code": {"ZipFile": b"no zip"}}, "InvalidParameterValueException", "Could not unzip"),
            ({"PackageType": "Image"}, "InvalidParameterValueException", "eventbus runs no container images."),
            (
                {"Environment": {"Variables": {"AWS_REGION": "x"}}},
                "InvalidParameterValueException",
                "Lambda was unable to configure your environment variables",
            ),
        ],
    )
    def test_what_cannot_be_created_changes_nothing(
        self, client: Any, made: dict[str, Any], role: str, options: dict[str, Any], code: str, start: str
    ) -> None:
        found = error(create, client, role, **{"FunctionName": "g", **options})
        assert found[0] == code
        assert found[2].startswith(start)
        assert [one["FunctionName"] for one in client.list_functions()["Functions"]] == ["f"]

    def test_an_old_revision_is_refused(self, client: Any, made: dict[str, Any]) -> None:
        client.update_function_configuration(FunctionName="f", Timeout=4)
        for call, more in (
            (client.update_function_configuration, {"Timeout": 5}),
            (client.update_function_code, {"ZipFile": OTHER}),
            (client.publish_version, {}),
        ):
            code, status, _ = error(call, FunctionName="f", RevisionId=made["RevisionId"], **more)
            assert (code, status) == ("PreconditionFailedException", 412)

    def test_tags_come_and_go(self, client: Any, made: dict[str, Any]) -> None:
        client.tag_resource(Resource=ARN, Tags={"a": "1", "b": "2"})
        client.untag_resource(Resource=ARN, TagKeys=["a", "z"])
        assert client.list_tags(Resource=ARN)["Tags"] == {"b": "2"}
        assert error(client.list_tags, Resource=f"{ARN}:1")[0] == "InvalidParameterValueException"

    def test_a_caller_needs_the_permissions(self, bus: EventBus, client: Any, made: dict[str, Any]) -> None:
        """Whoever makes a function passes a role on, and needs the permission for that too."""
        trust = policy(Principal={"AWS": "123456789012"}, Action="sts:AssumeRole")
        iam = boto3.client("iam")
        arn = iam.create_role(RoleName="dev", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.put_role_policy(
            RoleName="dev", PolicyName="p", PolicyDocument=policy(Action="lambda:CreateFunction", Resource="*")
        )
        keys = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
        theirs = boto3.client(
            "lambda",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        code, status, message = error(create, theirs, made["Role"], FunctionName="g")
        assert (code, status) == ("AccessDeniedException", 403)
        assert "iam:PassRole" in message
        assert "lambda:GetFunction" in error(theirs.get_function, FunctionName="f")[2]


class TestInvoke:
    def test_an_answer_comes_with_version_log_and_request_id(self, client: Any, made: dict[str, Any]) -> None:
        answer = client.invoke(FunctionName="f", Payload=b'{"a": [1, "\xc3\xbc"]}', LogType="Tail")
        assert answer["StatusCode"] == 200
        assert answer["ExecutedVersion"] == "$LATEST"
        assert "FunctionError" not in answer
        assert json.load(answer["Payload"]) == {"a": [1, "ü"]}
        log = base64.b64decode(answer["LogResult"]).decode()
        request_id = answer["ResponseMetadata"]["RequestId"]
        assert log.startswith(f"START RequestId: {request_id} Version: $LATEST\nseen\nEND")

    def test_a_function_error_is_an_answer(self, client: Any, role: str) -> None:
        create(client, role, Handler="app.fail")
        answer = client.invoke(FunctionName="f")
        assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
        assert list(json.load(answer["Payload"])) == ["errorMessage", "errorType", "requestId", "stackTrace"]

    def test_an_event_is_queued_and_a_dry_run_is_not(self, aws: AWS, client: Any, made: dict[str, Any]) -> None:
        queued = client.invoke(FunctionName="f", InvocationType="Event", Payload=b"1")
        assert (queued["StatusCode"], queued["Payload"].read()) == (202, b"")
        assert "ExecutedVersion" not in queued
        assert client.invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204
        aws.wait_idle()
        assert aws.bus.statistics().finished == 1

    def test_the_old_way_to_send_an_event_works(self, aws: AWS, client: Any, made: dict[str, Any]) -> None:
        assert client.invoke_async(FunctionName="f", InvokeArgs=b"{}")["Status"] == 202
        aws.wait_idle()
        assert aws.bus.statistics().finished == 1

    def test_a_client_context_reaches_the_handler(self, client: Any, role: str) -> None:
        code = zipped(app="def handler(event, context):\n    return context.client_context.custom['k']\n")
        create(client, role, Code={"ZipFile": code})
        context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
        assert json.load(client.invoke(FunctionName="f", ClientContext=context)["Payload"]) == "v"

    def test_a_stream_has_the_answer_and_its_end(self, client: Any, made: dict[str, Any]) -> None:
        answer = client.invoke_with_response_stream(FunctionName="f", Payload=b'{"a": 1}', LogType="Tail")
        chunk, end = list(answer["EventStream"])
        assert json.loads(chunk["PayloadChunk"]["Payload"]) == {"a": 1}
        assert b"seen" in base64.b64decode(end["InvokeComplete"]["LogResult"])

    def test_a_stream_has_the_chunks_that_a_handler_yields(self, bus: EventBus, client: Any) -> None:
        @bus.function
        async def talk(event: Any, context: Any) -> Any:
            yield "one "
            yield b"two"

        answer = client.invoke_with_response_stream(FunctionName="talk")
        chunks = [event["PayloadChunk"]["Payload"] for event in answer["EventStream"] if "PayloadChunk" in event]
        assert chunks == [b"one ", b"two"]

    def test_a_failing_stream_ends_with_the_error(self, client: Any, role: str) -> None:
        create(client, role, Handler="app.fail")
        (end,) = client.invoke_with_response_stream(FunctionName="f")["EventStream"]
        assert end["InvokeComplete"]["ErrorCode"] == "ValueError"

    def test_invoking_what_is_not_there_names_the_version(self, client: Any, made: dict[str, Any]) -> None:
        missing = "ResourceNotFoundException", 404
        assert error(client.invoke, FunctionName="g") == (*missing, f"Function not found: {ARN[:-1]}g:$LATEST")
        assert error(client.invoke, FunctionName="f", Qualifier="9") == (*missing, f"Function not found: {ARN}:9")

    def test_an_event_that_is_no_json_is_refused(self, client: Any, made: dict[str, Any]) -> None:
        code, status, message = error(client.invoke, FunctionName="f", Payload=b"{no")
        assert (code, status) == ("InvalidRequestContentException", 400)
        assert message.startswith("Could not parse request body into json: Could not parse payload into json: ")

    def test_payloads_that_are_too_large_are_refused(self, client: Any, made: dict[str, Any]) -> None:
        payload = b'"' + b"1" * 1_048_575 + b'"'
        code, status, message = error(client.invoke, FunctionName="f", InvocationType="Event", Payload=payload)
        assert (code, status) == ("RequestEntityTooLargeException", 413)
        assert message == "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
        code, _, message = error(client.invoke, FunctionName="f", Payload=b"{" * 6_291_457)
        assert code == "RequestEntityTooLargeException"
        assert message.endswith("is too large for the RequestResponse invocation type (limit 6291456 bytes)")

    def test_a_throttled_call_says_by_what(self, client: Any, made: dict[str, Any]) -> None:
        client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
        with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
            boto3.client("lambda", config=boto3.session.Config(retries={"max_attempts": 0})).invoke(FunctionName="f")
        assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert caught.value.response["Type"] == "User"
        assert caught.value.response["Error"]["Message"] == "Rate Exceeded."

    @pytest.mark.anyio
    async def test_a_client_on_the_loops_own_thread_is_told_that_it_cannot_wait(self, bus: EventBus) -> None:
        bus.add_function("f", lambda event, context: event)
        async with bus:
            with AWS(bus):
                client = boto3.client("lambda")
                code, _, message = error(client.invoke, FunctionName="f")
                assert code == "InvalidParameterValueException"
                assert "await bus.invoke(...)" in message
                client.invoke(FunctionName="f", InvocationType="Event")
            await bus.wait_idle()
        assert bus.statistics().finished == 1


class TestVersionsAndAliases:
    def test_an_alias_shares_its_calls_out(self, client: Any, made: dict[str, Any]) -> None:
        client.publish_version(FunctionName="f")
        client.update_function_code(FunctionName="f", ZipFile=OTHER, Publish=True)
        weights = {"AdditionalVersionWeights": {"2": 1.0}}
        alias = client.create_alias(FunctionName="f", Name="prod", FunctionVersion="1", RoutingConfig=weights)
        assert (alias["AliasArn"], alias["RoutingConfig"]) == (f"{ARN}:prod", weights)
        assert client.invoke(FunctionName="f:prod")["ExecutedVersion"] == "2"
        updated = client.update_alias(FunctionName="f", Name="prod", RoutingConfig={})
        assert "RoutingConfig" not in updated
        assert client.invoke(FunctionName=f"{ARN}:prod")["ExecutedVersion"] == "1"

    def test_the_same_code_is_not_published_twice(self, client: Any, made: dict[str, Any]) -> None:
        assert client.publish_version(FunctionName="f", Description="one")["Version"] == "1"
        again = client.publish_version(FunctionName="f")
        assert (again["Version"], again["State"]) == ("1", "Active")
        versions = client.list_versions_by_function(FunctionName="f")["Versions"]
        assert [one["Version"] for one in versions] == ["$LATEST", "1"]

    def test_create_may_publish_at_once(self, client: Any, role: str) -> None:
        made = create(client, role, Publish=True)
        assert (made["Version"], made["FunctionArn"]) == ("1", ARN)
        shown = client.get_function_configuration(FunctionName="f", Qualifier="1")
        assert (shown["FunctionArn"], shown["State"]) == (f"{ARN}:1", "Active")

    def test_aliases_are_listed_by_version_and_deleted(self, client: Any, made: dict[str, Any]) -> None:
        client.publish_version(FunctionName="f")
        client.create_alias(FunctionName="f", Name="a", FunctionVersion="1")
        client.create_alias(FunctionName="f", Name="b", FunctionVersion="$LATEST")
        found = client.list_aliases(FunctionName="f", FunctionVersion="1")["Aliases"]
        assert [one["Name"] for one in found] == ["a"]
        client.delete_alias(FunctionName="f", Name="a")
        client.delete_alias(FunctionName="f", Name="a")
        assert error(client.get_alias, FunctionName="f", Name="a") == (
            "ResourceNotFoundException",
            404,
            f"Cannot find alias arn: {ARN}:a",
        )

    def test_permissions_are_kept_for_each_qualifier(self, client: Any, made: dict[str, Any]) -> None:
        client.publish_version(FunctionName="f")
        added = client.add_permission(
            FunctionName="f",
            StatementId="s",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn="arn:aws:s3:::photos",
            SourceAccount="123456789012",
            Qualifier="1",
        )
        statement = json.loads(added["Statement"])
        assert statement["Resource"] == f"{ARN}:1"
        shown = json.loads(client.get_policy(FunctionName="f", Qualifier="1")["Policy"])
        assert shown["Statement"] == [statement]
        assert error(client.get_policy, FunctionName="f")[:2] == ("ResourceNotFoundException", 404)
        client.remove_permission(FunctionName="f:1", StatementId="s")
        assert error(client.get_policy, FunctionName="f", Qualifier="1")[:2] == ("ResourceNotFoundException", 404)

    def test_recursion_is_configured(self, client: Any, made: dict[str, Any]) -> None:
        assert client.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Terminate"
        client.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")
        assert client.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Allow"


class TestLimits:
    def test_reserved_concurrency(self, client: Any, made: dict[str, Any]) -> None:
        client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=100)
        assert client.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 100
        limits = client.get_account_settings()
        assert limits["AccountLimit"]["UnreservedConcurrentExecutions"] == 900
        assert limits["AccountUsage"] == {"TotalCodeSize": len(ECHO), "FunctionCount": 1}
        client.delete_function_concurrency(FunctionName="f")
        assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="f")

    def test_reserved_concurrency_is_the_functions_alone(self, client: Any, made: dict[str, Any]) -> None:
        client.publish_version(FunctionName="f")
        refused = (
            "InvalidParameterValueException",
            400,
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
            "Please specify either a function name or an unqualified function ARN.",
        )
        for name in ("f:1", "f:nope", f"{ARN}:1"):
            assert error(client.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=7) == refused
            assert error(client.delete_function_concurrency, FunctionName=name) == refused
        assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="f")

    def test_provisioned_concurrency(self, aws: AWS, client: Any, made: dict[str, Any]) -> None:
        client.publish_version(FunctionName="f")
        put = client.put_provisioned_concurrency_config(
            FunctionName="f", Qualifier="1", ProvisionedConcurrentExecutions=2
        )
        assert (put["RequestedProvisionedConcurrentExecutions"], put["Status"]) == (2, "IN_PROGRESS")
        aws.wait_idle()
        shown = client.get_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
        assert shown["AllocatedProvisionedConcurrentExecutions"] <= 2
        listed = client.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"]
        assert [one["FunctionArn"] for one in listed] == [f"{ARN}:1"]
        client.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
        assert error(client.get_provisioned_concurrency_config, FunctionName="f", Qualifier="1")[:2] == (
            "ProvisionedConcurrencyConfigNotFoundException",
            404,
        )
        assert error(client.get_provisioned_concurrency_config, FunctionName="f", Qualifier="$LATEST") == (
            "InvalidParameterValueException",
            400,
            "The function resource provided must be an alias or a published version.",
        )

    def test_events_are_configured(self, client: Any, role: str, made: dict[str, Any]) -> None:
        _, arn = queue_with_arn(boto3.client("sqs"), "failed")
        destinations = {"OnFailure": {"Destination": arn}}
        put = client.put_function_event_invoke_config
        assert error(put, FunctionName="f", DestinationConfig=destinations)[0] == "InvalidParameterValueException"
        grant = policy(Action="sqs:SendMessage", Resource=arn)
        boto3.client("iam").put_role_policy(RoleName="role", PolicyName="p", PolicyDocument=grant)
        shown = put(FunctionName="f", MaximumRetryAttempts=0, DestinationConfig=destinations)
        assert shown["FunctionArn"] == f"{ARN}:$LATEST"
        assert shown["DestinationConfig"] == {"OnSuccess": {}, **destinations}
        updated = client.update_function_event_invoke_config(FunctionName="f", MaximumEventAgeInSeconds=60)
        assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (0, 60)
        assert updated["DestinationConfig"]["OnFailure"] == {"Destination": arn}
        listed = client.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"]
        assert len(listed) == 1
        client.delete_function_event_invoke_config(FunctionName="f")
        assert error(client.get_function_event_invoke_config, FunctionName="f")[2] == (
            f"The function {ARN}:$LATEST doesn't have an EventInvokeConfig"
        )


class TestHandlers:
    @pytest.mark.parametrize("isolation", ["task", "thread"])
    def test_a_client_in_a_handler_acts_as_the_role_of_the_version_that_runs(
        self, bus: EventBus, client: Any, isolation: str
    ) -> None:
        """Through an alias it is the role that the version was published with, whatever `$LATEST` has now."""

        def who(event: Any, context: Any) -> str:
            arn: str = boto3.client("sts").get_caller_identity()["Arn"]
            return arn.partition("/")[2]

        async def who_in_a_task(event: Any, context: Any) -> str:
            return who(event, context)

        function = bus.add_function("who", who if isolation == "thread" else who_in_a_task)
        client.publish_version(FunctionName="who")
        client.create_alias(FunctionName="who", Name="live", FunctionVersion="1")
        function.update_configuration(role=bus.roles.create("newer"))
        answers = [json.load(client.invoke(FunctionName=name)["Payload"]) for name in ("who", "who:1", "who:live")]
        assert answers == ["newer/who", "who-role/who", "who-role/who"]
