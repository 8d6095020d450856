"""An embeddable, asynchronous event bus that behaves like the event-driven side of AWS Lambda.

The engine is here; the services that make events (`S3`, `SNS`, `SQS`, …) are in `triggers`.
"""

from eventbus.answers import InvocationResult as InvocationResult
from eventbus.answers import Receipt as Receipt
from eventbus.answers import Statistics as Statistics
from eventbus.bus import EventBus as EventBus
from eventbus.clock import SystemClock as SystemClock
from eventbus.clock import VirtualClock as VirtualClock
from eventbus.delivery.dead_letters import DeadLetter as DeadLetter
from eventbus.delivery.retry import Reason as Reason
from eventbus.faults import Faults as Faults
from eventbus.functions.alias import Alias as Alias
from eventbus.functions.function import Function as Function
from eventbus.functions.version import Version as Version
