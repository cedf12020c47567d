"""Django's settings, read once from the environment through one typed object."""

from __future__ import annotations

import os
import re
import sys
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, NoReturn

from csp.constants import NONCE, NONE, SELF, STRICT_DYNAMIC
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kit.outward import networks
from rotation.witnessed import watched
from vault.doors import doors

BASE_DIR = Path(__file__).resolve().parent.parent
SECRETS = os.environ.get("KEYBOOK_SECRETS", "/run/secrets")  # the folder whose files are settings, named like them


class Environment(BaseSettings):
    """Every setting that an operator may give; `.env.example` lists the same names with one line of meaning each."""

    model_config = SettingsConfigDict(extra="ignore", secrets_dir=SECRETS if Path(SECRETS).is_dir() else None)

    database_url: str = "postgresql:///keybook"
    redis_url: str = ""
    secret_key: str = Field(default="", alias="KEYBOOK_SECRET_KEY")
    debug: bool = Field(default=False, alias="KEYBOOK_DEBUG")
    allowed_hosts: str = Field(default="127.0.0.1,localhost", alias="KEYBOOK_ALLOWED_HOSTS")
    log_roots: str = Field(default="/var/log/vault:/var/log/openbao", alias="KEYBOOK_LOG_ROOTS")
    max_line: int = Field(default=16 * 1024 * 1024, alias="KEYBOOK_MAX_LINE")
    retention_days: int = Field(default=400, alias="KEYBOOK_RETENTION_DAYS")
    secure_cookies: bool = Field(default=True, alias="KEYBOOK_SECURE_COOKIES")
    embedded: bool = Field(default=False, alias="KEYBOOK_EMBEDDED")
    trusted_proxies: str = ""
    url: str = Field(default="", alias="KEYBOOK_URL")
    api_per_minute: int = Field(default=600, ge=1, alias="KEYBOOK_API_PER_MINUTE")
    require_mfa: bool = Field(default=True, alias="KEYBOOK_REQUIRE_MFA")
    oidc_issuer: str = Field(default="", alias="KEYBOOK_OIDC_ISSUER")
    oidc_name: str = Field(default="single sign-on", alias="KEYBOOK_OIDC_NAME")
    oidc_client_id: str = Field(default="", alias="KEYBOOK_OIDC_CLIENT_ID")
    oidc_client_secret: str = Field(default="", alias="KEYBOOK_OIDC_CLIENT_SECRET")
    oidc_roles: str = Field(default="", alias="KEYBOOK_OIDC_ROLES")
    oidc_groups_claim: str = Field(default="groups", alias="KEYBOOK_OIDC_GROUPS_CLAIM")
    oidc_domains: str = Field(default="", alias="KEYBOOK_OIDC_DOMAINS")
    internal: str = Field(default="127.0.0.1:9001", alias="KEYBOOK_INTERNAL")
    pulse: str = Field(default="", alias="KEYBOOK_PULSE")
    receiver: str = Field(default="127.0.0.1:8090", alias="KEYBOOK_RECEIVER")
    # The receiver reads these two itself, without Django (receiver/settings.py).
    receiver_deadline_ms: int = Field(default=250, ge=1, le=60_000, alias="KEYBOOK_RECEIVER_DEADLINE_MS")
    receiver_body: int = Field(default=16 * 1024 * 1024, ge=1024, le=1024**3, alias="KEYBOOK_RECEIVER_BODY")
    anchor: str = Field(default="", alias="KEYBOOK_ANCHOR")
    vault_token_files: str = Field(default="", alias="KEYBOOK_VAULT_TOKEN_FILES")
    kubeconfig: str = Field(default="", alias="KEYBOOK_KUBECONFIG")
    executor: str = Field(default="", alias="KEYBOOK_EXECUTOR")
    restarter: str = Field(default="", alias="KEYBOOK_RESTARTER")
    may_generate: str = Field(default="", alias="KEYBOOK_MAY_GENERATE")
    playbooks: str = Field(default="", alias="KEYBOOK_PLAYBOOKS")
    witness: str = Field(default="", alias="KEYBOOK_WITNESS")
    seal: str = Field(default="", alias="KEYBOOK_SEAL")
    notice_key: str = Field(default="", alias="KEYBOOK_NOTICE_KEY")
    notice_inside: str = Field(default="", alias="KEYBOOK_NOTICE_INSIDE")
    notice_days: int = Field(default=90, ge=1, le=3_650, alias="KEYBOOK_NOTICE_DAYS")
    smtp_host: str = Field(default="", alias="KEYBOOK_SMTP_HOST")
    smtp_port: int = Field(default=587, ge=1, le=65_535, alias="KEYBOOK_SMTP_PORT")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(default="starttls", alias="KEYBOOK_SMTP_TLS")
    smtp_user: str = Field(default="", alias="KEYBOOK_SMTP_USER")
    smtp_password: str = Field(default="", alias="KEYBOOK_SMTP_PASSWORD")
    mail_from: str = Field(default="", alias="KEYBOOK_MAIL_FROM")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, words: str) -> str:
        """Refuse what is neither a network nor `unix`; the sentence may not show the value, so it is ours."""
        try:
            for word in filter(None, (part.strip() for part in words.split(","))):
                word == "unix" or ip_network(word)
        except ValueError:
            raise ValueError("it takes networks such as 10.0.0.0/8, and unix") from None
        return words

    @field_validator("notice_inside")
    @classmethod
    def _inside(cls, words: str) -> str:
        """Refuse what is no network: a typo may neither open more than was meant nor nothing in silence."""
        try:
            networks(words)
        except ValueError:
            raise ValueError("it takes networks such as 10.0.0.0/8") from None
        return words

    @field_validator("url")
    @classmethod
    def _origin(cls, words: str) -> str:
        """Refuse what is no origin, because links to sign in are built on it."""
        if words and not re.fullmatch(r"https?://[^/?#\s@]+/?", words):
            raise ValueError("it takes an address such as https://keybook.example.com")
        return words.rstrip("/")

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, words: str) -> str:
        """Refuse plain http but on loopback: whoever could change the issuer's answers could sign in as anybody."""
        if words and not re.match(r"https://|http://(127\.0\.0\.1|localhost)[:/]", words):
            raise ValueError("it takes an address that begins with https://")
        return words

    @field_validator("executor")
    @classmethod
    def _doors(cls, words: str) -> str:
        """Refuse what names no way in: a typo may not look like a vault without an executor."""
        doors(words)
        return words

    @field_validator("witness")
    @classmethod
    def _watched(cls, words: str) -> str:
        """Refuse what names no database: a typo may not look like a mount that nobody watches."""
        watched(words)
        return words

    @field_validator("oidc_roles")
    @classmethod
    def _roles(cls, words: str) -> str:
        """Refuse a pair that names no role: a typo may neither let somebody in nor keep everybody out in silence."""
        for pair in filter(None, (part.strip() for part in words.split(","))):
            if not re.fullmatch(r".+=(reader|operator|approver|administrator)", pair):
                raise ValueError("it takes pairs group=role, separated by commas")
        return words


