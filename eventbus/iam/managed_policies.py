"""The AWS managed policies that execution roles are made of.

Source: AWS managed policy reference and Lambda Developer Guide, "AWS managed policies for AWS Lambda" (November 2025).
All of them speak about every resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from eventbus.iam.policy import Policy

_PREFIX = "arn:aws:iam::aws:policy/"

_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
_NETWORK = ("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface")

_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "AdministratorAccess": ("*",),
    "AWSXRayDaemonWriteAccess": (
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:GetSamplingStatisticSummaries",
    ),
    "service-role/AWSLambdaBasicExecutionRole": _LOGS,
    "service-role/AWSLambdaDynamoDBExecutionRole": (
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        *_LOGS,
    ),
    "service-role/AWSLambdaKinesisExecutionRole": (
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:ListStreams",
        "kinesis:SubscribeToShard",
        *_LOGS,
    ),
    "service-role/AWSLambdaMSKExecutionRole": (
        "kafka:DescribeCluster",
        "kafka:DescribeClusterV2",
        "kafka:GetBootstrapBrokers",
        *_NETWORK,
        "ec2:DescribeVpcs",
        "ec2:DescribeSubnets",
        "ec2:DescribeSecurityGroups",
        *_LOGS,
    ),
    "service-role/AWSLambdaRole": ("lambda:InvokeFunction",),
    "service-role/AWSLambdaSQSQueueExecutionRole": (
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        *_LOGS,
    ),
    "service-role/AWSLambdaVPCAccessExecutionRole": (
        *_NETWORK,
        "ec2:DescribeSubnets",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
        *_LOGS,
    ),
}


def _arns() -> dict[str, str]:
    arns = {path.rpartition("/")[2]: _PREFIX + path for path in _ACTIONS}
    return arns | {arn: arn for arn in arns.values()}


def _policy(actions: tuple[str, ...]) -> Policy:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return Policy.parse({"Version": "2012-10-17", "Statement": [statement]})


MANAGED_POLICY_ARNS: Mapping[str, str] = MappingProxyType(_arns())
"""The ARN of each managed policy, by bare name and by ARN."""

_BY_ARN = {_PREFIX + path: _policy(actions) for path, actions in _ACTIONS.items()}

MANAGED_POLICIES: Mapping[str, Policy] = MappingProxyType(
    {key: _BY_ARN[arn] for key, arn in MANAGED_POLICY_ARNS.items()}
)
"""Each managed policy, by bare name and by ARN."""
