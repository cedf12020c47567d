"""The shapes of playbooks, of a plan and of a report in the OpenAPI document."""

from __future__ import annotations

from config.openapi_form import ANYTHING, MOMENT, TEXT, WHOLE, WORDS, YES, Shape, a_list, an_object, named, or_null
from rotation.playbook_api import MARKDOWN


def _plan(**several: Shape) -> Shape:
    """Return the shape of a plan; what only one of several parts has may be missing."""
    found = an_object(hash=TEXT, steps=a_list(named("PlannedStep")), blast_radius=ANYTHING, needs=a_list(ANYTHING))
    return {**found, "properties": found["properties"] | several}


SHAPES: dict[str, Shape] = {
    "Plan": _plan(
        question=TEXT, parts=a_list(an_object(target=TEXT, subject=TEXT, risk=TEXT, family=TEXT)),
        answers=a_list(an_object(title=TEXT, columns=WORDS, rows=a_list(WORDS), says=WORDS)),
        left=a_list(an_object(subject=TEXT, says=TEXT, mend=TEXT)),
    ),
    "Report": an_object(
        form=TEXT, made_at=MOMENT, question=TEXT, playbook=or_null(ANYTHING), coverage=an_object(
            vault=or_null(TEXT), complete_until=or_null(MOMENT), holes=WORDS, troubles=WORDS, covers_the_run=YES,
        ),
        change=named("WholeChange"), calls=a_list(an_object(
            step=TEXT, event=WHOLE, at=MOMENT, request_id=TEXT, operation=TEXT, path=TEXT, outcome=TEXT,
            changes_something=YES, role=TEXT, of_this_plan=YES,
        )),
        disagreements=WORDS, trail=an_object(
            entries=a_list(an_object(position=or_null(WHOLE), at=MOMENT, who=TEXT, did=TEXT, hash=TEXT)),
            head=or_null(an_object(position=WHOLE, hash=TEXT, at=MOMENT)),
        ),
    ),
}  # fmt: skip
ANSWERS: dict[str, Shape] = {
    "Playbooks": an_object(items=a_list(ANYTHING)),
    "PlaybookSchema": ANYTHING,
    "PlaybookPlan": an_object(playbook=TEXT, target=TEXT, args=ANYTHING, risk=TEXT, plan=named("Plan")),
    "ChangeReport": named("Report"),
    "ChangeReportText": TEXT,
}
BODIES: dict[str, Shape] = {
    "PlaybookPlan": {
        "type": "object", "additionalProperties": False,
        "properties": {"inputs": ANYTHING, "vault": TEXT, "namespace": TEXT},
    },
}  # fmt: skip
# Answers in another form than JSON.
FORMS = {"ChangeReportText": MARKDOWN.partition(";")[0]}
