"""A deployment as a script of boto3 would do it: role, function from an archive, version, alias, trigger; then it runs.

python docs/examples/deploy_with_boto3.py          needs the extras eventbus[aws,process], and boto3
"""

from __future__ import annotations

import io
import json
import zipfile

import boto3

from eventbus import EventBus, VirtualClock
from triggers.aws import AWS

CODE = """
def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])
        print(context.invoked_function_arn.rpartition(":")[2], "ships", order["article"])
"""
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
READ = {
    "Effect": "Allow",
    "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
    "Resource": "*",
}
LOGS = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def archive(code: str) -> bytes:
    """A deployment package of one module."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as package:
        package.writestr("app.py", code)
    return target.getvalue()


def policy(statement: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


bus = EventBus(clock=VirtualClock(), seed=1)

with AWS(bus) as aws:
    functions, iam, sqs = boto3.client("lambda"), boto3.client("iam"), boto3.client("sqs")
    role = iam.create_role(RoleName="shop", AssumeRolePolicyDocument=policy(TRUST))["Role"]["Arn"]
    iam.attach_role_policy(RoleName="shop", PolicyArn=LOGS)
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    made = functions.create_function(
        FunctionName="ship", Runtime="python3.13", Handler="app.handler", Role=role, Code={"ZipFile": archive(CODE)}
    )
    print(made["FunctionArn"], "is", made["State"])
    functions.get_waiter("function_active_v2").wait(FunctionName="ship")
    version = functions.publish_version(FunctionName="ship")["Version"]
    functions.create_alias(FunctionName="ship", Name="live", FunctionVersion=version)

    try:
        functions.create_event_source_mapping(EventSourceArn=queue, FunctionName="ship:live")
    except functions.exceptions.InvalidParameterValueException as error:
        print(error.response["Error"]["Message"])
    iam.put_role_policy(RoleName="shop", PolicyName="read", PolicyDocument=policy(READ))
    functions.create_event_source_mapping(EventSourceArn=queue, FunctionName="ship:live")

    event = {"Records": [{"body": '{"article": "a pencil"}'}]}
    answer = functions.invoke(FunctionName="ship:live", Payload=json.dumps(event))
    print(answer["FunctionError"], json.load(answer["Payload"])["errorMessage"])

    functions.update_function_code(FunctionName="ship", ZipFile=archive("import json\n" + CODE))
    version = functions.publish_version(FunctionName="ship")["Version"]
    functions.update_alias(FunctionName="ship", Name="live", FunctionVersion=version)
    sqs.send_message(QueueUrl=url, MessageBody='{"article": "a pencil"}')
    aws.wait_idle()
    print(*[line for line in bus.logs.text("/aws/lambda/ship").splitlines() if "ships" in line], sep="\n")
