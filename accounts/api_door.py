"""The door of the API: who asks, by token or by the session of the pages, what they may ask for, and how it is told."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, cast

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from accounts import api_rate, tokens
from accounts.address import client_address
from accounts.api_errors import CHALLENGE
from accounts.areas import scope_of
from accounts.models import User
from accounts.scope import Scope
from accounts.second_factor import is_missing
from accounts.token_wish import SCOPES, allowed
from kit.cursor import Binding, CursorRefused
from kit.parameters import Parameters
from kit.problem import Problem

JSON, NDJSON = "application/json", "application/x-ndjson"
_LONGEST_TOKEN = 200
_PACK_LEAST = 1_000  # bytes; less is not worth packing


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `kind` is `token` or `session`; `scopes` and `scope` are what they may ask for, as it is now."""

    kind: str
    key: str  # the same for every request of one token or person
    name: str
    owner: User
    scopes: frozenset[str]
    scope: Scope
    expires: datetime | None = None
    networks: tuple[str, ...] = ()
    token_id: int | None = None


class ByToken(BaseAuthentication):
    """`Authorization: Bearer kbk_...`, or `token kbk_...` as some collectors write it."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        """Return the token's owner; None where no token is shown. A wrong one is a problem and nobody else is tried."""
        words = get_authorization_header(request).split()
        if not words:
            return None
        if len(words) != 2 or words[0].lower() not in (b"bearer", b"token") or len(words[1]) > _LONGEST_TOKEN:
            said = "The Authorization header holds no API token. Write it as: Authorization: Bearer kbk_..."
            raise Problem("token-refused", said, CHALLENGE, reason="malformed")
        try:
            found = tokens.find(words[1].decode("latin-1"), client_address(request._request))
        except tokens.Refused as refused:
            raise Problem("token-refused", str(refused), CHALLENGE, reason=refused.kind) from None
        key = f"token {found.token_id}"
        return found.owner, Caller(
            "token",
            key,
            found.name,
            found.owner,
            found.scopes,
            found.scope,
            found.expires,
            found.networks,
            found.token_id,
        )

    def authenticate_header(self, request: Request) -> str:
        """Return how to come in."""
        return CHALLENGE["WWW-Authenticate"]


class BySession(BaseAuthentication):
    """The session of the pages, so that an address of the API opens in the browser; it may only read.

    No other site can read the answer (no CORS, `Cross-Origin-Resource-Policy: same-origin`), and nothing is changed
    by GET, so no CSRF token is asked for.
    """

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        """Return who is signed in; None where nobody is, or where something is to be changed."""
        user = getattr(request._request, "user", None)
        if request.method not in ("GET", "HEAD") or not isinstance(user, User) or not user.is_active:
            return None
        if is_missing(request._request):
            said = "Your role needs a second factor before anything is shown. Set it up at /account/second-factor/."
            raise Problem("second-factor-missing", said)
        scopes = allowed(user, SCOPES)
        return user, Caller("session", f"person {user.pk}", user.username, user, scopes, scope_of(user))


class HasScope(BasePermission):
    """Whether the caller has the scope that the view names; a view without one is for everybody who has come in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return True, False where nobody has come in; raise a problem that names the scope that is missing."""
        caller = request.auth
        if not isinstance(caller, Caller):
            return False
        wanted = view.scope_of(str(request.method)) if isinstance(view, Door) else ""
        if wanted and wanted not in caller.scopes:
            raise _without(wanted, caller)
        if not caller.scope.everything and not getattr(view, "limits", False):
            said = "This shows everything or nothing, and this token has areas. Use one without areas."
            raise Problem("forbidden", said)
        return True


def _without(scope: str, caller: Caller) -> Problem:
    has = ", ".join(sorted(caller.scopes)) or "none"
    if caller.kind == "session":
        return Problem("forbidden", f"Your role does not cover {scope}. An administrator can change it.", scope=scope)
    said = f"This needs the scope {scope}; the token {caller.name} has {has}. Make one that has it at /account/."
    return Problem("scope-missing", said, scope=scope)


class PerCaller(BaseThrottle):
    """Lets a caller ask so many times a minute as `KEYBOOK_API_PER_MINUTE` says."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request; one too many is a problem that says when to come again."""
        rate = api_rate.count(request.auth.key) if isinstance(request.auth, Caller) else None
        if rate is not None and isinstance(view, Door):
            view.told_too = rate.headers()
        if rate is not None and rate.over:
            said = f"{rate.limit} requests a minute are the most for one token. Ask again in {rate.wait} s."
            raise Problem("too-many-requests", said, {"Retry-After": str(rate.wait)})
        return True


class _Json(BaseRenderer):
    media_type, format, charset = JSON, "json", None


class _Lines(BaseRenderer):
    media_type, format, charset = NDJSON, "ndjson", None


