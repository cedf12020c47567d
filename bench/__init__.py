"""Measures what Keybook promises about speed and size: one module for each promise, each one command."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()  # the rooms can't be imported before
