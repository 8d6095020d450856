"""STS: who am I, and temporary keys for roles."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

from eventbus.errors import AWSError
from eventbus.iam.policy import Policy
from eventbus.iam.principals import Principal
from triggers.aws.services import ServiceMap
from triggers.aws.services.deeds import Input, Result


class ValidationError(AWSError, ValueError):
    code, status = "ValidationError", 400


@attrs.frozen
class _Trust:
    """The trust policy of a role, as what guards it."""

    policy: Policy
    version: int


class STSMap(ServiceMap):
    service = "sts"
    malformed_code = "MalformedInput"
    invalid_code = "ValidationError"
    codes = {"ValidationException": "ValidationError", "UnknownOperationException": "InvalidAction"}  # noqa: RUF012

    def get_caller_identity(self, given: Input) -> Result:
        caller = self.bus.caller()
        principal = self.bus.authority.owner if caller is None else Principal.parse(caller.principal)
        return {"UserId": principal.context()["aws:userid"], "Account": principal.account, "Arn": str(principal)}

    def assume_role(self, given: Input) -> Result:
        arn, name = given["RoleArn"], given["RoleSessionName"]
        seconds = given.get("DurationSeconds", 3600)
        if not 900 <= seconds <= 43_200:
            raise ValidationError(f"The requested DurationSeconds {seconds} is not within 900 and 43200.")
        role = self.identities.role(arn.rpartition("/")[2])
        caller = self.bus.caller()
        who = self.bus.authority.owner if caller is None else Principal.parse(caller.principal)
        if role is None or role.arn != arn or (self.bus.authority.is_enforcing and not role.trusts(who)):
            raise _Denied(
                f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}",
                mend="the role's trust policy has to name the caller or its account: update_assume_role_policy",
            )
        trust = _Trust(role.trust_policy, role.version)
        self.bus.authority.authorize(caller, "sts:AssumeRole", arn, trust, lambda: None)
        session = self.identities.open_session(role, name, seconds)
        until = datetime.fromtimestamp(session.expires_at, UTC).replace(microsecond=0)
        user_id = role.session(name).context()["aws:userid"]
        return {
            "Credentials": {
                "AccessKeyId": session.access_key,
                "SecretAccessKey": session.secret,
                "SessionToken": session.token,
                "Expiration": until,
            },
            "AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": str(role.session(name))},
        }


class _Denied(AWSError):
    code, status = "AccessDenied", 403
