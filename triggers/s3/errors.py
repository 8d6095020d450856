"""The refusals of S3, in S3's own words.

    AWSError
    └── S3Error                     `fields` holds what the XML answer carries beside code and message
        ├── NoSuchBucket            404, also a KeyError, since `s3["photos"]` is a lookup
        ├── NoSuchKey, NoSuchVersion, NoSuchUpload                      404, also LookupErrors
        ├── BucketAlreadyOwnedByYou, BucketNotEmpty                     409
        ├── InvalidBucketName, KeyTooLongError, MetadataTooLarge, InvalidArgument, InvalidRequest, InvalidDigest,
        │   BadDigest, InvalidTag, TooManyTags, MalformedXML, EntityTooSmall, EntityTooLarge, InvalidPart,
        │   InvalidPartOrder, IllegalVersioningConfiguration            400, also ValueErrors
        ├── MethodNotAllowed        405
        ├── PreconditionFailed      412
        ├── InvalidRange, InvalidPartNumber                             416
        ├── NotModified             304: no refusal on the wire, but an answer without an object
        └── NotImplementedByS3      501
    InvalidBody                     a body that is not made of bytes; also a TypeError, and not AWS's but ours

Texts: recordings of real answers, collected in LocalStack's AWS-validated snapshots (2022-2025). Where no recording
was found the class says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from eventbus.errors import AWSError, EventBusError

MAX_KEY = 1024
"""Bytes of a key in UTF-8 (S3 user guide, "Naming Amazon S3 objects")."""
MAX_OBJECT = 5 * 1024**3
"""Bytes that one put, one copy or one part may have (S3 user guide, "Amazon S3 multipart upload limits")."""
MIN_PART = 5 * 1024**2
"""Bytes that every part but the last must have (the same page)."""


class InvalidBody(EventBusError, TypeError):
    """What was given as the content of an object is not made of bytes."""

    def __init__(self, body: object, accepted: str) -> None:
        found = type(body).__name__
        mend = ": an object is made of bytes; call .encode() on it" if isinstance(body, str) else f"; give {accepted}"
        super().__init__(f"the body is {'text (str)' if isinstance(body, str) else f'of type {found}'}{mend}")


class S3Error(AWSError):
    """A refusal by S3."""

    def __init__(self, message: str, *, mend: str | None = None, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message, mend=mend)
        self.fields: Mapping[str, str] = dict(fields or {})
        """The elements of the XML answer beside code and message: `{"BucketName": "photos"}`."""


class NoSuchBucket(S3Error, KeyError):
    code, status = "NoSuchBucket", 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The specified bucket does not exist", fields={"BucketName": bucket})

    __str__ = Exception.__str__  # a KeyError would show the repr of its text


class NoSuchKey(S3Error, LookupError):
    code, status = "NoSuchKey", 404

    def __init__(self, key: str, *, delete_marker: str | None = None) -> None:
        super().__init__("The specified key does not exist.", fields={"Key": key})
        self.delete_marker = delete_marker
        """The version id of the delete marker that hides the object (the header `x-amz-delete-marker`), or None."""


class NoSuchVersion(S3Error, LookupError):
    code, status = "NoSuchVersion", 404

    def __init__(self, key: str, version_id: str) -> None:
        super().__init__("The specified version does not exist.", fields={"Key": key, "VersionId": version_id})


class NoSuchUpload(S3Error, LookupError):
    code, status = "NoSuchUpload", 404

    def __init__(self, upload_id: str) -> None:
        super().__init__(
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
            "completed.",
            fields={"UploadId": upload_id},
        )


class BucketAlreadyOwnedByYou(S3Error):
    code, status = "BucketAlreadyOwnedByYou", 409

    def __init__(self, bucket: str) -> None:
        super().__init__(
            "Your previous request to create the named bucket succeeded and you already own it.",
            fields={"BucketName": bucket},
        )


class BucketNotEmpty(S3Error):
    code, status = "BucketNotEmpty", 409

    def __init__(self, bucket: str, *, is_versioned: bool) -> None:
        more = ". You must delete all versions in the bucket." if is_versioned else ""
        super().__init__(f"The bucket you tried to delete is not empty{more}", fields={"BucketName": bucket})


class InvalidBucketName(S3Error, ValueError):
    code, status = "InvalidBucketName", 400

    def __init__(self, bucket: str, rule: str) -> None:
        super().__init__("The specified bucket is not valid.", mend=rule, fields={"BucketName": bucket})


class KeyTooLongError(S3Error, ValueError):
    """(AWS's text as an emulator gives it.)"""

    code, status = "KeyTooLongError", 400

    def __init__(self, size: int) -> None:
        super().__init__("Your key is too long", fields={"MaxSizeAllowed": str(MAX_KEY), "Size": str(size)})


class MetadataTooLarge(S3Error, ValueError):
    """(Text not confirmed.)"""

    code, status = "MetadataTooLarge", 400

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            "Your metadata headers exceed the maximum allowed metadata size",
            fields={"Size": str(size), "MaxSizeAllowed": str(limit)},
        )


