"""What buckets keep in the bus's store.

    s3                 the next number, and who the owner and the host are in records
    s3_buckets         bucket NUL                         → the state of versioning, once it was changed at run time
    s3_objects         bucket NUL number                  → a version or a delete marker, with its body up to 64 KiB
    s3_uploads         bucket NUL number                  → an open multipart upload
    s3_parts           bucket NUL upload's number NUL part → a part, with its body up to 64 KiB
    s3_files           name                               → a file with a larger body that one of these rows names
    s3_destinations    bucket NUL ARN                     → the destination has had its s3:TestEvent

Numbers grow, so the order of the rows is the order in which versions were stored, and the newest is the last.

The state of versioning is configuration, which is code: what is declared before the bus is entered holds. Where nothing
is declared, what was set at run time comes back, for without it the versions could not be told from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from eventbus.storage.objects import ObjectFile, ObjectFiles
from triggers.keeping import SEPARATOR, Numbers, dumps, loads, nothing, number_key, owners, rows_of
from triggers.s3.bodies import INLINE, Bodies, Staged
from triggers.s3.objects import Body, ObjectStore, Version
from triggers.s3.rows import part_from, part_row, upload_from, upload_row, version_from, version_row
from triggers.s3.uploads import Part, Upload

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.storage.port import Store


class Keeping:
    """The spaces of a bus's buckets."""

    def __init__(self, bus: EventBus, store: Store, first: int) -> None:
        self.log = store.log
        self.facts = store.texts("s3")
        self.states = store.texts("s3_buckets")
        self.objects = store.texts("s3_objects")
        self.uploads = store.texts("s3_uploads")
        self.parts = store.texts("s3_parts")
        self.files = store.texts("s3_files")
        self.destinations = store.texts("s3_destinations")
        self.numbers = Numbers(self.facts, first=first)
        files = ObjectFiles.of(store)
        self.bodies = None if files is None else Bodies(bus, files, self.numbers.draw)
        self._bus = bus
        if files is not None and (orphans := files.sweep({name for name, _ in self.files.scan()})):
            bus.log.info("orphaned_objects_removed", directory=str(files.directory), count=len(orphans))

    def identity(self, drawn: list[Any]) -> list[Any]:
        """Owner, host and request key as records have shown them since the store was made."""
        row = self.facts.get("identity")
        if row is None:
            self.facts.put("identity", dumps(drawn))
            return drawn
        return list(loads(row))

    def warn(self, declared: Mapping[str, Any]) -> None:
        """Say of which buckets there are objects that nobody has declared."""
        for name in owners(self.objects):
            if name not in declared:
                mend = f'call s3.create_bucket("{name}")'
                self._bus.log.warning("objects_of_undeclared_bucket", bucket=name, mend=mend)


