"""Each service as boto3 sees it: what is answered, and with which code, text and status it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED, xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from eventbus import EventBus
from tests.aws.conftest import policy, queue_with_arn
from triggers.aws import AWS
from triggers.aws.maps import maps
from triggers.aws.models import service_model
from triggers.aws.operations import operations_table

pytestmark = pytest.mark.usefixtures("aws")
OBJECT = {"Bucket": "photos", "Key": "a b/ü+%.txt"}


@pytest.fixture
def s3(aws: AWS) -> Any:
    client = boto3.client("s3")
    client.create_bucket(Bucket="photos")
    return client


def refusal(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


class TestS3:
    def test_an_object_comes_back_as_it_was_put(self, s3: Any) -> None:
        s3.put_object(
            **OBJECT,
            Body=b"meow",
            ContentType="text/plain",
            Metadata={"Mood": "good"},
            Tagging="a=1",
            CacheControl="no",
        )
        found = s3.get_object(**OBJECT)
        assert found["Body"].read() == b"meow"
        assert (found["ContentType"], found["Metadata"], found["TagCount"]) == ("text/plain", {"mood": "good"}, 1)
        assert (found["CacheControl"], found["AcceptRanges"]) == ("no", "bytes")
        assert s3.head_object(**OBJECT)["ContentLength"] == 4

    def test_a_range_is_answered_with_206(self, s3: Any) -> None:
        s3.put_object(**OBJECT, Body=b"0123456789")
        part = s3.get_object(**OBJECT, Range="bytes=2-4")
        assert (part["Body"].read(), part["ContentRange"]) == (b"234", "bytes 2-4/10")
        assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert refusal(s3.get_object, **OBJECT, Range="bytes=99-") == ("InvalidRange", 416)

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            ({"IfNoneMatch": '"4a4be40c96ac6314e91d93f38043a634"'}, ("304", 304)),
            ({"IfMatch": '"nothing"'}, ("PreconditionFailed", 412)),
        ],
    )
    def test_conditions_of_a_read_are_looked_at(self, s3: Any, condition: Any, expected: Any) -> None:
        s3.put_object(**OBJECT, Body=b"meow")
        assert refusal(s3.get_object, **OBJECT, **condition) == expected

    def test_an_object_is_created_only_once_where_that_is_asked_for(self, s3: Any) -> None:
        s3.put_object(**OBJECT, Body=b"1", IfNoneMatch="*")
        assert refusal(s3.put_object, **OBJECT, Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)

    def test_what_is_missing_is_refused_as_on_aws(self, s3: Any) -> None:
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(**OBJECT)
        assert refusal(s3.head_object, **OBJECT) == ("404", 404)
        assert refusal(s3.list_objects_v2, Bucket="nothing-here") == ("NoSuchBucket", 404)
        assert refusal(s3.get_bucket_policy, Bucket="photos") == ("NoSuchBucketPolicy", 404)
        assert refusal(s3.put_bucket_policy, Bucket="photos", Policy="{}") == ("MalformedPolicy", 400)

    def test_listings_are_paged_and_decoded_by_the_client(self, s3: Any) -> None:
        keys = ["a/1", "a/2", "b c/ü", "d"]
        for key in keys:
            s3.put_object(Bucket="photos", Key=key, Body=b"x")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="photos", PaginationConfig={"PageSize": 1})
        assert [item["Key"] for page in pages for item in page["Contents"]] == keys
        old = s3.get_paginator("list_objects").paginate(Bucket="photos", PaginationConfig={"PageSize": 1})
        assert [item["Key"] for page in old for item in page["Contents"]] == keys
        grouped = s3.list_objects_v2(Bucket="photos", Delimiter="/")
        assert [prefix["Prefix"] for prefix in grouped["CommonPrefixes"]] == ["a/", "b c/"]
        old_groups = s3.get_paginator("list_objects").paginate(
            Bucket="photos", Delimiter="/", PaginationConfig={"PageSize": 1}
        )
        found = [p["Prefix"] for page in old_groups for p in page.get("CommonPrefixes", [])]
        assert found == ["a/", "b c/"]

    def test_versions_and_markers_are_listed_and_deleted(self, s3: Any) -> None:
        s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
        assert s3.get_bucket_versioning(Bucket="photos")["Status"] == "Enabled"
        first = s3.put_object(**OBJECT, Body=b"1")["VersionId"]
        s3.put_object(**OBJECT, Body=b"2")
        assert s3.delete_object(**OBJECT)["DeleteMarker"] is True
        with pytest.raises(s3.exceptions.NoSuchKey) as caught:
            s3.get_object(**OBJECT)
        assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
        listed = s3.list_object_versions(Bucket="photos")
        assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (2, 1)
        assert s3.get_object(**OBJECT, VersionId=first)["Body"].read() == b"1"
        every = [*listed["Versions"], *listed["DeleteMarkers"]]
        wanted = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in every]
        assert len(s3.delete_objects(Bucket="photos", Delete={"Objects": wanted})["Deleted"]) == 3
        s3.delete_bucket(Bucket="photos")
        assert s3.list_buckets()["Buckets"] == []

    def test_a_copy_takes_metadata_and_tags_along(self, s3: Any) -> None:
        s3.put_object(**OBJECT, Body=b"meow", Metadata={"a": "b"}, Tagging="t=1")
        s3.copy_object(Bucket="photos", Key="copy", CopySource=OBJECT)
        assert s3.head_object(Bucket="photos", Key="copy")["Metadata"] == {"a": "b"}
        assert s3.get_object_tagging(Bucket="photos", Key="copy")["TagSet"] == [{"Key": "t", "Value": "1"}]
        s3.delete_object_tagging(Bucket="photos", Key="copy")
        assert s3.get_object_tagging(Bucket="photos", Key="copy")["TagSet"] == []

    def test_an_upload_in_parts_can_be_followed_copied_and_given_up(self, s3: Any) -> None:
        upload = {**OBJECT, "UploadId": s3.create_multipart_upload(**OBJECT)["UploadId"]}
        part = s3.upload_part(**upload, PartNumber=1, Body=b"p")
        assert [one["PartNumber"] for one in s3.list_parts(**upload)["Parts"]] == [1]
        assert [one["Key"] for one in s3.list_multipart_uploads(Bucket="photos")["Uploads"]] == [OBJECT["Key"]]
        done = s3.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        )
        assert done["ETag"].endswith('-1"')
        other = {"Bucket": "photos", "Key": "other"}
        other["UploadId"] = s3.create_multipart_upload(**other)["UploadId"]
        s3.upload_part_copy(**other, PartNumber=1, CopySource=OBJECT)
        s3.abort_multipart_upload(**other)
        assert refusal(s3.list_parts, **other) == ("NoSuchUpload", 404)

    def test_a_wrong_checksum_is_refused(self, s3: Any) -> None:
        assert refusal(s3.put_object, **OBJECT, Body=b"meow", ChecksumSHA256="A" * 43 + "=") == ("BadDigest", 400)
        assert refusal(s3.put_object, **OBJECT, Body=b"meow", ContentMD5="x") == ("InvalidDigest", 400)

    def test_location_acl_and_attributes_are_answered(self, s3: Any) -> None:
        s3.put_object(**OBJECT, Body=b"meow", ACL="public-read")
        assert s3.get_bucket_location(Bucket="photos")["LocationConstraint"] is None
        assert len(s3.get_object_acl(**OBJECT)["Grants"]) == 2
        assert s3.get_object_attributes(**OBJECT, ObjectAttributes=["ObjectSize"])["ObjectSize"] == 4

    def test_wiring_needs_the_permission_and_never_gives_it(self, s3: Any) -> None:
        sqs = boto3.client("sqs")
        url, arn = queue_with_arn(sqs, "events")
        wired = {"QueueConfigurations": [{"Id": "n", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        call = s3.put_bucket_notification_configuration
        assert refusal(call, Bucket="photos", NotificationConfiguration=wired) == ("InvalidArgument", 400)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(
            Principal={"Service": "s3.amazonaws.com"}, Action="sqs:SendMessage", Resource=arn)})  # fmt: skip
        call(Bucket="photos", NotificationConfiguration=wired)
        shown = s3.get_bucket_notification_configuration(Bucket="photos")
        assert shown["QueueConfigurations"] == wired["QueueConfigurations"]

    def test_who_does_not_sign_is_nobody(self, s3: Any) -> None:
        s3.put_object(**OBJECT, Body=b"meow")
        nobody = boto3.client("s3", config=Config(signature_version=UNSIGNED))
        assert refusal(nobody.get_object, **OBJECT) == ("AccessDenied", 403)
        public = policy(Principal="*", Action="s3:GetObject", Resource="arn:aws:s3:::photos/*")
        s3.put_bucket_policy(Bucket="photos", Policy=public)
        assert nobody.get_object(**OBJECT)["Body"].read() == b"meow"

    def test_another_account_needs_the_buckets_policy(self, s3: Any) -> None:
        s3.put_object(**OBJECT, Body=b"meow")
        stranger = boto3.client("s3", aws_access_key_id="999999999999", aws_secret_access_key="x")
        assert refusal(stranger.get_object, **OBJECT) == ("AccessDenied", 403)
        arn = "arn:aws:iam::999999999999:root"
        s3.put_bucket_policy(
            Bucket="photos", Policy=policy(Principal={"AWS": arn}, Action="s3:*", Resource="arn:aws:s3:::photos/*")
        )
        assert stranger.get_object(**OBJECT)["Body"].read() == b"meow"

    @pytest.mark.parametrize(("etag", "is_deleted"), [("other", False), ("own", True), ("*", True)])
    def test_a_delete_may_have_a_condition(self, s3: Any, etag: str, is_deleted: bool) -> None:
        tag = s3.put_object(Bucket="photos", Key="k", Body=b"x")["ETag"] if etag == "own" else etag
        s3.put_object(Bucket="photos", Key="k", Body=b"x")
        wanted = {"Bucket": "photos", "Key": "k", "IfMatch": tag}
        if is_deleted:
            s3.delete_object(**wanted)
            assert refusal(s3.delete_object, **wanted) == ("PreconditionFailed", 412)  # there is nothing to match
        else:
            assert refusal(s3.delete_object, **wanted) == ("PreconditionFailed", 412)
            assert s3.head_object(Bucket="photos", Key="k")["ContentLength"] == 1

    def test_of_many_only_those_are_deleted_whose_condition_holds(self, s3: Any) -> None:
        tag = s3.put_object(Bucket="photos", Key="a", Body=b"x")["ETag"]
        s3.put_object(Bucket="photos", Key="b", Body=b"y")
        wanted = {"Objects": [{"Key": "a", "ETag": tag}, {"Key": "b", "ETag": tag}]}
        answer = s3.delete_objects(Bucket="photos", Delete=wanted)
        assert [one["Key"] for one in answer["Deleted"]] == ["a"]
        assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("b", "PreconditionFailed")]

    def test_a_copy_may_have_a_condition_on_what_it_replaces(self, s3: Any) -> None:
        s3.put_object(Bucket="photos", Key="a", Body=b"new")
        tag = s3.put_object(Bucket="photos", Key="b", Body=b"old")["ETag"]
        wanted = {"Bucket": "photos", "Key": "b", "CopySource": "photos/a"}
        assert refusal(s3.copy_object, **wanted, IfNoneMatch="*") == ("PreconditionFailed", 412)
        assert refusal(s3.copy_object, **wanted, IfMatch="other") == ("PreconditionFailed", 412)
        assert s3.get_object(Bucket="photos", Key="b")["Body"].read() == b"old"
        s3.copy_object(**wanted, IfMatch=tag)
        assert s3.get_object(Bucket="photos", Key="b")["Body"].read() == b"new"

    def test_a_bucket_of_another_owner_than_is_expected_is_not_touched(self, s3: Any) -> None:
        s3.put_object(Bucket="photos", Key="k", Body=b"x", ExpectedBucketOwner="123456789012")
        wanted = {"Bucket": "photos", "Key": "k", "ExpectedBucketOwner": "999999999999"}
        assert refusal(s3.delete_object, **wanted) == ("AccessDenied", 403)
        assert s3.head_object(Bucket="photos", Key="k")["ContentLength"] == 1


class TestSQS:
    @pytest.fixture
    def sqs(self) -> Any:
        return boto3.client("sqs")

    def test_a_message_comes_and_goes(self, sqs: Any) -> None:
        url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
        attribute = {"n": {"DataType": "Binary", "BinaryValue": b"\x00"}}
        sent = sqs.send_message(QueueUrl=url, MessageBody="héllo", MessageAttributes=attribute)
        assert "SequenceNumber" not in sent
        (message,) = sqs.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
        )["Messages"]
        assert (message["Body"], message["MessageAttributes"]) == ("héllo", attribute)
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
        (again,) = sqs.receive_message(QueueUrl=url)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
        assert "Messages" not in sqs.receive_message(QueueUrl=url)

    def test_batches_answer_by_id(self, sqs: Any) -> None:
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        entries = [{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "2"}, {"Id": "c", "MessageBody": "\x01"}]
        result = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        assert [one["Id"] for one in result["Successful"]] == ["a", "b"]
        assert [one["Id"] for one in result["Failed"]] == ["c"]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        held = [{"Id": f"m{n}", "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        changed = sqs.change_message_visibility_batch(
            QueueUrl=url, Entries=[{**h, "VisibilityTimeout": 9} for h in held]
        )
        assert [one["Id"] for one in changed["Successful"]] == ["m0", "m1"]
        deleted = sqs.delete_message_batch(QueueUrl=url, Entries=[*held, {"Id": "x", "ReceiptHandle": "?"}])
        assert [one["Id"] for one in deleted["Successful"]] == ["m0", "m1"]
        assert deleted["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"

    def test_a_fifo_queue_and_its_dead_letter_queue(self, sqs: Any) -> None:
        _, arn = queue_with_arn(sqs, "plain")
        made = sqs.create_queue(
            QueueName="q.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        )
        sent = sqs.send_message(QueueUrl=made["QueueUrl"], MessageBody="1", MessageGroupId="g")
        assert len(sent["SequenceNumber"]) == 20
        redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})}
        url = sqs.create_queue(QueueName="source", Attributes=redrive)["QueueUrl"]
        plain = sqs.get_queue_url(QueueName="plain")["QueueUrl"]
        assert sqs.list_dead_letter_source_queues(QueueUrl=plain)["queueUrls"] == [url]

    def test_the_exceptions_of_the_client_are_raised(self, sqs: Any) -> None:
        with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
            sqs.get_queue_url(QueueName="nothing")
        assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        with pytest.raises(sqs.exceptions.QueueNameExists):
            sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "5"})
        with pytest.raises(sqs.exceptions.EmptyBatchRequest):
            sqs.send_message_batch(QueueUrl=url, Entries=[])
        sqs.purge_queue(QueueUrl=url)
        with pytest.raises(sqs.exceptions.PurgeQueueInProgress):
            sqs.purge_queue(QueueUrl=url)

    def test_permissions_are_added_and_removed(self, sqs: Any, bus: EventBus) -> None:
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        stranger = boto3.client("sqs", aws_access_key_id="999999999999", aws_secret_access_key="x")
        assert refusal(stranger.send_message, QueueUrl=url, MessageBody="x") == ("AccessDenied", 403)
        sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["999999999999"], Actions=["SendMessage"])
        stranger.send_message(QueueUrl=url, MessageBody="x")
        sqs.remove_permission(QueueUrl=url, Label="l")
        assert bus.service("SQS")["q"].policy is None

    def test_pages_of_queues_follow_each_other(self, sqs: Any) -> None:
        urls = [sqs.create_queue(QueueName=f"q{n}")["QueueUrl"] for n in range(3)]
        pages = sqs.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1})
        assert [url for page in pages for url in page["QueueUrls"]] == urls


class TestSNS:
    @pytest.fixture
    def sns(self) -> Any:
        return boto3.client("sns")

    def test_a_publication_reaches_the_queue_that_wants_it(self, sns: Any) -> None:
        sqs = boto3.client("sqs")
        url, arn = queue_with_arn(sqs, "q", "sns")
        topic = sns.create_topic(Name="t", Attributes={"DisplayName": "shown"})["TopicArn"]
        wanted = {"FilterPolicy": json.dumps({"fruit": ["pear"]}), "RawMessageDelivery": "true"}
        made = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=wanted)["SubscriptionArn"]
        for fruit in ("pear", "plum"):
            attributes = {"fruit": {"DataType": "String", "StringValue": fruit}}
            sns.publish(TopicArn=topic, Message=fruit, MessageAttributes=attributes)
        assert [m["Body"] for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]] == ["pear"]
        assert sns.get_subscription_attributes(SubscriptionArn=made)["Attributes"]["RawMessageDelivery"] == "true"
        assert [s["Endpoint"] for s in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]] == [arn]
        sns.set_subscription_attributes(SubscriptionArn=made, AttributeName="FilterPolicy", AttributeValue="{}")
        sns.unsubscribe(SubscriptionArn=made)
        assert sns.list_subscriptions()["Subscriptions"] == []
        sns.delete_topic(TopicArn=topic)
        assert sns.list_topics()["Topics"] == []

    def test_batches_and_fifo_topics(self, sns: Any) -> None:
        topic = sns.create_topic(Name="t.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
        entry = {"Id": "a", "Message": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
        result = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[entry])
        assert len(result["Successful"][0]["SequenceNumber"]) == 20

    def test_refusals_have_the_codes_of_aws(self, sns: Any) -> None:
        with pytest.raises(sns.exceptions.NotFoundException):
            sns.publish(TopicArn="arn:aws:sns:us-east-1:123456789012:none", Message="m")
        assert refusal(sns.create_topic, Name="a b") == ("InvalidParameter", 400)
        topic = sns.create_topic(Name="t")["TopicArn"]
        stranger = boto3.client("sns", aws_access_key_id="999999999999", aws_secret_access_key="x")
        assert refusal(stranger.get_topic_attributes, TopicArn=topic) == ("AuthorizationError", 403)

    def test_a_new_queue_is_subscribed_without_being_opened(self, sns: Any, bus: EventBus) -> None:
        _, arn = queue_with_arn(boto3.client("sqs"), "q")
        sns.subscribe(TopicArn=sns.create_topic(Name="t")["TopicArn"], Protocol="sqs", Endpoint=arn)
        assert bus.service("SQS")["q"].policy is None


class TestIAM:
    @pytest.fixture
    def iam(self) -> Any:
        return boto3.client("iam")

    def test_a_role_has_its_policies(self, iam: Any) -> None:
        trust = policy(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole")
        role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]
        assert role["AssumeRolePolicyDocument"] == json.loads(trust)
        document = policy(Action="s3:GetObject", Resource="*")
        iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document)
        assert iam.get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"] == json.loads(document)
        basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
        iam.attach_role_policy(RoleName="r", PolicyArn=basic)
        assert iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"][0]["PolicyArn"] == basic
        assert refusal(iam.delete_role, RoleName="r") == ("DeleteConflict", 409)
        iam.detach_role_policy(RoleName="r", PolicyArn=basic)
        iam.delete_role_policy(RoleName="r", PolicyName="p")
        iam.delete_role(RoleName="r")
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_role(RoleName="r")

    def test_the_roles_of_functions_are_there(self, iam: Any, bus: EventBus) -> None:
        @bus.function
        def work(event: Any, context: Any) -> None: ...

        assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["work-role"]
        iam.put_role_policy(RoleName="work-role", PolicyName="p", PolicyDocument=policy(Action="s3:*", Resource="*"))
        result = iam.simulate_principal_policy(
            PolicySourceArn=work.role.arn, ActionNames=["s3:GetObject", "sqs:SendMessage"]
        )
        assert [one["EvalDecision"] for one in result["EvaluationResults"]] == ["allowed", "implicitDeny"]

    def test_a_malformed_policy_is_refused(self, iam: Any) -> None:
        assert refusal(iam.create_role, RoleName="r", AssumeRolePolicyDocument="{}") == ("MalformedPolicyDocument", 400)


class TestSTS:
    def test_a_role_trusts_whom_its_policy_names(self, bus: EventBus) -> None:
        iam, sts = boto3.client("iam"), boto3.client("sts")
        arn = iam.create_role(
            RoleName="r", AssumeRolePolicyDocument=policy(Principal={"AWS": "123456789012"}, Action="sts:AssumeRole")
        )["Role"]["Arn"]
        stranger = boto3.client("sts", aws_access_key_id="999999999999", aws_secret_access_key="x")
        assert refusal(stranger.assume_role, RoleArn=arn, RoleSessionName="me") == ("AccessDenied", 403)
        keys = sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
        given = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}
        session = boto3.client("sts", **given, aws_session_token=keys["SessionToken"])
        assert session.get_caller_identity()["Arn"] == "arn:aws:sts::123456789012:assumed-role/r/me"
        wrong = boto3.client("sts", **given, aws_session_token="another")
        assert refusal(wrong.get_caller_identity) == ("InvalidClientTokenId", 403)

    def test_a_role_made_anew_is_not_taken_for_the_one_before(self) -> None:
        iam, sts = boto3.client("iam"), boto3.client("sts")
        for principal in ({"AWS": "123456789012"}, {"Service": "lambda.amazonaws.com"}):
            trust = policy(Principal=principal, Action="sts:AssumeRole")
            arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
            if "AWS" in principal:
                sts.assume_role(RoleArn=arn, RoleSessionName="me")
            else:
                assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="me") == ("AccessDenied", 403)
            iam.delete_role(RoleName="r")

    def test_temporary_keys_end(self, bus: EventBus) -> None:
        front = AWS(bus).front
        role = bus.add_function("f", lambda event, context: None).role
        session = front.identities.open_session(role, "s", 900)
        assert session.expires_at == bus.clock.now() + 900


def test_what_is_not_here_says_so_by_name(aws: AWS) -> None:
    with pytest.raises(ClientError, match="eventbus does not implement s3:PutBucketCors"):
        boto3.client("s3").put_bucket_cors(Bucket="b", CORSConfiguration={"CORSRules": []})


def test_every_public_method_of_a_map_is_an_operation_of_its_service() -> None:
    shared = {"operation", "allow", "headers", "refusal", "has", "passed_role", "role", "made", "s3", "sns", "queues"}
    shared |= {"named", "arn_of", "function", "invocable", "instant", "listed"}
    for one in maps():
        known = {xform_name(name) for name in service_model(one.service).operation_names}
        public = {name for name in dir(one) if not name.startswith("_") and callable(getattr(one, name))}
        assert public - shared <= known, one.service


def test_the_table_of_the_documentation_names_what_is_here() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference.md"
    assert "| sts | AssumeRole, GetCallerIdentity | 10 |" in operations_table()
    assert operations_table() in page.read_text(encoding="utf-8")
