"""What exists now in the vaults that are connected: mounts, auth methods, entities, and what a token may ask."""
