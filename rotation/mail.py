"""Sends one notice as a plain mail through the server that the settings name."""

from __future__ import annotations

import hashlib
import smtplib
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from rotation.notice_words import Said
from rotation.webhook import Failed

SECONDS = 10
UNSET = "No mail server is set. Set KEYBOOK_SMTP_HOST and KEYBOOK_MAIL_FROM for the worker notices."


def is_set() -> bool:
    """Return whether this process can mail."""
    return bool(settings.KEYBOOK.smtp_host and settings.KEYBOOK.mail_from)


def send(address: str, said: Said, name: str) -> str:
    """Mail a notice and return what became of it, in words. Raises `Failed`; a mail that comes twice has one id."""
    if not is_set():
        raise Failed(UNSET, final=True)
    own = settings.KEYBOOK
    host = parseaddr(own.mail_from)[1].rpartition("@")[2] or "keybook"
    mark = hashlib.sha256(address.encode()).hexdigest()[:12]
    headers = {"Message-ID": f"<{name}.{mark}@{host}>", "Auto-Submitted": "auto-generated"}
    mail = EmailMessage(f"[Keybook] {said.title}", said.text, own.mail_from, [address], headers=headers)
    try:
        with _server() as server:
            mail.connection = server
            mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        code = next(iter(error.recipients.values()), (0, b""))[0]
        raise Failed(f"The mail server does not take mail for {address} ({code}).", final=500 <= code < 600) from None
    except smtplib.SMTPAuthenticationError:
        raise Failed("The mail server refused KEYBOOK_SMTP_USER and its password.") from None
    except smtplib.SMTPResponseException as error:
        raise Failed(f"The mail server answered {error.smtp_code}.") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Failed(f"The mail server could not be used ({type(error).__name__}).") from None
    except BadHeaderError:
        raise Failed("The address holds a line break.", final=True) from None
    return "The mail server took it."


def _server() -> EmailBackend:
    own = settings.KEYBOOK
    return EmailBackend(
        host=own.smtp_host, port=own.smtp_port, username=own.smtp_user, password=own.smtp_password,
        use_tls=own.smtp_tls == "starttls", use_ssl=own.smtp_tls == "tls", timeout=SECONDS,
    )  # fmt: skip
