"""The past: events, their sources, their gaps, and who read what."""
