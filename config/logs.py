"""One line of JSON for each message, whatever wrote it: time (UTC), level, process, logger, message, error."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from kit import tokens
from vault.plain_text import scrub_tokens


class OneLine(logging.Formatter):
    """Turns a record into one line of JSON without tokens; a traceback is one string in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its newline."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": record.process,
            "logger": record.name,
            "message": _plain(record.getMessage()),
        }
        if record.exc_info and record.exc_info[0]:
            told["error"] = _plain(self.formatException(record.exc_info))
        return json.dumps(told)  # in ASCII: no letter of a stranger turns a terminal's text around or speaks to it


def _plain(text: str) -> str:
    """Return a text without tokens: an address or a failed statement may hold what somebody pasted."""
    return tokens.scrub(scrub_tokens(text))
