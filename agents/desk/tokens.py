"""Who may do what at the desk's HTTP API: bearer tokens (RFC 6750), kept as hashes alone."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from agents.settings import Role

ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Person:
    """name: empty where the desk asks for no tokens, and each record says who it is by."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


ANYBODY = Person("", "administer")


def new_token() -> tuple[str, str]:
    """A token and its hash."""
    token = secrets.token_urlsafe(32)
    return token, hashed(token)


def hashed(token: str) -> str:
    """A token is 256 random bits: a plain hash of it cannot be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


def person_of(header: str, people: Mapping[str, Person]) -> Person | None:
    """Whose token an Authorization header holds. people: by hash."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    given, found = hashed(token.strip()), None
    for known, person in people.items():  # all of them: how long it takes tells nothing
        if hmac.compare_digest(known, given):
            found = person
    return found
