"""Who made a call, told from the metadata that the auth method wrote."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.principal import NAME_LIMIT, Kind, identify
from vault.audit_line import Auth

HMAC = "hmac-sha256:" + "0123456789abcdef" * 4


def who(metadata=None, **fields):
    """Kind and name of a token with this metadata, as some auth method at an odd mount would have made it."""
    auth = Auth(**{
        "client_token": HMAC, "accessor": HMAC, "display_name": "odd-mount-x", "policies": ["default"],
        "metadata": metadata, **fields,
    })  # fmt: skip
    principal = identify(auth)
    return principal.kind, principal.name


KUBERNETES = {
    "role": "ledger", "service_account_name": "ledger", "service_account_namespace": "payments",
    "service_account_secret_name": "", "service_account_uid": "3bbdae46-87b1-42e8-b2de-fbc689b44b2d",
}  # fmt: skip
GITHUB = {
    "actor": "dev-1", "repository": "acme/shop", "role": "deploy", "run_id": "990001",
    "workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
}  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "kind", "name"),
    [
        (KUBERNETES, Kind.SERVICE_ACCOUNT, "payments/ledger"),
        # a jwt mount that maps the claims of a bound token
        ({"namespace": "vehicles", "pod_name": "parcel-0", "role": "parcel", "service_account_name": "parcel"},
         Kind.SERVICE_ACCOUNT, "vehicles/parcel"),
        ({"kubernetes_namespace": "a", "service_account_name": "b"}, Kind.SERVICE_ACCOUNT, "a/b"),
        ({"role": "x", "sub": "system:serviceaccount:payments:ledger"}, Kind.SERVICE_ACCOUNT, "payments/ledger"),
        (GITHUB, Kind.CI, "repo:acme/shop:ref:refs/heads/main"),
        ({**GITHUB, "ref": "refs/tags/v1"}, Kind.CI, "repo:acme/shop:ref:refs/tags/v1"),
        ({"repository": "acme/shop"}, Kind.CI, "repo:acme/shop"),
        ({**GITHUB, "sub": "repo:acme/shop:environment:prod"}, Kind.CI, "repo:acme/shop:environment:prod"),
        ({"project_path": "g/p", "ref": "main", "ref_type": "branch"}, Kind.CI,
         "project_path:g/p:ref_type:branch:ref:main"),
        ({"project_path": "g/p", "ref": "main"}, Kind.CI, "project_path:g/p:ref:main"),
        ({"project_path": "g/p"}, Kind.CI, "project_path:g/p"),
        ({"sub": "organization:acme:pipeline:deploy"}, Kind.CI, "organization:acme:pipeline:deploy"),
        ({"role": "web", "email": "ann@acme.example", "name": "Ann"}, Kind.HUMAN, "ann@acme.example"),
        ({"preferred_username": "ann"}, Kind.HUMAN, "ann"),
        ({"role": "web", "sub": "00u1a2b3"}, Kind.HUMAN, "00u1a2b3"),
        ({"username": "alice"}, Kind.HUMAN, "alice"),
        ({"role_name": "nightly-backup", "host": "bk-1"}, Kind.APPROLE, "nightly-backup"),
        ({"cert_name": "web", "common_name": "web1.acme.example"}, Kind.CERTIFICATE, "web1.acme.example"),
        ({"cert_name": "web", "serial_number": "1"}, Kind.CERTIFICATE, "web"),
        ({"canonical_arn": "arn:aws:iam::1:role/x", "account_id": "1"}, Kind.TOKEN, "arn:aws:iam::1:role/x"),
        ({"ticket": "INC-7"}, Kind.TOKEN, "odd-mount-x"),
        ({}, Kind.TOKEN, "odd-mount-x"),
        (None, Kind.TOKEN, "odd-mount-x"),
    ],
)  # fmt: skip
def test_the_metadata_of_each_method_names_a_principal(metadata, kind, name):
    assert who(metadata) == (kind, name)


def test_a_display_name_is_never_taken_apart():
    assert who(display_name="kubernetes-payments-ledger") == (Kind.TOKEN, "kubernetes-payments-ledger")
    assert who(KUBERNETES, display_name="analytics-auth-kubernetes-x-y") == (Kind.SERVICE_ACCOUNT, "payments/ledger")


def test_a_token_made_by_hand_is_not_believed_about_whom_it_names():
    assert who(KUBERNETES, display_name="token-kubernetes-payments-ledger") == (
        Kind.TOKEN,
        "token-kubernetes-payments-ledger",
    )
    assert who({"username": "alice"}, display_name="token") == (Kind.TOKEN, "token")


def test_the_metadata_of_a_secret_id_can_not_pretend_to_be_a_person():
    assert who({"role_name": "backup", "username": "alice", **KUBERNETES}) == (Kind.APPROLE, "backup")


def test_the_root_policy_makes_a_token_root_whatever_it_says():
    assert who({"username": "alice"}, policies=["root"]) == (Kind.ROOT, "root")


@pytest.mark.parametrize("policy", ["response-wrapping", "control-group"])
def test_whoever_holds_a_wrapping_token_is_nobody_we_know(policy):
    assert who(policies=[policy], display_name="root") == (Kind.ANONYMOUS, "bearer of a wrapping token")


def test_a_call_without_identity_is_anonymous():
    assert who(client_token="", accessor="", display_name="", policies=None) == (Kind.ANONYMOUS, "anonymous")
    assert who(accessor="", display_name="", policies=[]) == (Kind.ANONYMOUS, "anonymous")


def test_a_nameless_token_is_told_by_its_accessor_or_its_entity():
    assert who(display_name="") == (Kind.TOKEN, "token 01234567")
    assert who(display_name=" ", accessor="piegMFMyju8tU0VMRW5z87kO") == (Kind.TOKEN, "token piegMFMy")
    assert who(display_name="", accessor="", entity_id="f16046e1-3621") == (Kind.TOKEN, "token f16046e1")
    assert who(display_name="", accessor="") == (Kind.TOKEN, "token")


def test_the_namespace_of_an_identity_stands_at_the_end_of_its_entity():
    entity = "aa231510-725e-4c76-47a3-2099e431382e"
    assert identify(Auth(entity_id=f"{entity}.FMJftB", metadata=KUBERNETES)).namespace == "FMJftB"
    assert identify(Auth(entity_id=entity, metadata=KUBERNETES)).namespace == ""
    assert identify(Auth(entity_id=entity, metadata=KUBERNETES)).entity_id == entity


@pytest.mark.parametrize("odd", [7, True, None, ["a"], {"a": 1}, "", "  "])
def test_metadata_that_is_no_text_names_nobody(odd):
    assert who({**KUBERNETES, "service_account_name": odd}) == (Kind.TOKEN, "odd-mount-x")


def test_a_service_account_needs_both_of_its_names():
    assert who({"service_account_name": "ledger"}) == (Kind.TOKEN, "odd-mount-x")
    assert who({"sub": "system:serviceaccount:only"}) == (Kind.HUMAN, "system:serviceaccount:only")


def test_a_name_can_be_stored_however_long_or_odd_it_is():
    _, name = who({"username": "a\0b"})
    assert name == "a\ufffdb"
    _, first = who({"username": "x" * 100_000 + "1"})
    _, second = who({"username": "x" * 100_000 + "2"})
    assert first != second
    assert len(first) == len(second) == NAME_LIMIT


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
)
claim = st.sampled_from([*KUBERNETES, *GITHUB, "sub", "username", "role_name", "common_name", "project_path", "email"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(claim | st.text(), anything), st.text(), st.lists(st.text()))
def test_hostile_metadata_never_raises_and_always_names_somebody(metadata, display_name, policies):
    principal = identify(Auth(metadata=metadata, display_name=display_name, policies=policies, accessor=HMAC))
    assert principal.name and len(principal.name) <= NAME_LIMIT and "\0" not in principal.name
    assert isinstance(principal.kind, Kind)
