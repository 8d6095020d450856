"""The roles of one account, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from eventbus.errors import ConfigurationError, EntityAlreadyExists, InvalidParameterValue, NoSuchEntity
from eventbus.iam.roles import Role


class Roles(Mapping[str, Role]):
    """`bus.roles`: every role of the account, those that functions got with their declaration included."""

    def __init__(
        self,
        account_id: str,
        before_change: Callable[[], None] | None = None,
        authorize: Callable[[str, str, None, str], None] | None = None,
    ) -> None:
        self._account_id = account_id
        self._before_change = before_change
        self._authorize = authorize
        self._roles: dict[str, Role] = {}

    def __repr__(self) -> str:
        return f"<Roles: {', '.join(self._roles) or 'none'}>"

    def __getitem__(self, name: str) -> Role:
        try:
            return self._roles[name]
        except KeyError:
            raise NoSuchEntity(f"The role with name {name} cannot be found.") from None

    def __contains__(self, name: object) -> bool:
        return name in self._roles

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._roles))

    def __len__(self) -> int:
        return len(self._roles)

    def create(self, name: str, *, trust_policy: str | Mapping[str, Any] | None = None) -> Role:
        """Make a role that may do nothing yet: CreateRole.

        `trust_policy` says who may assume it, by default Lambda. Raises EntityAlreadyExists, ConfigurationError for a
        name that cannot be, MalformedPolicy.
        """
        self._check("iam:CreateRole", name)
        if name in self._roles:
            raise EntityAlreadyExists(f"Role with name {name} already exists.")
        return self._adopted(Role(name, self._account_id, trust_policy=trust_policy))

    def basic(self, name: str) -> Role:
        """The role that a function gets when none is named: Lambda may assume it, and it may write logs."""
        role = self._roles.get(name)
        self._check("iam:CreateRole" if role is None else "iam:PassRole", name)
        return self._adopted(Role.basic(name, self._account_id)) if role is None else role

    def delete(self, name: str) -> None:
        """Remove a role from the account: DeleteRole. Raises NoSuchEntity."""
        self._check("iam:DeleteRole", name)
        del self._roles[self[name].name]

    def of(self, role: object) -> Role:
        """The role that an object, a name or an ARN stands for. Raises InvalidParameterValue if there is none."""
        if isinstance(role, Role):
            if role.name not in self._roles:
                self._check("iam:CreateRole", role.name)
                if role.policies:
                    self._check("iam:PutRolePolicy", role.name)
            return self._adopted(role)
        if not isinstance(role, str):
            raise ConfigurationError(f"role={role!r}: a role, its name or its ARN is needed")
        known = self._roles.get(role.rpartition("/")[2] if role.startswith("arn:") else role)
        if known is None or (role.startswith("arn:") and known.arn != role):
            raise InvalidParameterValue(
                "The role defined for the function cannot be assumed by Lambda.",
                mend=f"{role} does not exist; call bus.roles.create(...) first",
            )
        return known

    def _adopted(self, role: Role) -> Role:
        """A role that was made by hand belongs to the account from now on."""
        known = self._roles.setdefault(role.name, role)
        if known is not role:
            raise ConfigurationError(f"another role of the name {role.name} exists; give this one a name of its own")
        role.before_change = self._before_change
        role.guard = self._guard
        return role

    def passed(self, role: object) -> Role:
        """The same, given to a service: whoever does that needs the permission to pass it, `iam:PassRole`."""
        arn = role.arn if isinstance(role, Role) else str(role)
        if self._authorize is not None:
            arn = arn if arn.startswith("arn:") else f"arn:aws:iam::{self._account_id}:role/{arn}"
            self._authorize("iam:PassRole", arn, None, f'"{arn}"')
        return self.of(role)

    def _guard(self, action: str, role: Role) -> None:
        self._check(action, role.name)

    def _check(self, action: str, name: str) -> None:
        """Refuse a handler whose role may not."""
        if self._authorize is not None:
            self._authorize(action, f"arn:aws:iam::{self._account_id}:role/{name}", None, f'bus.roles["{name}"]')
