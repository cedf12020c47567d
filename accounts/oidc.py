"""Sign-in by OpenID Connect: who somebody is by issuer and subject, and what their groups let them be.

The flow is allauth's (authorization code with PKCE and state). On top of it: the id token's signature, issuer, audience
and nonce are always verified (OpenID Connect Core 1.0, 3.1.3.7), a group on the list decides the role, and an e-mail
address never makes anybody the same person.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import jwt
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from requests import RequestException

from accounts.adapters import safe
from accounts.may import RANK
from accounts.models import User
from accounts.not_done import NotDone
from accounts.people import LONGEST_NAME, change_role, create
from accounts.trail import Subject, record

Claims = Mapping[str, Any]

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LEEWAY = 60  # seconds that the issuer's clock may differ from ours
TIMEOUT = 10  # seconds for each answer of the issuer
NOTE = "sign_in_note"  # the session's place for the sentence that the sign-in page shows next
ACTOR = "single sign-on"
MOST_GROUPS = 500  # of one person, that are kept


def role_for(groups: list[str], words: str) -> str | None:
    """Return the highest role that the list `words` (`group=role,...`) gives to these groups, or None."""
    pairs = (part.strip().rpartition("=") for part in words.split(",") if part.strip())
    fitting = [role for group, _, role in pairs if group in groups]
    return max(fitting, key=lambda role: RANK[role], default=None)


def in_domains(claims: Claims, words: str) -> bool:
    """Return whether the domains in `words` let this person in: any without a list, else by a verified address."""
    domains = {word.strip().lower() for word in words.split(",") if word.strip()}
    _, at, domain = str(claims.get("email", "")).rpartition("@")
    return not domains or bool(at and claims.get("email_verified") is True and domain.lower() in domains)


def groups_of(claims: Claims, name: str) -> list[str]:
    """Return the groups that the claim `name` lists; a single text counts as one group, anything else as none."""
    value = claims.get(name)
    found = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [group for group in found if isinstance(group, str)]


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """One sign-in by the configured issuer."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return the discovery document; one that names another issuer, or lacks an address, raises `OAuth2Error`."""
        document: dict[str, Any] = super().openid_config
        if document.get("issuer") != settings.KEYBOOK.oidc_issuer:
            raise OAuth2Error("The issuer calls itself by another name than KEYBOOK_OIDC_ISSUER.")
        if lacking := {"authorization_endpoint", "token_endpoint", "jwks_uri"} - set(document):
            raise OAuth2Error(f"The issuer's discovery document lacks {', '.join(sorted(lacking))}.")
        return document

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """Return the address to come back to; it is registered at the issuer."""
        path = reverse("oidc-back")
        return f"{settings.KEYBOOK.url}{path}" if settings.KEYBOOK.url else request.build_absolute_uri(path)

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> SocialLogin:
        """Return who signed in, by the verified id token; claims that only the issuer's userinfo has are added."""
        claims = self._verified(app.client_id, kwargs["response"].get("id_token") or "")
        if "userinfo_endpoint" in self.openid_config:
            more = self._fetch_user_info(token.token)
            if more.get("sub") != claims["sub"]:
                raise OAuth2Error("The userinfo is about somebody else than the id token.")
            claims = {**more, **claims}
        login = self.get_provider().sociallogin_from_response(request, {"id_token": claims})
        login.account.extra_data = {}
        login.email_addresses = []
        login.claims = claims
        return login

    def _verified(self, client_id: str, id_token: str) -> dict[str, Any]:
        """Return the id token's claims once signature, issuer, audience and times are verified."""
        try:
            keys = jwt.PyJWKClient(self.openid_config["jwks_uri"], timeout=TIMEOUT, cache_keys=False)
            claims: dict[str, Any] = jwt.decode(
                id_token,
                keys.get_signing_key_from_jwt(id_token).key,
                algorithms=ALGORITHMS,
                audience=client_id,
                issuer=settings.KEYBOOK.oidc_issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce"]},
            )
        except jwt.PyJWTError as wrong:
            raise OAuth2Error(f"The id token is not good: {type(wrong).__name__}.") from wrong
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != client_id:
            raise OAuth2Error("The id token was made for another client.")
        return claims


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """What becomes of somebody whom the issuer vouches for."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Let them in with the role of their groups, making them at the first time; or send them back to the door."""
        claims = sociallogin.claims
        if not secrets.compare_digest(str(claims["nonce"]), str(sociallogin.state.get("nonce", ""))):
            raise OAuth2Error("The id token was made for another sign-in.")
        role = role_for(groups_of(claims, settings.KEYBOOK.oidc_groups_claim), settings.KEYBOOK.oidc_roles)
        if role is None or not in_domains(claims, settings.KEYBOOK.oidc_domains):
            self._turn_away(request, "None of your groups may enter. Whoever runs Keybook decides which groups may.")
        try:
            user = _admit(request, sociallogin, str(role))
        except NotDone as why:
            self._turn_away(request, str(why))
        if not user.is_active:
            self._turn_away(request, "You may not enter any more. An administrator can change that.")

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Nobody is made on allauth's own way: `pre_social_login` has done it or has refused."""
        return False

    def on_authentication_error(self, request: HttpRequest, provider: Any, *args: Any, **kwargs: Any) -> None:
        """Send back to the door; the reason is the issuer's or the network's, and stands in the trail."""
        exception = kwargs.get("exception")
        self._turn_away(
            request,
            "Single sign-on did not succeed; nothing was changed. Try again, or ask whoever runs Keybook.",
            why=str(exception)[:200] if isinstance(exception, OAuth2Error) else type(exception).__name__,
        )

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Mail nothing."""

    def _turn_away(self, request: HttpRequest, sentence: str, why: str = "") -> NoReturn:
        with transaction.atomic():
            subject = Subject("user", None, ACTOR)
            facts = {"factor": ACTOR, "why": why or sentence}
            record("nobody", "accounts.sign_in.refused", subject, details=facts, request=request)
        request.session[NOTE] = sentence
        raise ImmediateHttpResponse(redirect("sign-in"))


@transaction.atomic
def _admit(request: HttpRequest, sociallogin: SocialLogin, role: str) -> User:
    """Return the person of this issuer and subject, made if they are new, with `role`; raises `NotDone`."""
    user: User = sociallogin.user if sociallogin.is_existing else _make(sociallogin, role)
    _keep_groups(sociallogin, user)
    change_role(user, role, actor=ACTOR, request=request)
    return user


def _keep_groups(sociallogin: SocialLogin, user: User) -> None:
    """Keep which groups the issuer names, under the issuer's own name: approval policies may ask for one of them."""
    groups = groups_of(sociallogin.claims, settings.KEYBOOK.oidc_groups_claim)[:MOST_GROUPS]
    account = sociallogin.account
    account.extra_data = {"issuer": settings.KEYBOOK.oidc_issuer, "groups": groups}
    rows = SocialAccount.objects.filter(user=user, provider=account.provider, uid=account.uid)
    rows.update(extra_data=account.extra_data)


