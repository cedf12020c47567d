"""Runs several commands of `manage.py` in one process, at a sandbox's start; prints what they said as JSON."""

from __future__ import annotations

import io
import json
import os
import sys

import django
from django.core.management import CommandError, call_command


def main() -> int:
    """Run the commands that the first argument lists; the first that fails ends it with its sentence and code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    said = []
    for name, *words in json.loads(sys.argv[1]):
        output = io.StringIO()
        try:
            call_command(name, *words, stdout=output)
        except CommandError as error:
            sys.stderr.write(f"manage.py {name}: {error}\n")
            return error.returncode
        said.append(output.getvalue().strip())
    sys.stdout.write(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
