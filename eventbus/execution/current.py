"""Which invocation the running code is part of.

Set once by every environment, in its own task or thread, and inherited by the tasks and threads that a handler starts:
that is how a bucket knows whose role it acts for, how the trace knows the cause and the log knows the request. A task
that outlives its invocation belongs to the environment's next one, as a thawed background thread does on AWS.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventbus.delivery.targets import Source
    from eventbus.execution.environment import Environment

current_environment: ContextVar[Environment | None] = ContextVar("eventbus_environment", default=None)

acting_as: ContextVar[tuple[Environment | None, Source | None] | None] = ContextVar("eventbus_acting_as", default=None)
"""Who is calling, where a caller has shown other credentials than those of the code that runs: a session of a role, or
another account; None is the account's owner. Beside it the environment in which that was so: handlers that are started
meanwhile inherit this."""

counts_as_work: ContextVar[bool] = ContextVar("eventbus_counts_as_work", default=False)
"""Whether the bus waits for the running code before it is idle: handlers and background tasks, not the user's own."""
