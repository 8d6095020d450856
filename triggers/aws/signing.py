"""Signature version 4: what a request says of its credential, whether a presigned URL is still good, and, where that is
asked for, whether the signature is right.

Source: AWS IAM user guide, "Create a signed AWS API request" (2026); S3 API reference, "Authenticating Requests: Using
Query Parameters".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import attrs

from triggers.aws.errors import InvalidSignature, RequestTimeTooSkewed, SignatureDoesNotMatch, WireError
from triggers.aws.http import Request

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = 900
"""Seconds that the clocks of client and server may differ."""
LONGEST_LIFE = 604_800
"""Seconds that a presigned URL may be good for: a week."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})\s*"
)
_DATE = re.compile(r"\d{8}T\d{6}Z")


class RequestExpired(WireError):
    code = "AccessDenied"
    status = 403


@attrs.frozen
class Credential:
    """What a request says of who signed it."""

    access_key: str
    token: str | None
    date: str
    """`20260102T030405Z`; empty for the older signatures, which are not looked at."""
    scope: tuple[str, str, str] | None
    """Day, region and service."""
    signed_headers: tuple[str, ...]
    signature: str = attrs.field(repr=False)
    expires: int | None
    """Seconds for which a presigned URL is good."""

    @property
    def is_presigned(self) -> bool:
        return self.expires is not None

    @property
    def signed_at(self) -> float:
        """The instant in seconds since the epoch. Raises InvalidSignature."""
        if not _DATE.fullmatch(self.date):
            raise InvalidSignature("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        try:
            return datetime.strptime(self.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise InvalidSignature("X-Amz-Date is not an instant") from None


def credential(request: Request) -> Credential | None:
    """Who signed a request; None for one that isn't signed. Raises InvalidSignature for what cannot be read."""
    header = request.headers.get("authorization", "")
    if header.startswith("AWS4-"):
        return _from_header(request, header)
    if header.startswith("AWS "):  # signature version 2
        return _older(header[4:].partition(":")[0], request.headers.get("x-amz-security-token"), None)
    if request.parameter("X-Amz-Credential") is not None or request.parameter("X-Amz-Algorithm") is not None:
        return _from_query(request)
    if (key := request.parameter("AWSAccessKeyId")) is not None:
        return _older(key, request.parameter("x-amz-security-token"), request.parameter("Expires"))
    return None


def _older(key: str, token: str | None, expires: str | None) -> Credential:
    if expires is not None and not (expires.isdigit() and len(expires) < 12):
        raise InvalidSignature("Expires is not a number of seconds")
    return Credential(key, token, "", None, (), "", None if expires is None else int(expires))


def _from_header(request: Request, header: str) -> Credential:
    found = _AUTHORIZATION.fullmatch(header)
    if found is None:
        raise InvalidSignature("The authorization header that you provided is not valid.")
    key, scope = _scope(found[1])
    token, date = request.headers.get("x-amz-security-token"), request.headers.get("x-amz-date", "")
    return Credential(key, token, date, scope, tuple(found[2].split(";")), found[3], None)


def _from_query(request: Request) -> Credential:
    given = {
        name: request.parameter(f"X-Amz-{name}")
        for name in ("Credential", "Date", "SignedHeaders", "Signature", "Expires")
    }
    missing = [f"X-Amz-{name}" for name, value in given.items() if value is None]
    if missing:
        raise InvalidSignature(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            code="AuthorizationQueryParametersError",
        )
    expires = str(given["Expires"])
    if not (expires.isascii() and expires.isdigit() and len(expires) < 10 and 1 <= int(expires) <= LONGEST_LIFE):
        raise InvalidSignature(
            "X-Amz-Expires must be between 1 and 604800 seconds", code="AuthorizationQueryParametersError"
        )
    key, scope = _scope(str(given["Credential"]))
    headers = tuple(str(given["SignedHeaders"]).split(";"))
    token = request.parameter("X-Amz-Security-Token")
    return Credential(key, token, str(given["Date"]), scope, headers, str(given["Signature"]), int(expires))


def _scope(text: str) -> tuple[str, tuple[str, str, str]]:
    parts = text.split("/")
    if len(parts) < 5 or parts[-1] != "aws4_request":
        raise InvalidSignature(
            "The authorization header is malformed; the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        )
    return "/".join(parts[:-4]), (parts[-4], parts[-3], parts[-2])


def check_expiry(signed: Credential, now: float) -> None:
    """Raise RequestExpired for a presigned URL whose time is over."""
    if signed.expires is None:
        return
    until = float(signed.expires) if not signed.date else signed.signed_at + signed.expires
    if now > until:
        raise RequestExpired("Request has expired")


def verify(request: Request, signed: Credential, secret: str | None, now: float) -> None:
    """Raise unless the signature is that of the secret, and was made within the last 15 minutes."""
    if signed.scope is None:
        raise SignatureDoesNotMatch("Only signatures of version 4 are verified; configure signature_version='s3v4'")
    if not signed.is_presigned and abs(now - signed.signed_at) > SKEW:
        raise RequestTimeTooSkewed("The difference between the request time and the current time is too large.")
    if secret is None or not hmac.compare_digest(signature(request, signed, secret), signed.signature):
        raise SignatureDoesNotMatch(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )
    _check_payload(request, signed)


def _check_payload(request: Request, signed: Credential) -> None:
    digest = request.headers.get("x-amz-content-sha256", "")
    is_digest = "x-amz-content-sha256" in signed.signed_headers and re.fullmatch("[0-9a-f]{64}", digest)
    if is_digest and digest != hashlib.sha256(request.body).hexdigest():
        raise SignatureDoesNotMatch(
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            code="XAmzContentSHA256Mismatch",
        )


def signature(request: Request, signed: Credential, secret: str) -> str:
    """The signature that the secret gives for this request."""
    assert signed.scope is not None
    canonical = hashlib.sha256(_canonical(request, signed).encode()).hexdigest()
    text = "\n".join([ALGORITHM, signed.date, "/".join([*signed.scope, "aws4_request"]), canonical])
    key = f"AWS4{secret}".encode()
    for part in (*signed.scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical(request: Request, signed: Credential) -> str:
    assert signed.scope is not None
    is_s3 = signed.scope[2] == "s3"
    path = quote(unquote(request.path), safe="/-_.~") if is_s3 else quote(request.path or "/", safe="/-_.~")
    query = sorted((_quoted(k), _quoted(v)) for k, v in request.query if k != "X-Amz-Signature")
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed.signed_headers)
    if signed.is_presigned and is_s3:
        payload = "UNSIGNED-PAYLOAD"
    else:
        payload = request.headers.get("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()
    return "\n".join(
        [
            request.method,
            path,
            "&".join(f"{k}={v}" for k, v in query),
            headers,
            ";".join(signed.signed_headers),
            payload,
        ]
    )


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
