"""Making, disabling and changing people: each verb is one transaction with its entry in the trail."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest

from accounts.entry import make_link
from accounts.may import RANK
from accounts.models import EntryLink, Role, User
from accounts.not_done import NotDone
from accounts.sessions import end_all
from accounts.tokens import revoke_all
from accounts.trail import person, record

LONGEST_NAME = 64
GUARDED = frozenset({Role.APPROVER, Role.ADMINISTRATOR})  # who may approve what others ask for


def _name(name: str) -> str:
    """Return the name if somebody can be called that; raises `NotDone`."""
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        raise NotDone(f"“{name[:40]}” is no name for a person. Use letters, digits and @ . + - _ only.") from None
    if len(name) > LONGEST_NAME:
        raise NotDone(f"The name has {len(name)} characters. Use at most {LONGEST_NAME}.")
    return name


def _role(role: str) -> Role:
    """Return the role of this name; raises `NotDone`, which lists them."""
    if role not in Role.values:
        raise NotDone(f"“{role[:40]}” is no role. The roles are {', '.join(Role.values)}.")
    return Role(role)


def find(name: str) -> User:
    """Return the person of this name; raises `NotDone`."""
    user = User.objects.filter(username=name.replace("\0", "")).first()
    if user is None:
        raise NotDone(f"Nobody is called “{name[:40]}”. `manage.py create_user` makes a person.")
    return user


def _guarded(role: str, actor: User | str) -> None:
    """Refuse to let one person give a role of power alone, once there are two who could do it together.

    Whoever runs Keybook's commands, and the groups of the single sign-on, give roles outside of it.
    """
    if role not in GUARDED or not isinstance(actor, User):
        return
    if User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).count() >= 2:
        raise NotDone(
            f"Nobody grants {role} alone: ask for a change “Grant a role”, which another administrator approves."
        )


@transaction.atomic
def create(
    name: str, role: str, *, actor: User | str, request: HttpRequest | None = None, link: bool = True
) -> tuple[User, str]:
    """Make a person and return them with the code of the link that asks for their password ("" without one)."""
    user = User(username=_name(name), role=_role(role))
    _guarded(user.role, actor)
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise NotDone(f"Somebody is called {name} already. Choose another name, or make a link for them.") from None
    record(actor, "accounts.user.created", person(user), details={"role": user.role}, request=request)
    return user, make_link(user, sets_password=True, actor=actor, request=request) if link else ""


def _not_the_last_administrator(user: User) -> None:
    """Refuse to take away the last administrator; the rows are locked, so that two at once can't both do it."""
    administrators = User.objects.select_for_update().filter(role=Role.ADMINISTRATOR, is_active=True)
    if {one.pk for one in administrators} == {user.pk}:
        raise NotDone(f"{user.username} is the last administrator. Make another one first.")


@transaction.atomic
def disable(user: User, *, actor: User | str, request: HttpRequest | None = None) -> None:
    """Shut somebody out: their sessions, links and API tokens end at once, for good; their past stays."""
    if actor == user:
        raise NotDone("You can't disable yourself. Another administrator can.")
    _not_the_last_administrator(user)
    user.is_active = False
    user.save(update_fields=["is_active"])
    EntryLink.objects.filter(user=user, used=None).delete()
    end_all(user)
    revoke_all(user, actor=actor, request=request)
    record(actor, "accounts.user.disabled", person(user), request=request)


@transaction.atomic
def enable(user: User, *, actor: User | str, request: HttpRequest | None = None) -> None:
    """Let somebody in again, with the role and the password that they had."""
    user.is_active = True
    user.save(update_fields=["is_active"])
    record(actor, "accounts.user.enabled", person(user), request=request)


@transaction.atomic
def change_role(user: User, role: str, *, actor: User | str, request: HttpRequest | None = None) -> None:
    """Give somebody another role; their sessions end at once, so that none goes on with the old rights.

    Their API tokens go on with what the new role allows (`accounts.tokens.allowed`), asked anew at every use.
    """
    new, before = _role(role), user.role
    if new == before:
        return
    if actor == user:
        raise NotDone("You can't change your own role. Another administrator can.")
    if RANK.get(new, 0) > RANK.get(before, -1):
        _guarded(new, actor)
    if before == Role.ADMINISTRATOR:
        _not_the_last_administrator(user)
    user.role = new
    user.save(update_fields=["role"])
    end_all(user)
    facts = {"before": before, "after": new.value}
    record(actor, "accounts.role.changed", person(user), details=facts, request=request)


@transaction.atomic
def grant(user_id: int, role: str, *, actor: User | str, by_change: str) -> None:
    """Give somebody a role by a change that another administrator approved; their sessions end at once.

    `actor` is whoever asked for it. Raises `NotDone` if they are gone or disabled.
    """
    new = _role(role)
    user = User.objects.only("username", "role").select_for_update().filter(pk=user_id, is_active=True).first()
    if user is None:
        raise NotDone(f"Nobody active has the number {user_id}. Nothing was granted.")
    if user.role == new:
        return
    User.objects.filter(pk=user_id).update(role=new, epoch=F("epoch") + 1)
    facts = {"before": user.role, "after": new.value, "change": by_change}
    record(actor, "accounts.role.changed", person(user), details=facts)


@transaction.atomic
def set_password(user: User, password: str, *, request: HttpRequest) -> None:
    """Give somebody the password they chose; raises `ValidationError`. Their other sessions and links end at once."""
    validate_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    EntryLink.objects.filter(user=user, used=None).delete()
    end_all(user, keep=request if request.user == user else None)
    record(user, "accounts.password.set", person(user), request=request)
