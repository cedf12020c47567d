"""The door for gunicorn; it stays shut while nothing signs the sessions."""

import os
import sys

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if not settings.KEYBOOK.secret_key:
    sys.stderr.write(
        "The setting KEYBOOK_SECRET_KEY is empty, so anybody could sign a session. "
        "Give it 50 random characters or more; see docs/configuration.md.\n"
    )
    sys.exit(2)
application = get_wsgi_application()
