"""What a plan's answers and lines of proof look like: ids cut in the middle, and each line under what it proves."""

from __future__ import annotations

from types import SimpleNamespace

from dashboard.change_page import ChangePage
from dashboard.playbook_form import PlaybookForm
from dashboard.templatetags.changes import answer_cell, record_whole
from rotation.planning import Refused


def page(*lines):
    """Return a change's page with lines of proof, each as (step, kind)."""
    steps = [SimpleNamespace(number=number, title=f"Prove {number}") for number in (1, 2, 3)]
    proofs = [SimpleNamespace(step=step, kind=kind) for step, kind in lines]
    return ChangePage(SimpleNamespace(steps=steps, proofs=proofs, change=None), None, None, None)


def test_where_pods_have_lines_of_several_steps_each_step_is_named_above_its_lines():
    found = page((1, "entity"), (2, "pod"), (2, "pod"), (3, "pod")).proofs_of
    assert [(title, len(rows)) for title, rows in found] == [("1. Prove 1", 1), ("2. Prove 2", 2), ("3. Prove 3", 1)]
    assert [title for title, _ in page((1, "lease"), (2, "pod")).proofs_of] == ["", ""]


def test_an_accessor_is_cut_in_its_middle_and_told_whole_and_a_time_breaks_before_the_clock_alone():
    whole = "hmac-sha256:" + "ab" * 32
    cell = answer_cell(("accessor",), 0, whole)
    assert f'title="{whole}"' in cell and ">ababab…ababab<" in cell and ">hmac-sha256<" in cell
    assert answer_cell(("first (UTC)",), 0, "2026-11-28 14:02:41").count('<span class="mono whole">') == 2


def test_an_answer_is_closed_as_complete_only_where_the_record_has_no_hole():
    looked = "Looked at 2026-11-27 00:00:00 to 2026-11-28 00:00:00 UTC."
    assert record_whole([looked, "The record is complete until 2026-11-28 00:00:00 UTC."])
    for said in ("The record is complete until 2026-11-27 12:00:00 UTC only.", "Not known: no audit data before noon.",
                 "The record is not complete: a source was never read to its end."):  # fmt: skip
        assert not record_whole([looked, said])


def test_a_refusal_keeps_its_lines_so_that_the_policy_to_apply_can_be_read():
    form = PlaybookForm(
        None, {}, None, why=Refused("Keybook may not write.", "Apply:\nbao policy write x\nand\x07more")
    )
    assert form.error.splitlines() == ["Keybook may not write. Apply:", "bao policy write x", "and\\u0007more"]
