"""The Vault/OpenBao wire: audit lines, paths, masking and the client; plain Python, no Django."""
