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
    order = json.loads(event["Records"][0]["body"])
    print(context.invoked_function_arn.rpartition(":")[2], "ships", order["article"])
"""
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
READ = {"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"}


def archive(code: str) -> bytes:
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
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    made = {"FunctionName": "ship", "Runtime": "python3.13", "Handler": "app.handler", "Role": role, "Publish": True}
    functions.create_function(**made, Code={"ZipFile": archive(CODE)})
    functions.get_waiter("function_active_v2").wait(FunctionName="ship")
    functions.create_alias(FunctionName="ship", Name="live", FunctionVersion="1")
    try:
        functions.create_event_source_mapping(EventSourceArn=queue, FunctionName="ship:live")
    except functions.exceptions.InvalidParameterValueException as error:
        print(error.response["Error"]["Message"])
    iam.put_role_policy(RoleName="shop", PolicyName="read", PolicyDocument=policy(READ))
    functions.create_event_source_mapping(EventSourceArn=queue, FunctionName="ship:live")
    answer = functions.invoke(FunctionName="ship:live", Payload='{"Records": [{"body": "{}"}]}')
    print(answer["FunctionError"], json.load(answer["Payload"])["errorMessage"])
    fixed = functions.update_function_code(FunctionName="ship", ZipFile=archive("import json\n" + CODE), Publish=True)
    functions.update_alias(FunctionName="ship", Name="live", FunctionVersion=fixed["Version"])
    sqs.send_message(QueueUrl=url, MessageBody='{"article": "a pencil"}')
    aws.wait_idle()
    print(*[line for line in bus.logs.text("/aws/lambda/ship").splitlines() if "ships" in line], sep="\n")
