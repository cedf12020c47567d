"""A change is asked for by its form, and begins where its subject is shown."""

from __future__ import annotations

import pytest

from dashboard import change_offers
from dashboard.change_offers import FROM
from rotation.models import Change
from tests.dashboard.change_windows import SECRET, Window, ann, anns, bob, bobs, links, running, toys
from tests.dashboard.conftest import Page
from tests.dashboard.leases_made import vault
from tests.rotation.toy_targets import asked

__all__ = ["ann", "anns", "bob", "bobs", "toys"]

# -- the form ----------------------------------------------------------------------------------------------------------


def test_a_new_change_begins_with_the_kinds_that_take_what_one_came_from(anns):
    page = anns.get(f"/changes/new/?secret={SECRET}&evidence=F-41")
    assert "Rotate a KV secret" in page.text and "takes what you came from" in page.text
    families = [one for one in ("Rotate", "Revoke", "Restart") if f"{one} a" in page.text]
    assert [page.text.index(f"{one} a") for one in families] == sorted(page.text.index(f"{one} a") for one in families)
    assert any("target=kv&secret=secret%2Fprod" in own["href"].replace("&amp;", "&") or "target=kv" in own["href"]
               for own in page.all("a"))  # fmt: skip


def test_the_form_asks_for_the_arguments_of_the_target_and_keeps_what_was_given(anns):
    page = anns.get(f"/changes/new/?target=kv&secret={SECRET}&evidence=F-41")
    assert [own["value"] for own in page.all("input", name="secret")] == [SECRET]
    assert [own["value"] for own in page.all("input", name="evidence")] == ["F-41"]
    assert page.all("textarea", name="keys") and page.all("input", name="way")


FORM = {"target": "kv", "secret": SECRET, "way": "generated", "keys": "password\nuser", "reason": "90 days"}


def test_the_plan_is_shown_before_anything_is_asked_and_then_asked_once(anns):
    page = Page.of(anns.send("/changes/new/", 200, **FORM, action="preview"))
    assert page.all("button", value="preview")[0]["formaction"] == "/changes/new/#preview-head" and page.by_id(
        "preview-head"
    )
    assert "What would happen" in page.text and "Destroy version 14" in page.text and not Change.objects.exists()
    (key,) = (own["value"] for own in page.all("input", name="once"))
    (plan,) = page.all("input", name="plan_hash")
    more = {"action": "ask", "once": key, "plan_hash": plan["value"]}
    first = anns.send("/changes/new/", **FORM, **more)
    assert anns.send("/changes/new/", **FORM, **more).headers["Location"] == first.headers["Location"]
    change = Change.objects.get()
    assert (change.args["keys"], change.asked_by, change.plan_hash) == (["password", "user"], "page", plan["value"])


def test_a_form_that_was_sent_before_asks_for_nothing_else_and_goes_on_with_a_key_of_its_own(anns):
    page = Page.of(anns.send("/changes/new/", 200, **FORM, action="preview"))
    (key,), (plan,) = page.all("input", name="once"), page.all("input", name="plan_hash")
    more = {"action": "ask", "once": key["value"], "plan_hash": plan["value"]}
    anns.send("/changes/new/", **FORM, **more)
    page = Page.of(anns.send("/changes/new/", 400, **{**FORM, "reason": "another"}, **more))
    name = Change.objects.get().name
    assert f"This form was sent before and asked for {name}, with something else in it." in page.text
    (other,) = page.all("input", name="once")
    anns.send("/changes/new/", **{**FORM, "reason": "another"}, **{**more, "once": other["value"]})
    assert Change.objects.count() == 2


def test_a_plan_that_was_not_looked_at_is_not_asked_for(anns):
    page = Page.of(anns.send("/changes/new/", 409, **FORM, action="ask", plan_hash="0" * 64))
    assert "The plan is another one than you looked at." in page.text and not Change.objects.exists()


@pytest.mark.parametrize(
    "more, says",
    [({"secret": "secret/missing"}, "No secret is called secret/missing."),
     ({"secret": "secret/paused"}, "Deployment shop/web can't be restarted: it is paused. Resume it first."),
     ({"secret": "secret/foreign"}, "is not enrolled. Apply this policy:"), ({"secret": ""}, "secret"),
     ({"target": "odd"}, "No target is called")],
)  # fmt: skip
def test_what_can_not_be_planned_is_said_over_the_form(anns, more, says):
    page = Page.of(anns.send("/changes/new/", 400, **{**FORM, **more}, action="preview"))
    assert says in page.text


def test_a_reason_is_needed(anns):
    page = Page.of(anns.send("/changes/new/", 200, **FORM, action="preview"))
    (plan,) = page.all("input", name="plan_hash")
    page = Page.of(anns.send("/changes/new/", 400, **{**FORM, "reason": " "}, action="ask", plan_hash=plan["value"]))
    assert "A change needs a reason that the approver can judge." in page.text


