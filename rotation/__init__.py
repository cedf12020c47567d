"""FUTURE: what people ask to be rotated, revoked or restarted, who approved it, and what came of it."""
