"""A small deployer: CloudFormation's JSON, resource by resource, as calls of boto3. It adds nothing of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3

ACCOUNT = "123456789012"


class Deployment:
    """Resources by their logical names, each made once all that it refers to is there."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._resources: Mapping[str, Any] = template["Resources"]
        self._made: dict[str, Mapping[str, str]] = {}

    def run(self) -> None:
        """Make everything."""
        for name in self._resources:
            self.attributes(name)

    def attributes(self, name: str) -> Mapping[str, str]:
        """The attributes of a resource; its `Ref` is one of them."""
        if name not in self._made:
            resource = self._resources[name]
            depends = resource.get("DependsOn", [])
            for other in [depends] if isinstance(depends, str) else depends:
                self.attributes(other)
            kind = resource["Type"].removeprefix("AWS::").replace("::", "_").lower()
            properties = self.resolved(resource.get("Properties", {}))
            self._made[name] = globals()[f"_{kind}"](name, properties)
        return self._made[name]

    def resolved(self, value: Any) -> Any:
        """A value of the template without its functions."""
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "Ref" in value:
            known = {"AWS::AccountId": ACCOUNT}
            return known.get(value["Ref"]) or self.attributes(value["Ref"])["Ref"]
        if "Fn::GetAtt" in value:
            name, attribute = value["Fn::GetAtt"]
            return self.attributes(name)[attribute]
        return {key: self.resolved(item) for key, item in value.items()}


def _client(service: str) -> Any:
    return boto3.client(service)


def _tags(properties: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.pop("Tags", [])}


def _s3_bucket(name: str, properties: dict[str, Any]) -> dict[str, str]:
    s3, bucket = _client("s3"), name.lower()
    s3.create_bucket(Bucket=bucket)
    wanted = properties.get("NotificationConfiguration", {}).get("LambdaConfigurations", [])
    if wanted:
        configurations = [{"LambdaFunctionArn": one["Function"], "Events": [one["Event"]]} for one in wanted]
        notification = {"LambdaFunctionConfigurations": configurations}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=notification)
    return {"Ref": bucket, "Arn": f"arn:aws:s3:::{bucket}"}


def _sqs_queue(name: str, properties: dict[str, Any]) -> dict[str, str]:
    attributes = {key: str(value) for key, value in properties.items()}
    url = _client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return {"Ref": url, "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"}


def _iam_role(name: str, properties: dict[str, Any]) -> dict[str, str]:
    iam = _client("iam")
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
    for arn in properties.get("ManagedPolicyArns", []):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    for policy in properties.get("Policies", []):
        document = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    return {"Ref": name, "Arn": role["Arn"]}


def _lambda_function(name: str, properties: dict[str, Any]) -> dict[str, str]:
    tags = _tags(properties)
    made = _client("lambda").create_function(FunctionName=name, Tags=tags, **properties)
    _client("lambda").get_waiter("function_active_v2").wait(FunctionName=name)
    return {"Ref": name, "Arn": made["FunctionArn"]}


def _lambda_version(name: str, properties: dict[str, Any]) -> dict[str, str]:
    made = _client("lambda").publish_version(**properties)
    return {"Ref": made["FunctionArn"], "Version": made["Version"]}


def _lambda_alias(name: str, properties: dict[str, Any]) -> dict[str, str]:
    return {"Ref": _client("lambda").create_alias(**properties)["AliasArn"]}


def _lambda_eventinvokeconfig(name: str, properties: dict[str, Any]) -> dict[str, str]:
    _client("lambda").put_function_event_invoke_config(**properties)
    return {"Ref": name}


def _lambda_permission(name: str, properties: dict[str, Any]) -> dict[str, str]:
    _client("lambda").add_permission(StatementId=name, **properties)
    return {"Ref": name}


def _lambda_url(name: str, properties: dict[str, Any]) -> dict[str, str]:
    made = _client("lambda").create_function_url_config(FunctionName=properties.pop("TargetFunctionArn"), **properties)
    return {"Ref": made["FunctionArn"], "FunctionUrl": made["FunctionUrl"]}


def _lambda_eventsourcemapping(name: str, properties: dict[str, Any]) -> dict[str, str]:
    return {"Ref": _client("lambda").create_event_source_mapping(**properties)["UUID"]}


def _lambda_layerversion(name: str, properties: dict[str, Any]) -> dict[str, str]:
    return {"Ref": _client("lambda").publish_layer_version(**properties)["LayerVersionArn"]}
