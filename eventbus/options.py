"""What an EventBus may be made with: one clear refusal for everything else."""

from __future__ import annotations

import re

from eventbus.errors import ConfigurationError
from eventbus.iam.principals import Principal

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[1-9][0-9]?", re.ASCII)


def check_options(account_id: object, region: object, grace: object, idle_timeout: object, **whole: object) -> None:
    if not (isinstance(account_id, str) and len(account_id) == 12 and account_id.isascii() and account_id.isdigit()):
        raise ConfigurationError(f"account_id={account_id!r}: an AWS account id is twelve digits, as text")
    if not (isinstance(region, str) and _REGION.fullmatch(region)):
        raise ConfigurationError(f"region={region!r}: an AWS region reads like us-east-1")
    for name, value in whole.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigurationError(f"{name}={value!r}: a whole number from 1 is needed")
    if not isinstance(grace, int | float) or isinstance(grace, bool) or not grace >= 0:
        raise ConfigurationError(f"grace={grace!r}: seconds, 0 or more")
    is_number = isinstance(idle_timeout, int | float) and not isinstance(idle_timeout, bool) and idle_timeout > 0
    if idle_timeout is not None and not is_number:
        raise ConfigurationError(f"idle_timeout={idle_timeout!r}: seconds, more than 0, or None to keep environments")


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False: a text such as "no" would count as true."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name}={value!r}: True or False is needed")


def check_principal(name: str) -> None:
    """Refuse a sender that IAM cannot know at once, not when its event is judged."""
    try:
        Principal.parse(name)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error}; a trigger of your own takes a service's name that ends in .amazonaws.com"
        ) from None
