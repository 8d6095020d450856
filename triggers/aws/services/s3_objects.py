"""S3: the operations on objects and uploads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from eventbus.errors import AccessDenied
from triggers.aws.services import ServiceMap
from triggers.aws.services.deeds import Deed, Input, Result, deed, given
from triggers.s3 import S3, Bucket

_HEADERS = {
    "CacheControl": "cache_control",
    "ContentDisposition": "content_disposition",
    "ContentEncoding": "content_encoding",
    "ContentLanguage": "content_language",
    "Expires": "expires",
    "StorageClass": "storage_class",
    "WebsiteRedirectLocation": "website_redirect_location",
}
_CHECKSUMS = ("ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256")


class ObjectOperations(ServiceMap):
    """Objects, their tags and ACLs, and multipart uploads."""

    @property
    def s3(self) -> S3:
        found = self.bus.service("S3")
        return found if found is not None else S3(self.bus)

    def _bucket(self, given: Input) -> Bucket:
        """The bucket, if it is whose the client expects. Raises NoSuchBucket or AccessDenied."""
        bucket = self.s3[given["Bucket"]]
        owners = (given.get("ExpectedBucketOwner"), given.get("ExpectedSourceBucketOwner"))
        if any(owner not in (None, self.bus.account_id) for owner in owners):
            raise AccessDenied("Access Denied")
        return bucket

    # -- writing ------------------------------------------------------------------------------------------------------

    def put_object(self, given: Input) -> Deed:
        def shape(put: Any) -> Result:
            checksums = {name: given[name] for name in _CHECKSUMS if given.get(name)}
            kind = "FULL_OBJECT" if checksums else None
            return {"ETag": f'"{put.etag}"', "VersionId": put.version_id, "ChecksumType": kind, **checksums}

        return deed(
            self._bucket(given).put_object,
            given["Key"],
            given.get("Body", b""),
            content_md5=given.get("ContentMD5"),
            if_match=given.get("IfMatch"),
            if_none_match=given.get("IfNoneMatch"),
            **_stored(given),
        ).then(shape)

    def copy_object(self, given: Input) -> Deed:
        def shape(copied: Any) -> Result:
            return {
                "CopyObjectResult": {"ETag": f'"{copied.etag}"', "LastModified": copied.last_modified},
                "VersionId": copied.version_id,
                "CopySourceVersionId": copied.copy_source_version_id,
            }

        return deed(
            self._bucket(given).copy_object,
            _copy_source(given["CopySource"]),
            given["Key"],
            metadata_directive=given.get("MetadataDirective"),
            tagging_directive=given.get("TaggingDirective"),
            source_if_match=given.get("CopySourceIfMatch"),
            source_if_none_match=given.get("CopySourceIfNoneMatch"),
            source_if_modified_since=given.get("CopySourceIfModifiedSince"),
            source_if_unmodified_since=given.get("CopySourceIfUnmodifiedSince"),
            if_match=given.get("IfMatch"),
            if_none_match=given.get("IfNoneMatch"),
            **_stored(given),
        ).then(shape)

    def delete_object(self, given: Input) -> Deed:
        def shape(deleted: Any) -> Result:
            return {"DeleteMarker": deleted.delete_marker or None, "VersionId": deleted.version_id}

        return deed(
            self._bucket(given).delete_object,
            given["Key"],
            version_id=given.get("VersionId"),
            if_match=given.get("IfMatch"),
        ).then(shape)

    def delete_objects(self, given: Input) -> Deed:
        def shape(result: Any) -> Result:
            deleted = [
                {
                    "Key": one.key,
                    "VersionId": one.version_id,
                    "DeleteMarker": one.delete_marker or None,
                    "DeleteMarkerVersionId": one.delete_marker_version_id,
                }
                for one in result.deleted
            ]
            errors = [
                {"Key": e.key, "VersionId": e.version_id, "Code": e.code, "Message": e.message} for e in result.errors
            ]
            return {"Deleted": deleted or None, "Errors": errors or None}

        wanted = given["Delete"]
        return deed(
            self._bucket(given).delete_objects,
            wanted["Objects"],
            quiet=wanted.get("Quiet") or False,
        ).then(shape)

    # -- reading ------------------------------------------------------------------------------------------------------

    def get_object(self, given: Input) -> Deed:
        return deed(self._bucket(given).get_object, given["Key"], **_reading(given)).then(
            lambda found: {**_head(found, given), "Body": found.body}
        )

    def head_object(self, given: Input) -> Deed:
        return deed(self._bucket(given).head_object, given["Key"], **_reading(given)).then(
            lambda found: _head(found, given)
        )

    def get_object_attributes(self, given: Input) -> Deed:
        def shape(found: Any) -> Result:
            wanted = given["ObjectAttributes"]
            parts = {"TotalPartsCount": found.parts_count} if found.parts_count else None
            shown = {
                "ETag": found.etag,
                "ObjectSize": found.content_length,
                "StorageClass": found.storage_class,
                "ObjectParts": parts,
            }
            chosen = {name: value for name, value in shown.items() if name in wanted}
            return {"LastModified": found.last_modified, "VersionId": found.version_id, **chosen}

        return deed(self._bucket(given).head_object, given["Key"], version_id=given.get("VersionId")).then(shape)

    # -- tags and ACLs ------------------------------------------------------------------------------------------------

    def get_object_tagging(self, given: Input) -> Deed:
        return deed(self._bucket(given).get_object_tagging, given["Key"], version_id=given.get("VersionId")).then(
            lambda tags: {
                "TagSet": [{"Key": k, "Value": v} for k, v in tags.items()],
                "VersionId": given.get("VersionId"),
            }
        )

    def put_object_tagging(self, given: Input) -> Deed:
        bucket, tags = self._bucket(given), given["Tagging"]["TagSet"]
        return deed(bucket.put_object_tagging, given["Key"], tags, version_id=given.get("VersionId")).then(_version)

    def delete_object_tagging(self, given: Input) -> Deed:
        bucket = self._bucket(given)
        return deed(bucket.delete_object_tagging, given["Key"], version_id=given.get("VersionId")).then(_version)

    def put_object_acl(self, given: Input) -> Deed:
        bucket, acl = self._bucket(given), given.get("ACL") or "private"
        return deed(bucket.put_object_acl, given["Key"], acl, version_id=given.get("VersionId"))

    def get_object_acl(self, given: Input) -> Deed:
        me = owner(self.s3)

        def shape(acl: str) -> Result:
            grants = [{"Grantee": {**me, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]
            everyone = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}
            grants += [{"Grantee": everyone, "Permission": right} for right in _PUBLIC.get(acl, ())]
            return {"Owner": me, "Grants": grants}

        return deed(self._bucket(given).get_object_acl, given["Key"], version_id=given.get("VersionId")).then(shape)

    # -- multipart uploads --------------------------------------------------------------------------------------------

    def create_multipart_upload(self, given: Input) -> Deed:
        def shape(upload_id: str) -> Result:
            chosen = {"ChecksumAlgorithm": given.get("ChecksumAlgorithm"), "ChecksumType": given.get("ChecksumType")}
            return {"Bucket": given["Bucket"], "Key": given["Key"], "UploadId": upload_id, **chosen}

        return deed(self._bucket(given).create_multipart_upload, given["Key"], **_stored(given)).then(shape)

    def upload_part(self, given: Input) -> Deed:
        def shape(part: Any) -> Result:
            return {"ETag": f'"{part.etag}"', **{name: given[name] for name in _CHECKSUMS if given.get(name)}}

        return deed(
            self._bucket(given).upload_part,
            given["Key"],
            given["UploadId"],
            given["PartNumber"],
            given.get("Body", b""),
            content_md5=given.get("ContentMD5"),
        ).then(shape)

    def upload_part_copy(self, given: Input) -> Deed:
        return deed(
            self._bucket(given).upload_part_copy,
            given["Key"],
            given["UploadId"],
            given["PartNumber"],
            _copy_source(given["CopySource"]),
            source_range=given.get("CopySourceRange"),
        ).then(lambda part: {"CopyPartResult": {"ETag": f'"{part.etag}"', "LastModified": part.last_modified}})

    def complete_multipart_upload(self, given: Input) -> Deed:
        bucket, key = self._bucket(given), given["Key"]
        place = {"Location": f"https://{bucket.name}.s3.amazonaws.com/{quote(key)}", "Bucket": bucket.name, "Key": key}
        return deed(
            bucket.complete_multipart_upload,
            key,
            given["UploadId"],
            (given.get("MultipartUpload") or {}).get("Parts") or [],
            if_match=given.get("IfMatch"),
            if_none_match=given.get("IfNoneMatch"),
        ).then(lambda put: {**place, "ETag": f'"{put.etag}"', "VersionId": put.version_id})

    def abort_multipart_upload(self, given: Input) -> Deed:
        return deed(self._bucket(given).abort_multipart_upload, given["Key"], given["UploadId"])

    def list_parts(self, given: Input) -> Deed:
        def shape(page: Any) -> Result:
            parts = [
                {"PartNumber": p.part_number, "ETag": f'"{p.etag}"', "Size": p.size, "LastModified": p.last_modified}
                for p in page.parts
            ]
            return {
                "Bucket": given["Bucket"],
                "Key": given["Key"],
                "UploadId": given["UploadId"],
                "PartNumberMarker": given.get("PartNumberMarker", 0),
                "NextPartNumberMarker": page.next_part_number_marker,
                "MaxParts": given.get("MaxParts", 1000),
                "IsTruncated": page.is_truncated,
                "Parts": parts or None,
                "StorageClass": "STANDARD",
                "Owner": owner(self.s3),
            }

        return deed(
            self._bucket(given).list_parts,
            given["Key"],
            given["UploadId"],
            max_parts=given.get("MaxParts"),
            part_number_marker=given.get("PartNumberMarker"),
        ).then(shape)

    def list_multipart_uploads(self, given: Input) -> Deed:
        show = encoded(given)

        def shape(page: Any) -> Result:
            uploads = [{"Key": show(u.key), "UploadId": u.upload_id, "Initiated": u.initiated} for u in page.uploads]
            return {
                "Bucket": given["Bucket"],
                "Prefix": show(given.get("Prefix") or ""),
                "Delimiter": show(given.get("Delimiter")),
                "KeyMarker": show(given.get("KeyMarker") or ""),
                "UploadIdMarker": given.get("UploadIdMarker") or "",
                "MaxUploads": given.get("MaxUploads", 1000),
                "EncodingType": given.get("EncodingType"),
                "IsTruncated": page.is_truncated,
                "NextKeyMarker": show(page.next_key_marker),
                "NextUploadIdMarker": page.next_upload_id_marker,
                "Uploads": uploads or None,
                "CommonPrefixes": [{"Prefix": show(prefix)} for prefix in page.common_prefixes] or None,
            }

        return deed(
            self._bucket(given).list_multipart_uploads,
            given.get("Prefix") or "",
            delimiter=given.get("Delimiter"),
            max_uploads=given.get("MaxUploads"),
            key_marker=given.get("KeyMarker"),
            upload_id_marker=given.get("UploadIdMarker"),
        ).then(shape)


_PUBLIC = {"public-read": ("READ",), "public-read-write": ("READ", "WRITE")}


def utc(at: float) -> datetime:
    """An instant as S3 shows it, in whole seconds."""
    return datetime.fromtimestamp(int(at), UTC)


def owner(s3: S3) -> Result:
    """Who owns every bucket and object."""
    return {"ID": s3.owner_principal.rpartition(":")[2].lower() * 4, "DisplayName": "owner"}


def encoded(given: Input) -> Callable[[str | None], str | None]:
    """How keys are shown in a listing: as they are or, where the client asks for that, URL-encoded."""
    if given.get("EncodingType") != "url":
        return lambda text: text
    return lambda text: None if text is None else quote(text, safe="/-_.*")


def _version(version_id: str | None) -> Result:
    return {"VersionId": version_id}


def _stored(values: Input) -> dict[str, Any]:
    """What is stored beside the bytes."""
    return given(
        content_type=values.get("ContentType"),
        metadata=values.get("Metadata"),
        tags=values.get("Tagging"),
        acl=values.get("ACL"),
        **{ours: _text(values[theirs]) for theirs, ours in _HEADERS.items() if values.get(theirs) is not None},
    )


def _text(value: Any) -> str:
    return f"{value:%a, %d %b %Y %H:%M:%S GMT}" if isinstance(value, datetime) else str(value)


def _reading(values: Input) -> dict[str, Any]:
    return given(
        version_id=values.get("VersionId"),
        range=values.get("Range"),
        part_number=values.get("PartNumber"),
        if_match=values.get("IfMatch"),
        if_none_match=values.get("IfNoneMatch"),
        if_modified_since=values.get("IfModifiedSince"),
        if_unmodified_since=values.get("IfUnmodifiedSince"),
    )


def _head(found: Any, given: Input) -> Result:
    """What the head of an answer says of an object; a presigned URL may replace some of it."""
    shown = {theirs: found.headers.get(ours) for theirs, ours in _HEADERS.items()}
    shown |= {
        "AcceptRanges": "bytes",
        "LastModified": found.last_modified,
        "ContentLength": found.content_length,
        "ContentRange": found.content_range,
        "ContentType": found.content_type,
        "ETag": f'"{found.etag}"',
        "VersionId": found.version_id,
        "Metadata": found.metadata,
        "PartsCount": found.parts_count if given.get("PartNumber") else None,
        "TagCount": found.tag_count or None,
        "StorageClass": None if found.storage_class == "STANDARD" else found.storage_class,
    }
    for name in ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"):
        shown[name] = given.get(f"Response{name}") or shown[name]
    return shown


def _copy_source(source: str) -> tuple[str, str, str | None]:
    """Bucket, key and version of the header, which is URL-encoded."""
    path, _, version_id = source.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    return bucket, key, version_id or None
