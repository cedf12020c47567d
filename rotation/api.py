"""Changes through the API: ask for one, read it, and approve, reject, cancel or resume it, by token alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api_door import JSON, Door, place_of
from accounts.token_wish import BREAK_GLASS
from kit.problem import Problem
from rotation import actions, api_told, approving, asking, asking_people, handing, lifecycle, queries, targets
from rotation.actions import LONGEST_KEY, Asked, KeyUsed
from rotation.approving import Given, NotApproved
from rotation.asking import Want
from rotation.ballot import Channel
from rotation.lifecycle import Forbidden
from rotation.models import Change
from rotation.moves import LostRace
from rotation.planning import Refused

MOST, USUAL = 1_000, 100
LARGEST_BODY = 256 * 1024  # bytes


class AskBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for; `vault`, `namespace` and `cluster` where the name alone fits several."""

    target: str
    reason: str
    args: dict[str, Any] = {}
    evidence: str = ""
    vault: str = ""
    namespace: str = ""
    cluster: str = ""
    break_glass: bool = False


class VerdictBody(msgspec.Struct, forbid_unknown_fields=True):
    """The plan that was looked at, and a note that is kept with the word."""

    plan_hash: str
    note: str = ""


class TokenBody(msgspec.Struct, forbid_unknown_fields=True):
    """The wrapping token that `sys/wrapping/wrap` gave; it is sealed for the executor before it is kept."""

    token: str


class AnswerBody(msgspec.Struct, forbid_unknown_fields=True):
    """The word that is given to the step that asks, the plan that was looked at, and a note."""

    word: Literal["go_on", "stop"]
    plan_hash: str
    note: str = ""


class ReviewBody(msgspec.Struct, forbid_unknown_fields=True):
    """What was found when a broken glass was looked into."""

    note: str


class NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing more is to say."""


class PauseBody(msgspec.Struct, forbid_unknown_fields=True):
    """The number of the step before which the change is to wait."""

    before: int


_Body = TypeVar("_Body", bound=msgspec.Struct)


class Changes(Door):
    """Changes that were asked for, in the order of asking; the list ends, and what comes later stands at its end."""

    scope, post_scope, limits = "changes:read", "changes:ask", True
    methods = ("GET", "HEAD", "POST")
    parameters: ClassVar[tuple[str, ...]] = ("cursor", "limit", "state", "target", "subject")
    post_says = "Ask for a change; the same Idempotency-Key with the same body gives the change that was asked before."
    body: ClassVar[type[Any]] = AskBody

    def get(self, request: Request) -> HttpResponse:
        """Give the next page."""
        given = self.asked(request)
        limit = given.limit(USUAL, MOST)
        wish = {
            "state": given.choice("state", ["", *lifecycle.STATES]),
            "target": given.text("target"),
            "subject": given.text("subject"),
        }
        binding = self.binding("c", repr(wish))
        after = place_of(binding, given.text("cursor"))[0] if "cursor" in given else 0
        found = queries.listed(self.caller.scope, **wish).filter(pk__gt=after).defer("plan", "found").order_by("pk")
        rows = list(found[: limit + 1])
        cursor = binding.pack(rows[limit - 1].pk) if len(rows) > limit else None
        items = [msgspec.json.encode(api_told.summary(one)).decode() for one in rows[:limit]]
        more: dict[str, object] = {"next_cursor": cursor} if cursor else {}
        return self.page(items, {**more, "has_more": cursor is not None}, cursor)

    def post(self, request: Request) -> HttpResponse:
        """Ask for a change: 201 with its plan, the same again for the same key and body."""
        body = read_body(request, AskBody)
        told = {name: value for name, value in msgspec.to_builtins(body).items() if name != "break_glass" or value}
        asked = Asked(
            by="api", token_id=self.caller.token_id, key=_key(request), body=told,
            evidence=body.evidence, request=request._request,
        )  # fmt: skip
        want = Want(body.target, body.args, body.vault, body.namespace, body.cluster)
        asks = self._breaker() if body.break_glass else asking.ask
        with as_problems():
            again = asking.asked_before(self.caller.owner, asked) is not None
            change = asks(self.caller.owner, want, body.reason, asked, self.caller.scope)
        headers = {"Location": f"/api/v1/changes/{change.name}"} | ({"Idempotency-Replayed": "true"} if again else {})
        return self.document(whole(self, change.pk), 201, headers)

    def _breaker(self) -> Callable[..., Change]:
        """Return what asks without a second person; a token needs a scope of its own for that."""
        if BREAK_GLASS not in self.caller.scopes:
            said = f"Breaking the glass needs the scope {BREAK_GLASS}, which `manage.py create_token` alone gives."
            raise Problem("scope-missing", said, scope=BREAK_GLASS)
        return asking.break_glass


class OneChange(Door):
    """One change: its plan, who asked and decided, each attempt of each step, and the lines of proof."""

    scope, limits = "changes:read", True

    def get(self, request: Request, change_id: int) -> HttpResponse:
        """Give it; one that may not be seen is as if it were not."""
        self.asked(request)
        return self.document(whole(self, change_id))


class _Verb(Door):
    """Something that people do to a change."""

    limits, methods = True, ("POST",)
    body: ClassVar[type[Any]] = NoBody

    def do(self, request: Request, change: Change) -> None:
        """Do it."""
        raise NotImplementedError

    def post(self, request: Request, change_id: int) -> HttpResponse:
        """Do it and give the change as it stands then."""
        change = _seen(self, change_id)
        with as_problems(change):
            self.do(request, change)
        return self.document(whole(self, change_id))


class _Verdict(_Verb):
    """A yes or a no to the plan that was looked at."""

    post_scope, body = "changes:approve", VerdictBody

    def give(self, request: Request, change: Change, decide: Callable[..., Change], word: str) -> None:
        """Keep the word of the token's owner, once: that it came by token is kept with it."""
        body, owner = read_body(request, VerdictBody), self.caller.owner
        if queries.word_of(change, owner, body.plan_hash) == word:
            return  # asked again: it is what was said
        given = Given(Channel.API, request=request._request, token_id=self.caller.token_id)
        decide(change, owner, body.plan_hash, given, body.note)