class Door(APIView):
    """A view of the API: `scope` is what a caller needs, `parameters` are the names that it takes."""

    authentication_classes = [ByToken, BySession]
    permission_classes = [HasScope]
    throttle_classes: list[type[BaseThrottle]] = [PerCaller]
    renderer_classes = [_Json, _Lines]
    parser_classes: list[Any] = []
    metadata_class = None
    http_method_names = ["get", "head", "post"]
    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD")
    scope: ClassVar[str] = ""
    post_scope: ClassVar[str] = ""  # what a POST needs; it is done by token alone, never by a session
    told_too: Mapping[str, str] = {}  # headers of every answer, the errors too
    limits: ClassVar[bool] = False  # whether it shows somebody with a limited view no more than that
    parameters: ClassVar[tuple[str, ...]] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what this address doesn't take, before anybody is asked who they are."""
        if request.method not in self.methods:
            raise _not_taken(request, self.methods)
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add how much is left of the minute."""
        for name, value in self.told_too.items():
            response.headers[name] = value
        return super().finalize_response(request, response, *args, **kwargs)

    def scope_of(self, method: str) -> str:
        """Return the scope that a method needs."""
        return self.post_scope if method == "POST" else self.scope

    def asked(self, request: Request) -> Parameters:
        """Return what stands behind the `?`."""
        return Parameters(dict(request.query_params.lists()), self.parameters)

    @property
    def caller(self) -> Caller:
        """Return who asks; only where `HasScope` has let them in."""
        return cast(Caller, self.request.auth)

    @property
    def wants_lines(self) -> bool:
        """Return whether NDJSON is asked for."""
        return bool(self.request.accepted_renderer.media_type == NDJSON)

    def binding(self, kind: str, question: str = "") -> Binding:
        """Return what a cursor of this caller, this list and this question is bound to."""
        key = salted_hmac("keybook.api.cursor", "", algorithm="sha256").digest()
        return Binding(key, kind, question, repr(self.caller.scope.groups))

    def page(self, items: Iterable[str], told: Mapping[str, object], next_cursor: str | None) -> HttpResponse:
        """Return a page of items, each a JSON text: one document, or one item a line; the next page is linked."""
        headers = {"Link": f'<{self._with_cursor(next_cursor)}>; rel="next"'} if next_cursor else {}
        if self.wants_lines:
            body = "".join(f"{item}\n" for item in items)
            return self.told(body.encode(), NDJSON, {**headers, **_as_headers(told)})
        facts = msgspec.json.encode(told).decode()[1:]
        return self.told(f'{{"items":[{",".join(items)}],{facts}'.encode(), JSON, headers)

    def document(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """Return one JSON document."""
        response = self.told(msgspec.json.encode(value), JSON, headers or {})
        response.status_code = status
        return response

    def told(self, body: bytes, content_type: str, headers: Mapping[str, str]) -> HttpResponse:
        """Return a body, packed if the caller can unpack it and came by token (a packed secret can be guessed at)."""
        response = HttpResponse(content_type=content_type, headers=dict(headers))
        packs = _takes_gzip(self.request.headers.get("Accept-Encoding", "")) and self.caller.kind == "token"
        if packs and len(body) >= _PACK_LEAST:
            body = _pack(body)
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept, Accept-Encoding, Authorization, Cookie"
        response.content = body
        return response

    def _with_cursor(self, cursor: str) -> str:
        query = self.request.query_params.copy()
        query["cursor"] = cursor
        return str(self.request.build_absolute_uri(f"{self.request.path}?{query.urlencode()}"))


def _as_headers(told: Mapping[str, object]) -> dict[str, str]:
    """Return facts about a page as headers: `Keybook-Next-Cursor` and so on; those that are None are left out."""
    named = {f"Keybook-{name.replace('_', '-').title()}": value for name, value in told.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in named.items()}


def _takes_gzip(accepted: str) -> bool:
    """Return whether an `Accept-Encoding` names gzip, and not with a weight of nothing, which refuses it."""
    named = dict(one.replace(" ", "").lower().partition(";")[::2] for one in accepted.split(","))
    return "gzip" in named and not _NO_WEIGHT.fullmatch(named["gzip"])


_NO_WEIGHT = re.compile(r"q=0(\.0*)?")


def _pack(body: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(body) + packer.flush()


def _not_taken(request: Request, methods: tuple[str, ...]) -> Exception:
    if "POST" not in methods:
        return MethodNotAllowed(str(request.method))
    said = f"{request.method} can't be done at {request.path[:200]}. It takes {' and '.join(methods)}."
    return Problem("method-not-allowed", said, {"Allow": ", ".join(methods)})


def place_of(binding: Binding, text: str) -> tuple[int, int]:
    """Return the place that a cursor names; a wrong one is a problem that says what is wrong with it."""
    try:
        return binding.unpack(text)
    except CursorRefused as refused:
        raise Problem(*_REFUSED[refused.why], parameter="cursor") from None


_REFUSED = {
    "malformed": ("cursor-malformed", "The cursor is not one that Keybook made. Take next_cursor as it stood, whole."),
    "foreign": (
        "cursor-foreign",
        "The cursor was not signed by this Keybook, or by its key of now. Begin anew without a cursor; ids tell what "
        "you have already.",
    ),
    "list": ("cursor-of-another-list", "The cursor is of another list. Take one that this address gave."),
    "query": (
        "cursor-of-another-query",
        "The cursor was made for other parameters. Send those with it, or begin anew without it.",
    ),
    "scope": (
        "cursor-of-another-scope",
        "The cursor was made when its owner saw more, or less, than this token does now. Begin anew without it.",
    ),
}


def is_api(request: HttpRequest) -> bool:
    """Return whether a request is one to the API, which answers errors in its own form."""
    return request.path.startswith("/api/")
