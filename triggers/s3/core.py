"""What all operations of a bucket stand on: its identity, its state, and how an event leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventbus.delivery.payload import encode
from eventbus.delivery.targets import Message, Source, Target
from eventbus.errors import AWSError, ResourceNotFound
from eventbus.execution.current import current_environment
from eventbus.iam.access import AccessPolicy
from triggers.s3.configuration import Configuration
from triggers.s3.errors import InvalidArgument, MethodNotAllowed, NoSuchBucket, NoSuchKey, NoSuchVersion
from triggers.s3.event_types import EventType
from triggers.s3.keeping import KeptBucket
from triggers.s3.objects import EMPTY_ETAG, NULL, ObjectStore, Version
from triggers.s3.records import SUBJECT, Notification, Origin
from triggers.s3.uploads import Upload

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.telemetry.trace import Action
    from triggers.s3.keeping import Keeping
    from triggers.s3.notifications import Rule
    from triggers.s3.service import S3

PRINCIPAL: Final = "s3.amazonaws.com"
_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
_NO_MATCH = "no notification matches this event and key"
_NOTHING_CONFIGURED = "the bucket has no notifications"


def _nobody(function_arn: str) -> bool:
    return False


class BucketCore:
    """Identity and state of one bucket."""

    kind = "bucket"
    principal = PRINCIPAL
    send_action = "s3:PutObject"
    is_fifo = False

    def __init__(self, service: S3, bus: EventBus, name: str, origin: Origin) -> None:
        self._service = service
        self._bus = bus
        self.name = name
        self.arn = origin.arn
        self.account_id = bus.account_id
        self.region = bus.region
        self.label = f's3["{name}"]'
        self.source = Source(PRINCIPAL, self.arn, bus.account_id, self.label)
        self.access = AccessPolicy(self.arn, self.arn + "/*")
        self.iam_resources = (self.arn, self.arn + "/*")
        """What `role.allow(action, bucket)` means: the bucket and its objects."""
        self.created_at = bus.clock.now()
        self._origin = origin
        self._object_arn = self.arn + "/"
        self._next_number = service.next_number
        self._store = ObjectStore()
        self._uploads: dict[str, Upload] = {}
        self._kept: KeptBucket | None = None
        """What the bus's store has of the bucket; None without a store, and before the bus is entered."""
        self._versioning: str | None = None
        self._configuration = Configuration()
        self._match = self._configuration.index.match
        self._is_deleted = False

    @property
    def versioning(self) -> str | None:
        """None (never switched on), "Enabled" or "Suspended"."""
        return self._versioning

    # -- the store ----------------------------------------------------------------------------------------------------

    def keep(self, keeping: Keeping) -> None:
        """Called by the service: take up what the store has of this bucket, and keep there what comes."""
        self._kept = KeptBucket(keeping, self.name, self._store, self._uploads)
        self._next_number = keeping.numbers.draw
        self._kept.load()
        if self._versioning is None:
            self._versioning = self._kept.versioning
        elif self._versioning != self._kept.versioning:
            self._kept.set_versioning(self._versioning)

    def _add(self, version: Version) -> None:
        """Make this the current version of its key."""
        if self._kept is None:
            self._store.add(version)
        else:
            self._kept.add(version)

    # -- who asks, and for what ---------------------------------------------------------------------------------------

    def _check(self, call: str, action: str, key: str | None = None) -> None:
        """Every operation begins here: the bus runs, the bucket exists, the caller may do this."""
        self._bus.accepting(call)
        self._allowed(action, key)

    def _allowed(self, action: str, key: str | None = None) -> None:
        if self._is_deleted:
            raise NoSuchBucket(self.name)
        # without a policy there is nothing to look at, and the owner's call costs next to nothing
        access = None if self.access.policy is None else self.access
        self._bus.authorize(action, self.arn if key is None else self._object_arn + key, access, self.label)

    def _new_version_id(self) -> str:
        """ "null" while versioning is off; else 32 characters."""
        return self._bus.ids.text(32, _ID_ALPHABET) if self._versioning == "Enabled" else NULL

    def _shown(self, version_id: str) -> str | None:
        """The version id as answers show it: None in a bucket that never had versioning."""
        return None if self._versioning is None else version_id

    def _find(self, method: str, key: str, version_id: str | None) -> Version:
        """The version that is meant. Raises NoSuchKey, NoSuchVersion, MethodNotAllowed (a marker), InvalidArgument."""
        if version_id is None:
            head = self._store.heads.get(key)
            if head is None or head.is_delete_marker:
                # who may not list the bucket doesn't learn whether the key exists
                self._allowed("s3:ListBucket")
                raise NoSuchKey(key, delete_marker=None if head is None else head.version_id)
            return head
        self._check_version_id(version_id)
        found = self._store.find(key, version_id)
        if found is None:
            raise NoSuchVersion(key, version_id)
        if found.is_delete_marker:
            raise MethodNotAllowed(method)
        return found

    def _check_version_id(self, version_id: str) -> None:
        if self._versioning is None and version_id != NULL:
            raise InvalidArgument("Invalid version id specified", "versionId", version_id)

    def reaches(self, function_arn: str) -> bool:
        """Whether what happens here may reach this function, by itself or through a topic or the event bus."""
        configuration = self._configuration
        through = [rule.arn for rule in configuration.rules if rule.kind == "Topic"]
        if configuration.has_event_bridge:
            through.append(self._service.event_bus_arn)
        if any(rule.arn == function_arn for rule in configuration.rules):
            return True
        return any(getattr(self._bus.find(arn), "reaches", _nobody)(function_arn) for arn in through)

    # -- how an event leaves ------------------------------------------------------------------------------------------

    def _announce(self, kind: EventType, version: Version, action: Action) -> None:
        """Send the event of an operation to the one destination that wants it; never raises to the caller."""
        key = version.key
        rule = self._match(kind.name, key)
        has_event_bridge = self._configuration.has_event_bridge
        if rule is None and not has_event_bridge:
            action.note = _NO_MATCH if self._configuration.rules else _NOTHING_CONFIGURED
            return
        environment = current_environment.get()
        notification = Notification(
            self._origin,
            kind,
            "" if rule is None else rule.id,
            self._next_number(),
            action.at,
            key,
            len(version.body),
            EMPTY_ETAG if version.is_delete_marker else version.etag,
            None if version.version_id == NULL else version.version_id,
            self._service.owner_principal if environment is None else self._service.principal_of(environment),
        )
        if rule is not None:
            if rule.kind == "CloudFunction":
                self._invoke(rule, notification, action)
            else:
                self._send(rule, notification, action)
        if has_event_bridge:
            self._send_to_event_bridge(notification, action)

    def _invoke(self, rule: Rule, notification: Notification, action: Action) -> None:
        try:
            target = self._bus.resource(rule.arn)
        except ResourceNotFound:
            self._dropped(rule.arn, action, "the function does not exist")
            return
        # the engine checks the permission when it dispatches
        self._bus.enqueue(target, notification, self.source, action)  # type: ignore[arg-type]

    def _send(self, rule: Rule, notification: Notification, action: Action) -> None:
        try:
            target = self._bus.resource(rule.arn)
        except ResourceNotFound:
            self._dropped(rule.arn, action, f"the {rule.kind.lower()} does not exist")
            return
        decision = self._bus.may_send(self.source, target)
        if not decision.is_allowed:
            # says so in the log, with the mending call
            self._dropped(rule.arn, action, self._bus.denied(self.source, target, decision), is_logged=True)
            return
        self._hand_over(target, notification.record(), action)

    def _send_to_event_bridge(self, notification: Notification, action: Action) -> None:
        arn = self._service.event_bus_arn
        try:
            target = self._bus.resource(arn)
        except ResourceNotFound:
            self._dropped(arn, action, "there is no default event bus")
            return
        # no permission is needed: EventBridge takes what AWS services send to the default bus
        self._hand_over(target, notification.event_bridge(self._bus.ids.uuid()), action)

    def _hand_over(self, target: Target, payload: dict[str, Any], action: Action) -> None:
        try:
            target.accept(Message(encode(payload), action, SUBJECT), self.source)
        except AWSError as error:
            self._dropped(target.arn, action, f"it refused the message: {error}")

    def _dropped(self, arn: str, action: Action, why: str, *, is_logged: bool = False) -> None:
        # as on AWS the writer doesn't hear of it; everybody else does
        before = f"{action.note}; " if action.note else ""
        action.note = f"{before}not delivered to {arn}: {why}"
        self._bus.count("NotificationsDropped", self.arn)
        if not is_logged:
            self._bus.log.warning("notification_dropped", bucket=self.name, destination=arn, reason=why)
