"""The door for gunicorn; it stays shut while nothing signs the sessions."""

import gc
import os
import sys

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if not settings.KEYBOOK.secret_key:
    sys.stderr.write(
        "The setting KEYBOOK_SECRET_KEY is empty, so anybody could sign a session. "
        "Give it 50 random characters or more; see docs/configuration.md.\n"
    )
    sys.exit(2)
application = get_wsgi_application()
# What is loaded stays; without this Python's collector walks all of it now and then, and a page takes 50 ms longer.
get_resolver().url_patterns  # noqa: B018 - imports the pages
gc.collect()
gc.freeze()
