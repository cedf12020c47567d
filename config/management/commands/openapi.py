"""Print the OpenAPI document of the API, which docs/openapi.yaml holds."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from config import openapi


class Command(BaseCommand):
    """Print the document."""

    help = "Prints the OpenAPI document of the API as YAML."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        self.stdout.write(openapi.text(), ending="")