def _refuse(sentences: list[str]) -> NoReturn:
    """End the process with exit code 2: a wrong setting is mended in the environment, not in a traceback."""
    sys.stderr.write("".join(f"{sentence} See docs/configuration.md.\n" for sentence in sentences))
    sys.exit(2)


def _environment() -> Environment:
    """Read the settings; a wrong one ends the process with a sentence that names it and never shows its value."""
    try:
        return Environment()
    except ValidationError as wrong:
        said = [(str(one["loc"][0]).upper(), one["msg"].removeprefix("Value error, ")) for one in wrong.errors()]
        _refuse([f"The setting {name} is wrong: {what}." for name, what in said])


ENV = _environment()


def _database(url: str) -> dict[str, Any]:
    """Return Django's database entry for a libpq URL; a socket folder is given as `?host=/folder`."""
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        _refuse(["The setting DATABASE_URL is wrong: it is no libpq address such as postgresql://user@host/keybook."])
    options = {k: v for k, v in parts.items() if k not in {"host", "port", "user", "password", "dbname"}}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.get("dbname") or "keybook",
        "USER": parts.get("user") or "",
        "PASSWORD": parts.get("password") or "",
        "HOST": parts.get("host") or "",
        "PORT": parts.get("port") or "",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


DEBUG = ENV.debug
SECRET_KEY = ENV.secret_key or "insecure-only-for-commands-that-sign-nothing"
ALLOWED_HOSTS = [host.strip() for host in ENV.allowed_hosts.split(",") if host.strip()]
KEYBOOK = ENV
TRUSTED_PROXIES = ENV.trusted_proxies

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "template_partials",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "axes",
    "accounts",
    "inventory",
    "audit",
    "rotation",
    "dashboard",
    "config",
]
MIDDLEWARE = [
    "csp.middleware.CSPMiddleware",
    "dashboard.middleware.page_headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.session_limits.session_limits",
    "dashboard.middleware.own_time_zone",
    "allauth.account.middleware.AccountMiddleware",
    "dashboard.middleware.SignInRequired",
    "dashboard.too_slow.TooSlow",
    "accounts.second_factor.SecondFactorRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASES = {"default": _database(ENV.database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# Static files are served from their source folders (no build step, no collecting); their URLs carry a digest of the
# content (`{% asset %}`), so a browser may keep them for a year.
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 0 if DEBUG else 365 * 24 * 3600

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"

# allauth does the steps of signing in, the second factor, OpenID Connect and the list of sessions; the pages are ours,
# and so is each address. Nobody signs up by themselves and nothing is mailed.
AUTHENTICATION_BACKENDS = ["accounts.throttle.Gate", "django.contrib.auth.backends.ModelBackend"]
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_RATE_LIMITS = False  # accounts.throttle counts in PostgreSQL, the same for every process
ACCOUNT_LOGIN_TIMEOUT = 600  # seconds between the first factor and the second
MFA_ADAPTER = "accounts.adapters.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Keybook"
MFA_TOTP_TOLERANCE = 1  # a code of the half minute before or after is taken; each is taken once
MFA_RECOVERY_CODE_DIGITS = 12
SOCIALACCOUNT_ADAPTER = "accounts.oidc.SocialAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False

# People are known by issuer and subject, so another issuer is another name in our tables.
OIDC_PROVIDER = f"oidc-{sha256(ENV.oidc_issuer.encode()).hexdigest()[:16]}" if ENV.oidc_issuer else ""
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "APPS": [
            {
                "provider_id": OIDC_PROVIDER,
                "name": ENV.oidc_name,
                "client_id": ENV.oidc_client_id,
                "secret": ENV.oidc_client_secret,
                "settings": {"server_url": ENV.oidc_issuer, "oauth_pkce_enabled": True},
            }
        ]
        if ENV.oidc_issuer
        else []
    }
}

