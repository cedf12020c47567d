#!/usr/bin/env python
"""The door to every command of Keybook; `manage.py help` lists them."""

import os
import sys

from kit import heap


def main() -> None:
    """Run one management command with Keybook's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    heap.settle()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
