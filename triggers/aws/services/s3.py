"""S3: operations and buckets. The operations on objects are in `triggers.aws.services.s3_objects`."""

from __future__ import annotations

import json
from typing import Any

from eventbus.errors import EventBusError, MalformedPolicy
from triggers.aws.services.deeds import Deed, Input, Result, deed
from triggers.aws.services.s3_objects import ObjectOperations, encoded, owner, utc
from triggers.s3.errors import IllegalVersioningConfiguration, S3Error


class NoSuchBucketPolicy(S3Error):
    code, status = "NoSuchBucketPolicy", 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The bucket policy does not exist", fields={"BucketName": bucket})


class MalformedBucketPolicy(S3Error):
    code, status = "MalformedPolicy", 400


class S3Map(ObjectOperations):
    """Buckets, and what is set on them."""

    service = "s3"
    malformed_code = "MalformedXML"
    invalid_code = "InvalidArgument"
    codes = {  # noqa: RUF012
        "InvalidClientTokenId": "InvalidAccessKeyId",
        "MissingAuthenticationToken": "AccessDenied",
        "UnknownOperationException": "MethodNotAllowed",
        "IncompleteSignature": "AuthorizationHeaderMalformed",
        "ValidationException": "InvalidArgument",
        "MalformedPolicyDocument": "MalformedPolicy",
    }

    def headers(self, error: EventBusError) -> dict[str, str]:
        marker = getattr(error, "delete_marker", None)
        return {} if marker is None else {"x-amz-delete-marker": "true", "x-amz-version-id": marker}

    def list_buckets(self, given: Input) -> Result:
        self.allow("s3:ListAllMyBuckets", None, "arn:aws:s3:::*")
        prefix, size = given.get("Prefix") or "", given.get("MaxBuckets") or 10_000
        after = given.get("ContinuationToken") or ""
        names = [name for name in self.s3 if name.startswith(prefix) and name > after]
        buckets = [{"Name": n, "CreationDate": utc(self.s3[n].created_at)} for n in names[:size]]
        token = names[size - 1] if len(names) > size else None
        return {"Buckets": buckets, "Owner": owner(self.s3), "ContinuationToken": token}

    def create_bucket(self, given: Input) -> Result:
        bucket = self.s3.create_bucket(given["Bucket"])
        return {"Location": f"/{bucket.name}"}

    def head_bucket(self, given: Input) -> Result:
        bucket = self._bucket(given)
        self.allow("s3:ListBucket", bucket)
        return {"BucketRegion": bucket.region}

    def delete_bucket(self, given: Input) -> Result:
        self.s3.delete_bucket(given["Bucket"])
        return {}

    def get_bucket_location(self, given: Input) -> Result:
        bucket = self._bucket(given)
        self.allow("s3:GetBucketLocation", bucket)
        return {"LocationConstraint": None if bucket.region == "us-east-1" else bucket.region}

    # -- versioning ---------------------------------------------------------------------------------------------------

    def get_bucket_versioning(self, given: Input) -> Result:
        bucket = self._bucket(given)
        self.allow("s3:GetBucketVersioning", bucket)
        return {"Status": bucket.versioning}

    def put_bucket_versioning(self, given: Input) -> Result:
        status = given["VersioningConfiguration"].get("Status")
        if status is None:
            raise IllegalVersioningConfiguration
        self._bucket(given).put_versioning(status)
        return {}

    # -- policy -------------------------------------------------------------------------------------------------------

    def get_bucket_policy(self, given: Input) -> Result:
        bucket = self._bucket(given)
        self.allow("s3:GetBucketPolicy", bucket)
        if bucket.policy is None:
            raise NoSuchBucketPolicy(bucket.name)
        return {"Policy": json.dumps(bucket.policy, separators=(",", ":"))}

    def put_bucket_policy(self, given: Input) -> Result:
        try:
            self._bucket(given).put_policy(given["Policy"])
        except MalformedPolicy as error:
            raise MalformedBucketPolicy(error.message) from error
        return {}

    def delete_bucket_policy(self, given: Input) -> Result:
        bucket = self._bucket(given)
        self.allow("s3:DeleteBucketPolicy", bucket)
        bucket.access.set(None)
        return {}

    # -- notifications ------------------------------------------------------------------------------------------------

    def get_bucket_notification_configuration(self, given: Input) -> Result:
        return self._bucket(given).get_notification_configuration()

    def put_bucket_notification_configuration(self, given: Input) -> Result:
        self._bucket(given).put_notification_configuration(
            given["NotificationConfiguration"],
            skip_destination_validation=given.get("SkipDestinationValidation") or False,
        )
        return {}

    # -- what is in a bucket ------------------------------------------------------------------------------------------

    def list_objects_v2(self, given: Input) -> Deed:
        show = encoded(given)

        def shape(page: Any) -> Result:
            return {
                **self._listing(given, page, show),
                "KeyCount": page.key_count,
                "NextContinuationToken": page.next_continuation_token,
                "ContinuationToken": given.get("ContinuationToken"),
                "StartAfter": show(given.get("StartAfter")),
            }

        return self._list(given, start_after=given.get("StartAfter"), token=given.get("ContinuationToken")).then(shape)

    def list_objects(self, given: Input) -> Deed:
        show, marker = encoded(given), given.get("Marker") or ""

        def shape(page: Any) -> Result:
            last = max([*page.keys[-1:], *page.common_prefixes[-1:]], default="")
            follows = page.is_truncated and given.get("Delimiter")
            return {
                **self._listing(given, page, show),
                "Marker": show(marker),
                "NextMarker": show(last) if follows else None,
            }

        delimiter = given.get("Delimiter")
        after = f"{marker}\U0010ffff" if delimiter and marker.endswith(delimiter) else marker
        return self._list(given, start_after=after).then(shape)

    def _list(self, given: Input, start_after: str | None, token: str | None = None) -> Deed:
        return deed(
            self._bucket(given).list_objects,
            given.get("Prefix") or "",
            delimiter=given.get("Delimiter"),
            max_keys=given.get("MaxKeys"),
            start_after=start_after,
            continuation_token=token,
        )

    def _listing(self, given: Input, page: Any, show: Any) -> Result:
        contents = [
            {
                "Key": show(item.key),
                "LastModified": item.last_modified,
                "ETag": f'"{item.etag}"',
                "Size": item.size,
                "StorageClass": item.storage_class,
            }
            for item in page.contents
        ]
        return {
            "Name": given["Bucket"],
            "Prefix": show(given.get("Prefix") or ""),
            "Delimiter": show(given.get("Delimiter")),
            "MaxKeys": min(given.get("MaxKeys", 1000), 1000),
            "EncodingType": given.get("EncodingType"),
            "IsTruncated": page.is_truncated,
            "Contents": contents or None,
            "CommonPrefixes": [{"Prefix": show(prefix)} for prefix in page.common_prefixes] or None,
        }

    def list_object_versions(self, given: Input) -> Deed:
        show = encoded(given)

        def shape(page: Any) -> Result:
            shown = [(entry.is_delete_marker, self._version(entry, show)) for entry in page.entries]
            return {
                "Name": given["Bucket"],
                "Prefix": show(given.get("Prefix") or ""),
                "Delimiter": show(given.get("Delimiter")),
                "KeyMarker": show(given.get("KeyMarker") or ""),
                "VersionIdMarker": given.get("VersionIdMarker") or "",
                "MaxKeys": min(given.get("MaxKeys", 1000), 1000),
                "EncodingType": given.get("EncodingType"),
                "IsTruncated": page.is_truncated,
                "NextKeyMarker": show(page.next_key_marker),
                "NextVersionIdMarker": page.next_version_id_marker,
                "Versions": [version for is_marker, version in shown if not is_marker] or None,
                "DeleteMarkers": [version for is_marker, version in shown if is_marker] or None,
                "CommonPrefixes": [{"Prefix": show(prefix)} for prefix in page.common_prefixes] or None,
            }

        return deed(
            self._bucket(given).list_object_versions,
            given.get("Prefix") or "",
            delimiter=given.get("Delimiter"),
            max_keys=given.get("MaxKeys"),
            key_marker=given.get("KeyMarker"),
            version_id_marker=given.get("VersionIdMarker"),
        ).then(shape)

    def _version(self, entry: Any, show: Any) -> Result:
        common = {
            "Key": show(entry.key),
            "VersionId": entry.version_id,
            "IsLatest": entry.is_latest,
            "LastModified": entry.last_modified,
            "Owner": owner(self.s3),
        }
        if entry.is_delete_marker:
            return common
        return {**common, "ETag": f'"{entry.etag}"', "Size": entry.size, "StorageClass": "STANDARD"}