class KeptBucket:
    """One bucket in the store: changes its content, in memory and in the rows, in one step."""

    def __init__(self, keeping: Keeping, bucket: str, objects: ObjectStore, uploads: dict[str, Upload]) -> None:
        self._keeping = keeping
        self._bucket = bucket
        self._store = objects
        self._uploads = uploads
        self._objects = keeping.objects
        self.bodies = keeping.bodies
        self._is_closed = False

    def load(self) -> None:
        """Take up everything that the store has of this bucket."""
        for key, row in rows_of(self._objects, self._bucket):
            self._store.add(version_from(row, int(key.rpartition(SEPARATOR)[2], 16)))
        by_number = {}
        for key, row in rows_of(self._keeping.uploads, self._bucket):
            number = int(key.rpartition(SEPARATOR)[2], 16)
            upload = by_number[number] = upload_from(row, number)
            self._uploads[upload.upload_id] = upload
        for key, row in rows_of(self._keeping.parts, self._bucket):
            _, upload_number, part_number = key.split(SEPARATOR)
            by_number[int(upload_number, 16)].parts[int(part_number)] = part_from(row)

    # -- versioning, destinations -------------------------------------------------------------------------------------

    @property
    def versioning(self) -> str | None:
        """The state that was set at run time."""
        row = self._keeping.states.get(self._bucket + SEPARATOR)
        return None if row is None else row.decode()

    def set_versioning(self, status: str) -> None:
        """The state is set: configuration, which nobody waits for."""
        self._keeping.states.put(self._bucket + SEPARATOR, status.encode())

    def is_tested(self, arn: str) -> bool:
        """Whether this destination has had its test event."""
        return self._keeping.destinations.get(self._bucket + SEPARATOR + arn) is not None

    def tested(self, arn: str) -> None:
        """This destination has had its test event."""
        self._keeping.destinations.put(self._bucket + SEPARATOR + arn, b"")

    def forget_destinations(self, but: set[str]) -> None:
        """Only these destinations are left."""
        for key, _ in list(rows_of(self._keeping.destinations, self._bucket)):
            if key.partition(SEPARATOR)[2] not in but:
                self._keeping.destinations.delete(key)

    # -- bodies -------------------------------------------------------------------------------------------------------

    def is_large(self, size: int) -> bool:
        """Whether a body of this size goes to a file."""
        return size > INLINE and self.bodies is not None

    async def stage(self, data: bytes) -> Staged | None:
        """Write a large body ahead; None for one that its row will hold. Raises StoreUnavailable."""
        return await self.bodies.stage([data]) if self.bodies is not None and len(data) > INLINE else None

    def release(self, staged: Staged) -> None:
        """The step that a body was staged for is over."""
        if self.bodies is not None:
            self.bodies.release(staged)

    def placed(self, data: Body) -> Body:
        """A body where it belongs: a large one is written to a file now. Raises StoreUnavailable."""
        if self.bodies is None or isinstance(data, ObjectFile) or len(data) <= INLINE:
            return data
        return self.bodies.stage_now([data]).file

    # -- versions -----------------------------------------------------------------------------------------------------

    def add(self, version: Version) -> None:
        """Make this the current version."""
        row = version_row(version)
        replaced = self._store.add(version)
        self._objects.put(self._key(version), row, undo=partial(self._undo_add, version, replaced), is_new=True)
        self._name(version.body)
        if replaced is not None:
            self._drop(replaced)

    def remove(self, key: str, version_id: str) -> Version | None:
        """Take one version out for good."""
        removed = self._store.remove(key, version_id)
        if removed is not None:
            self._drop(removed, partial(self._put_back, removed))
        return removed

    def changed(self, version: Version, undo: Callable[[], None]) -> None:
        """Tags or ACL of a version have changed."""
        self._objects.put(self._key(version), version_row(version), undo=undo)

    def _drop(self, version: Version, undo: Callable[[], None] = nothing) -> None:
        self._objects.delete(self._key(version), undo=undo)
        self._unname(version.body, nothing)

    def _undo_add(self, version: Version, replaced: Version | None) -> None:
        self._store.remove(version.key, version.version_id)
        if replaced is not None:
            self._put_back(replaced)
        self._never_written(version.body)

    def _put_back(self, version: Version) -> None:
        if self._is_closed:  # gone after all, with the bucket
            with self._keeping.log.facts():
                self._drop(version)
        else:
            self._store.put_back(version)

    def _key(self, version: Version) -> str:
        return number_key(self._bucket, version.number)

    # -- uploads ------------------------------------------------------------------------------------------------------

    def begin(self, upload: Upload) -> None:
        """An upload begins."""
        upload.number = self._keeping.numbers.draw()
        row = upload_row(upload)
        self._uploads[upload.upload_id] = upload
        key = number_key(self._bucket, upload.number)
        self._keeping.uploads.put(key, row, undo=partial(self._undo_begin, upload), is_new=True)

    def add_part(self, upload: Upload, number: int, part: Part) -> None:
        """A part has come, perhaps in the place of another."""
        replaced = upload.parts.get(number)
        upload.parts[number] = part
        undo = partial(self._undo_part, upload, number, part, replaced)
        self._keeping.parts.put(self._part_key(upload, number), part_row(part), undo=undo)
        self._name(part.body)
        if replaced is not None:
            self._unname(replaced.body, nothing)

    def end(self, upload: Upload) -> None:
        """An upload is completed or aborted."""
        del self._uploads[upload.upload_id]
        undo = partial(self._put_upload_back, upload)
        self._keeping.uploads.delete(number_key(self._bucket, upload.number), undo=undo)
        for number, part in upload.parts.items():
            self._keeping.parts.delete(self._part_key(upload, number), undo=nothing)
            self._unname(part.body, nothing)

    def _undo_begin(self, upload: Upload) -> None:
        self._uploads.pop(upload.upload_id, None)

    def _undo_part(self, upload: Upload, number: int, part: Part, replaced: Part | None) -> None:
        if replaced is None:
            upload.parts.pop(number, None)
        else:
            upload.parts[number] = replaced
        self._never_written(part.body)

    def _put_upload_back(self, upload: Upload) -> None:
        self._uploads[upload.upload_id] = upload
        if self._is_closed:
            with self._keeping.log.facts():
                self.end(upload)

    def _part_key(self, upload: Upload, number: int) -> str:
        return f"{number_key(self._bucket, upload.number)}{SEPARATOR}{number:05d}"

    # -- files, and the end -------------------------------------------------------------------------------------------

    def _name(self, body: Body) -> None:
        if isinstance(body, ObjectFile):
            self._keeping.files.put(body.name, b"", undo=nothing)

    def _unname(self, body: Body, undo: Callable[[], None]) -> None:
        if isinstance(body, ObjectFile) and self.bodies is not None:
            self._keeping.files.delete(body.name, undo=undo)
            self._keeping.log.when_safe(partial(self.bodies.remove, body.name))

    def _never_written(self, body: Body) -> None:
        if isinstance(body, ObjectFile) and self.bodies is not None:
            self.bodies.remove_now(body.name)

    def close(self) -> None:
        """The bucket, which has no objects any more, is deleted, and what is left with it: a fact."""
        self._is_closed = True
        with self._keeping.log.facts():
            for upload in list(self._uploads.values()):
                self.end(upload)
            self._keeping.states.delete(self._bucket + SEPARATOR)
            self.forget_destinations(set())
