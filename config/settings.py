"""Django's settings, read once from the environment through one typed object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

BASE_DIR = Path(__file__).resolve().parent.parent


class Environment(BaseSettings):
    """Every setting that an operator may give; `.env.example` lists the same names with one line of meaning each."""

    model_config = SettingsConfigDict(extra="ignore", secrets_dir="/run/secrets" if Path("/run/secrets").is_dir() else None)

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


ENV = Environment()


def _database(url: str) -> dict[str, Any]:
    """Return Django's database entry for a libpq URL; a socket folder is given as `?host=/folder`."""
    parts = conninfo_to_dict(url)
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

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "template_partials",
    "accounts",
    "audit",
    "dashboard",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