# accounts knows no approval policies; this says whether one of them takes votes by API token.
APPROVING_BY_API = "rotation.approvers.takes_tokens"

# axes stands before every password; what it counts, for how long, and the words of a refusal are ours.
AXES_HANDLER = "accounts.throttle.Handler"
AXES_CLIENT_IP_CALLABLE = "accounts.throttle.network"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_LOCKOUT_CALLABLE = "accounts.throttle.keep_answer"

# Sessions end after an hour without use and after eight hours whatever happens.
SESSION_IDLE_SECONDS = 3600
SESSION_ABSOLUTE_SECONDS = 8 * 3600
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_SECONDS

# A `__Host-` name is refused by browsers unless Secure, so a demo on plain http over loopback takes plain names.
SECURE = ENV.secure_cookies
SESSION_COOKIE_NAME = "__Host-keybook" if SECURE else "keybook"
SESSION_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-keybook-csrf" if SECURE else "keybook-csrf"
CSRF_COOKIE_SECURE = SECURE
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_FAILURE_VIEW = "dashboard.views.errors.forged"
# gunicorn tells https from http, and believes X-Forwarded-Proto only from the proxies it is told of.
SECURE_SSL_REDIRECT = SECURE
SECURE_REDIRECT_EXEMPT = [r"^health/live$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# The API reads, answers in its own two formats, and tells every error as problem+json.
REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "accounts.api_errors.handle",
    "DEFAULT_SCHEMA_CLASS": "config.openapi.DoorSchema",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Keybook",
    "DESCRIPTION": "Who read which secret, when, and from where. docs/api.md has the contract in words.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
}

# Nothing runs that we did not send: no inline script or style, no other host, no HTML sink but htmx's own policy.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [NONCE, STRICT_DYNAMIC],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["htmx"],
    }
}

# What is wrong goes to standard error, one line each; Django's own handler is replaced. Nothing is mailed.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "config.logs.OneLine"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}

# What fulfils rotation's questions to the record: rotation and audit are strangers, and meet here.
ROTATION_BOOKS = "config.witness.AuditLog"
ROTATION_WITNESS = "config.witness.AuditLog"