def _make(sociallogin: SocialLogin, role: str) -> User:
    """Make the person, under the name that the issuer prefers if nobody has it, and tie issuer and subject to them."""
    wanted = re.sub(r"[^\w.@+-]", "-", str(sociallogin.claims.get("preferred_username") or "person"))[
        : LONGEST_NAME - 9
    ]
    name = wanted
    while User.objects.filter(username=name).exists():
        name = f"{wanted}-{secrets.token_hex(4)}"
    user, _ = create(name, role, actor=ACTOR, link=False)
    account = sociallogin.account
    SocialAccount.objects.create(user=user, provider=account.provider, uid=account.uid)
    sociallogin.user, sociallogin.account.user = user, user
    return user


def is_configured() -> bool:
    """Return whether people can sign in by OpenID Connect."""
    return bool(settings.OIDC_PROVIDER)


def begin(request: HttpRequest, following: str | None) -> HttpResponse:
    """Send the browser to the issuer, with a nonce that its answer must carry; back to the door if it is away."""
    nonce = secrets.token_urlsafe(32)
    request.session.set_expiry(settings.ACCOUNT_LOGIN_TIMEOUT)
    provider = get_adapter().get_provider(request, provider=settings.OIDC_PROVIDER)
    provider.oauth2_adapter_class = Adapter
    onward = following if following and safe(request, following) else None
    try:
        answer: HttpResponse = provider.redirect(
            request, "login", next_url=onward, auth_params={"nonce": nonce}, nonce=nonce
        )
    except ImmediateHttpResponse as back:
        return cast(HttpResponse, back.response)
    except (OAuth2Error, RequestException) as wrong:
        return _back(request, get_adapter(), wrong)
    return answer


def _back(request: HttpRequest, adapter: SocialAdapter, wrong: Exception) -> HttpResponse:
    """Return the way back to the door after an error that came before the issuer was reached."""
    try:
        adapter.on_authentication_error(request, None, exception=wrong)
    except ImmediateHttpResponse as back:
        return cast(HttpResponse, back.response)
    return redirect("sign-in")


def finish(request: HttpRequest) -> HttpResponse:
    """Take the issuer's answer, and go on with signing in."""
    view = OAuth2CallbackView.adapter_view(Adapter(request, settings.OIDC_PROVIDER))
    answer: HttpResponse = view(request)
    return answer
