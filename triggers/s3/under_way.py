"""Which multipart uploads are under way, and which parts they have."""

from __future__ import annotations

from triggers.s3.core import BucketCore
from triggers.s3.errors import NoSuchUpload
from triggers.s3.listing import page_size
from triggers.s3.objects import group_of
from triggers.s3.results import ListedUpload, ListPartsResult, ListUploadsResult, UploadedPart, last_modified
from triggers.s3.uploads import Part, Upload


class UnderWay(BucketCore):
    """The operations that answer what has been uploaded so far."""

    async def list_parts(
        self, key: str, upload_id: str, *, max_parts: int = 1000, part_number_marker: int = 0
    ) -> ListPartsResult:
        """One page of the parts that an upload has, behind a part number. Raises NoSuchUpload or InvalidArgument."""
        return self.list_parts_nowait(key, upload_id, max_parts=max_parts, part_number_marker=part_number_marker)

    def list_parts_nowait(
        self, key: str, upload_id: str, *, max_parts: int = 1000, part_number_marker: int = 0
    ) -> ListPartsResult:
        """The synchronous twin of `list_parts`."""
        self._check("list_parts", "s3:ListMultipartUploadParts", key)
        upload = self._upload(key, upload_id)
        limit = page_size(max_parts, "max-parts")
        numbers = sorted(number for number in upload.parts if number > part_number_marker)
        page = numbers[:limit]
        is_truncated = bool(page) and len(numbers) > limit
        parts = [shown(number, upload.parts[number]) for number in page]
        return ListPartsResult(key, upload_id, parts, is_truncated, page[-1] if is_truncated else None)

    async def list_multipart_uploads(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        max_uploads: int = 1000,
        key_marker: str = "",
        upload_id_marker: str = "",
    ) -> ListUploadsResult:
        """One page of the uploads under way, by key and then by when they began.

        Behind `key_marker`, or with `upload_id_marker` behind that upload of that key.
        """
        return self.list_multipart_uploads_nowait(
            prefix,
            delimiter=delimiter,
            max_uploads=max_uploads,
            key_marker=key_marker,
            upload_id_marker=upload_id_marker,
        )

    def list_multipart_uploads_nowait(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        max_uploads: int = 1000,
        key_marker: str = "",
        upload_id_marker: str = "",
    ) -> ListUploadsResult:
        """The synchronous twin of `list_multipart_uploads`."""
        self._check("list_multipart_uploads", "s3:ListBucketMultipartUploads")
        limit = page_size(max_uploads, "max-uploads")
        # uploads are in the order of their beginning, but for one whose end was taken back, and sorting keeps it
        found = sorted((u for u in self._uploads.values() if u.key.startswith(prefix)), key=lambda u: (u.key, u.number))
        uploads: list[ListedUpload] = []
        prefixes: list[str] = []
        last: tuple[str, str | None] = ("", None)
        is_truncated = False
        for upload in _behind(found, key_marker, upload_id_marker):
            group = group_of(upload.key, prefix, delimiter)
            if group is not None and (group in prefixes[-1:] or (key_marker == group and not upload_id_marker)):
                continue
            if len(uploads) + len(prefixes) >= limit:
                is_truncated = limit > 0
                break
            if group is None:
                uploads.append(ListedUpload(upload.key, upload.upload_id, last_modified(upload.begun_at)))
                last = (upload.key, upload.upload_id)
            else:
                prefixes.append(group)
                last = (group, None)
        next_key, next_id = last if is_truncated else (None, None)
        return ListUploadsResult(uploads, prefixes, is_truncated, next_key, next_id)

    def _upload(self, key: str, upload_id: str) -> Upload:
        upload = self._uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise NoSuchUpload(str(upload_id))
        return upload


def _behind(uploads: list[Upload], key_marker: str, upload_id_marker: str) -> list[Upload]:
    if not upload_id_marker:
        return [upload for upload in uploads if upload.key > key_marker]
    same_key = [upload for upload in uploads if upload.key == key_marker]
    at = next((n for n, upload in enumerate(same_key) if upload.upload_id == upload_id_marker), len(same_key))
    return same_key[at + 1 :] + [upload for upload in uploads if upload.key > key_marker]


def shown(number: int, part: Part) -> UploadedPart:
    return UploadedPart(number, part.etag, len(part.body), last_modified(part.stored_at))
