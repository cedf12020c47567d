"""A trail from before it was chained: its entries keep their order, and become a chain that proves itself."""

from __future__ import annotations

import json

from tests.audit.conftest import own_database, test_database

__all__ = ["own_database", "test_database"]

BEFORE = "0004_areas"
ENTRY = """
INSERT INTO accounts_trailentry (actor_name, verb, subject_kind, subject_text, details, address, session)
SELECT 'person ' || n, 'accounts.user.created', 'user', 'somebody', '{}', '', '' FROM generate_series(1, 5) n
"""


def test_entries_from_before_are_chained_in_the_order_of_their_numbers(own_database):
    own_database.manage("migrate", "accounts", BEFORE)
    with own_database.connect() as wire:
        wire.execute(ENTRY)
        (newest,) = wire.execute("SELECT max(id) FROM accounts_trailentry").fetchone()
    own_database.manage("migrate")
    own_database.manage("create_user", "later", "--role", "reader")
    with own_database.connect() as wire:
        rows = wire.execute("SELECT id, position, actor_name FROM accounts_trailentry ORDER BY id").fetchall()
    assert [position for _, position, _ in rows] == list(range(1, len(rows) + 1))
    # The trail can't be emptied: a database may begin with entries of whoever used it before.
    assert [name for key, _, name in rows if key <= newest][-5:] == [f"person {n}" for n in range(1, 6)]
    assert rows[-1][0] > newest
    told = json.loads(own_database.manage("verify_trail", "--json", KEYBOOK_ANCHOR="").stdout)
    assert told == {"entries": len(rows), "ok": True, "first_bad": None, "anchored_until": None}