class Approve(_Verdict):
    """Approve the plan whose hash is given; with enough approvals it starts at once."""

    def do(self, request: Request, change: Change) -> None:
        """Say yes."""
        self.give(request, change, approving.approve, "approve")


class Reject(_Verdict):
    """Reject the plan whose hash is given; one rejection is enough."""

    def do(self, request: Request, change: Change) -> None:
        """Say no."""
        self.give(request, change, approving.reject, "reject")


class Review(_Verb):
    """Close the review of a broken glass: somebody else than who broke it has looked at what was done."""

    post_scope, body = "changes:approve", ReviewBody

    def do(self, request: Request, change: Change) -> None:
        """Keep what was found."""
        body = read_body(request, ReviewBody)
        given = Given(Channel.API, request=request._request, token_id=self.caller.token_id)
        approving.review(change, self.caller.owner, given, body.note)


class Answer(_Verb):
    """Answer the step that asks a person: go on, or stop."""

    post_scope, body = "changes:ask", AnswerBody

    def do(self, request: Request, change: Change) -> None:
        """Keep the answer."""
        body = read_body(request, AnswerBody)
        given = Given(Channel.API, request=request._request, token_id=self.caller.token_id)
        asking_people.give(change, self.caller.owner, body.word, body.plan_hash, given, body.note)


class Cancel(_Verb):
    """Cancel a change; one that runs is cancelled before its next step, and what was done stays done."""

    post_scope = "changes:ask"

    def do(self, request: Request, change: Change) -> None:
        """Cancel it, if it was asked for by the token's owner or that person may approve."""
        read_body(request, NoBody)
        if change.state == lifecycle.CANCELLED or change.cancel_wanted:
            return  # asked again: it is what was wanted
        asking.may_cancel(change, self.caller.owner)
        actions.cancel(change, self.caller.owner, http=request._request)


class Pause(_Verb):
    """Have an approved or running change wait before a step that has not begun; resume lets it go on."""

    post_scope, body = "changes:ask", PauseBody

    def do(self, request: Request, change: Change) -> None:
        """Pause it."""
        body = read_body(request, PauseBody)
        if change.pause_before == body.before and change.state in lifecycle.WORK:
            return  # asked again: it is what was wanted
        actions.pause(change, self.caller.owner, body.before, http=request._request)


class Resume(_Verb):
    """Let a change that stopped go on at the step where it stopped, or one that was paused where it waits."""

    post_scope = "changes:ask"

    def do(self, request: Request, change: Change) -> None:
        """Resume it."""
        read_body(request, NoBody)
        actions.resume(change, self.caller.owner, http=request._request)


class HandOver(_Verb):
    """Hand over the wrapping token of a rotation in the way wrapped; a later one takes the place of an earlier."""

    post_scope, body = "changes:ask", TokenBody

    def do(self, request: Request, change: Change) -> None:
        """Take it, if the token's owner asked for the change."""
        body = read_body(request, TokenBody)
        handing.hand_over(change, self.caller.owner, body.token, http=request._request)


