"""SNS on one bus: its topics by name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from eventbus.errors import ConfigurationError, EventBusError
from triggers.looking_up import named
from triggers.sns import validation
from triggers.sns.errors import InvalidParameter, NotFound
from triggers.sns.keeping import Keeping, counted
from triggers.sns.settings import TopicSettings, with_delivery_policy
from triggers.sns.subscription import Subscription
from triggers.sns.topic import Topic

if TYPE_CHECKING:
    from eventbus.bus import EventBus


class SNS:
    """The topics of a bus; make it once.

    On a bus with a store what had not arrived survives: retries that wait, posts, the memory of FIFO topics, and which
    URLs have confirmed. Topics and subscriptions are declared again at start; deliveries are taken up when theirs is.

    `sns["uploads"]` looks a topic up (NotFound, a KeyError, if there is none); `in`, iteration over the topics and
    `len` work as for a mapping.

    - `allow_http`: the `"host:port"` places that http and https subscriptions may post to; by default none.
    - `filter_policies_per_topic`: AWS's quota is 200 and can be raised; by default it isn't enforced.
    """

    name = "sns"

    def __init__(
        self, bus: EventBus, *, allow_http: Collection[str] = (), filter_policies_per_topic: int | None = None
    ) -> None:
        if isinstance(allow_http, str):
            raise ConfigurationError(f'allow_http takes a collection of "host:port" texts: {{{allow_http!r}}}')
        self.bus = bus
        self.arn = f"arn:{bus.partition}:sns:{bus.region}:{bus.account_id}:*"
        self.allow_http = frozenset(allow_http)
        self.filter_policies_per_topic = filter_policies_per_topic
        self._topics: dict[str, Topic] = {}
        self._keeping: Keeping | None = None
        bus.claim("SNS", self)
        bus.when_started(self._take_up)

    def __repr__(self) -> str:
        return f"<SNS: {len(self._topics)} topics>"

    def __getitem__(self, name: str) -> Topic:
        try:
            return self._topics[name]
        except KeyError:
            raise named(NotFound("Topic"), "topic", name, self._topics) from None

    def __contains__(self, name: object) -> bool:
        return name in self._topics

    def __iter__(self) -> Iterator[Topic]:
        return iter(list(self._topics.values()))

    def __len__(self) -> int:
        return len(self._topics)

    def create_topic(
        self,
        name: str,
        fifo: bool = False,
        *,
        content_based_deduplication: bool = False,
        display_name: str = "",
        maximum_message_size: int = 262_144,
        throughput_scope: str = "Topic",
        signature_version: str = "1",
        delivery_policy: str | Mapping[str, Any] | None = None,
        policy: str | Mapping[str, Any] | None = None,
    ) -> Topic:
        """Make a topic: CreateTopic.

        The name of a FIFO topic ends in `.fifo`; a FIFO topic delivers to queues only. `maximum_message_size` is in
        bytes, 1,024 to 1,048,576. `throughput_scope` ("Topic" or "MessageGroup") is where deduplication ids are told
        apart. The same name with the same attributes gives the same topic. Raises InvalidParameter with AWS's text,
        with nothing changed.
        """
        arn = f"{self.arn.removesuffix('*')}{name}"
        self.bus.authorize("sns:CreateTopic", arn, None, f'"{arn}"')
        validation.check_name(name, is_fifo=fifo)
        if not fifo and (content_based_deduplication or throughput_scope != "Topic"):
            raise InvalidParameter(
                "Attributes Reason: ContentBasedDeduplication and FifoThroughputScope are for FIFO topics",
                mend="pass fifo=True and a name that ends in .fifo",
            )
        settings = TopicSettings(
            display_name=display_name,
            content_based_deduplication=content_based_deduplication,
            throughput_scope=throughput_scope,
            maximum_message_size=maximum_message_size,
            signature_version=signature_version,
        )
        settings = with_delivery_policy(settings, delivery_policy)
        if (known := self._topics.get(name)) is not None:
            if known.settings != settings:
                raise InvalidParameter("Attributes Reason: Topic already exists with different attributes")
            return known
        topic = Topic(self, name, is_fifo=fifo, settings=settings)
        if policy is not None:
            topic.access.set(policy)
        self.bus.register(topic)
        self._topics[name] = topic
        if self._keeping is not None:
            topic.keep(self._keeping)
        return topic

    def _take_up(self) -> None:
        """The bus is entered: load what its store has of the topics that are declared."""
        if self.bus.store is None:
            return
        self._keeping = Keeping(self.bus, self.bus.store)
        for topic in self._topics.values():
            topic.keep(self._keeping)
        self._keeping.warn()

    @property
    def waiting_deliveries(self) -> dict[tuple[str, str], int]:
        """Deliveries of earlier processes that wait in the store for their subscription, by topic and endpoint."""
        return {} if self._keeping is None else counted(self._keeping.waiting)

    def delete_topic(self, topic: Topic | str) -> None:
        """Delete a topic, given it, its name or its ARN, with its subscriptions; an unknown one is fine, as on AWS."""
        name = topic.name if isinstance(topic, Topic) else topic.rpartition(":")[2]
        doomed = self._topics.get(name)
        if doomed is None or (isinstance(topic, Topic) and doomed is not topic):
            if isinstance(topic, str):
                arn = f"{self.arn.removesuffix('*')}{name}"
                self.bus.authorize("sns:DeleteTopic", arn, None, f'"{arn}"')
            return
        doomed.may("sns:DeleteTopic")
        del self._topics[name]
        self.bus.unregister(doomed)
        doomed.close()

    def topic(self, arn: str) -> Topic:
        """Find a topic by its ARN. Raises InvalidParameter for what isn't one, NotFound for an unknown one."""
        validation.check_topic_arn(arn)
        found = self._topics.get(arn.rpartition(":")[2])
        if found is None or found.arn != arn:
            raise NotFound("Topic")
        return found

    def subscription(self, arn: str) -> Subscription:
        """Find a subscription by its ARN. Raises NotFound."""
        topic = self._topics.get(arn.rpartition(":")[0].rpartition(":")[2])
        if topic is None:
            raise NotFound("Subscription")
        return topic.subscription(arn)

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The subscriptions of all topics."""
        return tuple(subscription for topic in self._topics.values() for subscription in topic.subscriptions)

    def new_token(self) -> str:
        """A confirmation token, as long as AWS's."""
        return self.bus.ids.hex(256).lower()

    @property
    def is_running(self) -> bool:
        """Whether the bus is running, so that something can be posted."""
        try:
            self.bus.accepting("posting")
        except EventBusError:
            return False
        return True
