"""Takes audit lines over HTTP: each is masked and committed to the spool, or its sender hears 503 at once."""