# -- ways in -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "about, words, url",
    [(("secret", "secret/prod/x", "KV v2", "demo"), "Rotate…", "target=kv&secret=secret%2Fprod%2Fx&vault=demo"),
     (("secret", "secret/prod/x", "KV v2", "demo"), "Schedule…", "target=kv&pattern=secret%2Fprod%2Fx&vault=demo"),
     (("secret", "database/static-creds/x", "database", "demo"), "Rotate…", "target=database_role&secret="),
     (("secret", "database/creds/x", "database", "demo"), "Revoke its leases…", "lease&role=database%2Fcreds%2Fx"),
     (("secret", "transit/keys/x", "transit", "demo"), "Rotate…", "target=transit&key=transit%2Fkeys%2Fx"),
     (("lease", "database/creds/x/1", "demo", "p", ""), "Revoke…",
      "target=lease&leases=database%2Fcreds%2Fx%2F1&vault=demo"),
     (("pod", "u-1", True), "Revoke its leases…", "target=lease&pod=u-1"),
     (("workload", "prod", "Deployment", "pay", "api"), "Restart…",
      "target=restart&cluster=prod&kind=Deployment&namespace=pay&name=api"),
     (("principal", "pay/api", "demo", "e-1"), "Disable…", "target=entity&entity=e-1&vault=demo")],
)  # fmt: skip
def test_a_change_begins_on_the_page_of_what_it_is_about_with_its_form_filled_in(about, words, url):
    name, *facts = about
    way = next(one for one in FROM[name](*facts) if one.words == words)
    assert url in way.url


@pytest.mark.parametrize(
    "about, url",
    [(("secret", "secret/prod/x", "KV v2", "demo"), "/playbooks/?secret=secret%2Fprod%2Fx&vault=demo"),
     (("lease", "database/creds/x/1", "demo", "pay/api", "u-1"),
      "/playbooks/?principal=pay%2Fapi&pod=u-1&vault=demo&evidence=lease%3Adatabase%2Fcreds%2Fx%2F1"),
     (("pod", "u-1", False), "/playbooks/?pod=u-1"),
     (("principal", "pay/api", "demo", ""), "/playbooks/?principal=pay%2Fapi&vault=demo"),
     (("event", 7, "secret/x", "pay/api", "", "demo", "2026-11-18T02:46:58.102Z"),
      "/playbooks/?secret=secret%2Fx&principal=pay%2Fapi&vault=demo&time=2026-11-18T02%3A46%3A58.102Z&evidence=event%3A7")],
)  # fmt: skip
def test_whoever_responds_to_something_finds_the_playbooks_with_what_is_known_of_it(about, url):
    name, *facts = about
    way = FROM[name](*facts)[-1]
    assert (way.words, way.url) == ("Respond…", url)


def test_every_way_leads_to_a_target_that_takes_what_it_gives(monkeypatch, ann):
    monkeypatch.undo()
    window = Window(ann)
    for way in (*FROM["lease"]("a/b", "demo", "p", ""), *FROM["pod"]("u", True),
                *FROM["secret"]("secret/x", "KV v2", "demo"),
                *FROM["workload"]("c", "Deployment", "n", "w"), *FROM["principal"]("p", "demo", "e"),
                *FROM["secret"]("transit/keys/x", "transit", "v"), *FROM["secret"]("d/static-creds/x", "database", "v"),
                *FROM["secret"]("d/creds/x", "database", "v")):  # fmt: skip
        if way.words == "Respond…":
            continue  # it leads to the playbooks
        page = window.get(way.url)
        given = [pair.partition("=") for pair in way.url.partition("?")[2].split("&")]
        names = {own.get("name") for _, own in page.elements}
        assert {name for name, _, _ in given} <= names or "/all/" in way.url, way


def test_home_names_what_needs_the_person_and_leads_to_it(bobs, ann):
    vault()
    change = asked(ann)
    running(asked(ann, "secret/prod/other"))
    page = bobs.get("/")
    assert "Needs me" in page.text and f"asked by ann, {23} h left" in page.text
    assert f"/changes/{change.name}/" in links(page, "small-button")
    assert "Changes under way, or stopped1" in page.text.replace(" 1", "1")


def test_each_cut_of_a_playbook_is_offered_behind_a_broken_glass_and_no_rotation_is():
    steps = [
        {"step": kind, "args": args, "describe": {"title": kind}}
        for kind, args in (
            ("disable_entity", {"entity": "e-1"}), ("disable_entity", {"entity": "e-2", "enable": True}),
            ("revoke_leases", {"leases": ["a/b", "c"]}), ("revoke_leases", {"leases": ["x"] * 31}),
            ("revoke_token", {"accessor": "acc"}), ("write_kv", {}), ("notify", {"text": "x"}),
        )
    ]  # fmt: skip
    found = change_offers.broken_glass(steps, "demo", "event:7")
    assert [one.url.partition("?")[2] for one in found] == [
        "target=entity&entity=e-1&vault=demo&evidence=event%3A7&glass=yes",
        "target=lease&leases=a%2Fb%0Ac&vault=demo&evidence=event%3A7&glass=yes",
        "target=token&accessor=acc&vault=demo&evidence=event%3A7&glass=yes",
    ]