def _seen(door: Door, change_id: int) -> Change:
    change = queries.seen(door.caller.scope).filter(pk=change_id).first()
    if change is None:
        raise Problem("not-found", f"There is no change C-{change_id}. /api/v1/changes lists them.")
    return change


def whole(door: Door, change_id: int) -> dict[str, Any]:
    """Return a change with the verbs that the caller may do next; one that may not be seen is a problem."""
    try:
        told = queries.one(change_id, door.caller.scope)
    except Change.DoesNotExist:
        raise Problem("not-found", f"There is no change C-{change_id}. /api/v1/changes lists them.") from None
    scopes = door.caller.scopes
    verbs = queries.possible(
        told.change, door.caller.owner, approves="changes:approve" in scopes, asks="changes:ask" in scopes
    )
    return api_told.whole(told, verbs)


def _key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        said = "Send an Idempotency-Key header, a new one for each change: asking again with it asks only once."
        raise Problem("key-missing", said)
    if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise Problem("bad-request", f"An Idempotency-Key has at most {LONGEST_KEY} printable ASCII characters.")
    return key


def read_body(request: Request, form: type[_Body]) -> _Body:
    """Return the body of a request. Raises `kit.problem.Problem`, which names the place of what is wrong in it."""
    raw = request._request.body
    if len(raw) > LARGEST_BODY:
        raise Problem("body-too-large", f"The body has {len(raw):,} bytes; {LARGEST_BODY:,} are the most.")
    kind = request._request.content_type or ""
    if raw and kind != JSON:
        raise Problem("media-type", f"The body is {kind[:60] or 'of no kind'}. Send {JSON}.")
    if b"\0" in raw or b"\\u0000" in raw:
        raise Problem("bad-body", "The body holds a NUL, which no text has. Leave it out.")
    try:
        return msgspec.json.decode(raw or b"{}", type=form)
    except msgspec.ValidationError as wrong:
        said, _, place = str(wrong).replace("`", "").partition(" - at $")
        field = place.strip(".")
        where = f"{field}: " if field else ""
        raise Problem("bad-body", f"{where}{said}. It takes {', '.join(form.__struct_fields__) or 'nothing'}.",
                      field=field) from None  # fmt: skip
    except RecursionError:
        raise Problem("bad-body", "The body is nested deeper than anything that is asked for.") from None
    except msgspec.DecodeError as wrong:
        raise Problem("bad-body", f"The body is no JSON: {str(wrong)[:120]}.") from None


@contextmanager
def as_problems(change: Change | None = None) -> Iterator[None]:
    """Tell what a verb refused as a problem with the facts that a caller needs."""
    try:
        yield
    except Refused as why:
        raise _refused(why) from None
    except KeyUsed as why:
        raise Problem("key-used", str(why)) from None
    except NotApproved as why:
        raise _undecided(why, change) from None
    except (Forbidden, LostRace) as why:
        raise _unmoved(why, change) from None


_REFUSED = {
    "unknown_target": "unknown-target", "bad_args": "bad-arguments", "not_there": "not-there",
    "not_enrolled": "not-enrolled",
}  # fmt: skip


def _refused(why: Refused) -> Problem:
    kind = _REFUSED.get(why.code, "not-possible")
    known = list(targets.names()) if kind == "unknown-target" else ""
    return Problem(kind, str(why), field=why.field, mend=why.mend, known=known)


def _undecided(why: NotApproved, change: Change | None) -> Problem:
    kind = _UNDECIDED.get(why.way, "not-allowed")
    if change is None:
        return Problem(kind, str(why), why=why.way)
    now = Change.objects.get(pk=change.pk)
    if kind == "forbidden-move":
        return Problem(kind, str(why), why=why.way, state=now.state, possible=list(lifecycle.verbs(now.state)))
    return Problem(kind, str(why), why=why.way, plan_hash=now.plan_hash if kind == "plan-changed" else "")


_UNDECIDED = {
    "plan_edited": "plan-changed", "unchecked": "not-checked", "not_ready": "not-possible", "expired": "expired",
    "over": "forbidden-move", "twice": "forbidden-move", "no_review": "forbidden-move", "note": "bad-arguments",
    "rotation": "not-possible", "restart": "not-possible", "empty": "not-possible", "reason": "bad-arguments",
    "run_ceiling": "not-possible", "hour_ceiling": "not-possible",
}  # fmt: skip


def _unmoved(why: Exception, change: Change | None) -> Problem:
    state = Change.objects.filter(pk=change.pk).values_list("state", flat=True).first() if change else ""
    kind = "moved-meanwhile" if isinstance(why, LostRace) else "forbidden-move"
    return Problem(kind, str(why), state=state or "", possible=list(lifecycle.verbs(state)) if state else [])