class InvalidArgument(S3Error, ValueError):
    """`fields` names the argument and shows its value."""

    code, status = "InvalidArgument", 400

    def __init__(
        self,
        message: str,
        name: str | None = None,
        value: str | None = None,
        *,
        mend: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        named = {} if name is None else {"ArgumentName": name, "ArgumentValue": "" if value is None else value}
        super().__init__(message, mend=mend, fields={**named, **(fields or {})})


class InvalidRequest(S3Error, ValueError):
    code, status = "InvalidRequest", 400


class InvalidDigest(S3Error, ValueError):
    code, status = "InvalidDigest", 400

    def __init__(self, given: str) -> None:
        super().__init__("The Content-MD5 you specified was invalid.", fields={"Content-MD5": given})


class BadDigest(S3Error, ValueError):
    code, status = "BadDigest", 400

    def __init__(self, expected: str, calculated: str) -> None:
        super().__init__(
            "The Content-MD5 you specified did not match what we received.",
            fields={"ExpectedDigest": expected, "CalculatedDigest": calculated},
        )


class InvalidTag(S3Error, ValueError):
    code, status = "InvalidTag", 400


class TooManyTags(S3Error, ValueError):
    """(Text not confirmed.)"""

    code, status = "BadRequest", 400

    def __init__(self, limit: int) -> None:
        super().__init__(f"Object tags cannot be greater than {limit}")


class MalformedXML(S3Error, ValueError):
    code, status = "MalformedXML", 400

    def __init__(self, why: str) -> None:
        super().__init__(
            "The XML you provided was not well-formed or did not validate against our published schema", mend=why
        )


class EntityTooSmall(S3Error, ValueError):
    code, status = "EntityTooSmall", 400

    def __init__(self, part_number: int, size: int, etag: str) -> None:
        super().__init__(
            "Your proposed upload is smaller than the minimum allowed size",
            fields={
                "MinSizeAllowed": str(MIN_PART), "PartNumber": str(part_number), "ProposedSize": str(size), "ETag": etag
            },
        )  # fmt: skip


class EntityTooLarge(S3Error, ValueError):
    code, status = "EntityTooLarge", 400

    def __init__(self, size: int) -> None:
        super().__init__(
            "Your proposed upload exceeds the maximum allowed size",
            fields={"ProposedSize": str(size), "MaxSizeAllowed": str(MAX_OBJECT)},
        )


class InvalidPart(S3Error, ValueError):
    code, status = "InvalidPart", 400

    def __init__(self, part_number: int, etag: str, upload_id: str) -> None:
        super().__init__(
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
            "specified entity tag may not match the part's entity tag.",
            fields={"PartNumber": str(part_number), "ETag": etag, "UploadId": upload_id},
        )


class InvalidPartOrder(S3Error, ValueError):
    code, status = "InvalidPartOrder", 400

    def __init__(self, upload_id: str) -> None:
        super().__init__(
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
            fields={"UploadId": upload_id},
        )


class IllegalVersioningConfiguration(S3Error, ValueError):
    code, status = "IllegalVersioningConfigurationException", 400

    def __init__(self) -> None:
        super().__init__(
            "The Versioning element must be specified", mend='a bucket\'s versioning is "Enabled" or "Suspended"'
        )


class MethodNotAllowed(S3Error):
    """The version that was named is a delete marker."""

    code, status = "MethodNotAllowed", 405

    def __init__(self, method: str) -> None:
        super().__init__(
            "The specified method is not allowed against this resource.",
            fields={"Method": method, "ResourceType": "DeleteMarker"},
        )


class PreconditionFailed(S3Error):
    code, status = "PreconditionFailed", 412

    def __init__(self, condition: str) -> None:
        super().__init__(
            "At least one of the pre-conditions you specified did not hold", fields={"Condition": condition}
        )


class NotModified(S3Error):
    """The object is still the one that the caller knows."""

    code, status = "304", 304

    def __init__(self) -> None:
        super().__init__("Not Modified")


class InvalidRange(S3Error, ValueError):
    code, status = "InvalidRange", 416

    def __init__(self, requested: str, size: int) -> None:
        super().__init__(
            "The requested range is not satisfiable",
            fields={"ActualObjectSize": str(size), "RangeRequested": requested},
        )


class InvalidPartNumber(S3Error, ValueError):
    code, status = "InvalidPartNumber", 416

    def __init__(self, requested: int, count: int) -> None:
        super().__init__(
            "The requested partnumber is not satisfiable",
            fields={"ActualPartCount": str(count), "PartNumberRequested": str(requested)},
        )


class NotImplementedByS3(S3Error):
    """S3 itself does not do this."""

    code, status = "NotImplemented", 501

    def __init__(self, header: str, more: str) -> None:
        super().__init__(
            "A header you provided implies functionality that is not implemented",
            fields={"Header": header, "additionalMessage": more},
        )
