"""What stands in the store is what stood in the file: the lines, their places, their counts."""

from __future__ import annotations

from hashlib import sha256

from audit import queries
from tests.audit.lines import calls, log


def test_a_line_comes_back_as_it_stood_in_the_file_with_its_place(past, tmp_path):
    some, file = calls(1500), tmp_path / "audit.log"
    file.write_bytes(log(some))
    past.take(file)
    whole = file.read_bytes()
    ids = dict(past.rows("SELECT request_id::text, id FROM audit_event"))
    for call in some[::97]:
        lines = queries.lines_of(ids[call.id])
        assert [line.type for line in lines] == ["request", "response"]
        for line, original in zip(lines, call.lines(), strict=True):
            assert line.text.encode() == original.replace(b'"password"', b'"key 1, 8"')  # no key name of a secret
            assert whole[line.offset : line.offset + len(original)] == original
            assert line.sha256 == sha256(original).hexdigest()
            assert line.source == str(file)
