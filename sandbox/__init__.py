"""The practice yard: real PostgreSQL, Valkey and OpenBao under one supervisor, and the demo story."""
