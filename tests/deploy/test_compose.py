"""docker-compose.yml gives each service what it needs and no more, publishes pages on loopback, and hardens all."""

from __future__ import annotations

import subprocess

import pytest

from config.roles import ROLES
from sandbox import identities
from tests.audit.conftest import ROOT

# What each process holds, by the name under which it finds it.
HOLDS = {
    "setup": {"DATABASE_URL", *ROLES},
    "web": {"DATABASE_URL", "KEYBOOK_SECRET_KEY", "KEYBOOK_NOTICE_KEY"},
    "receiver": {"DATABASE_URL"},
    "worker-ingest": {"DATABASE_URL", "REDIS_URL"},
    "worker-cluster": {"DATABASE_URL", "REDIS_URL"},
    "worker-operations": {"DATABASE_URL", "REDIS_URL"},
    "worker-notices": {"DATABASE_URL", "REDIS_URL", "KEYBOOK_NOTICE_KEY", "KEYBOOK_SMTP_PASSWORD"},
    "beat": {"DATABASE_URL", "REDIS_URL"},
    "health": {"DATABASE_URL", "REDIS_URL"},
}


def test_only_the_pages_are_published_and_on_loopback(compose):
    published = {name: one["ports"] for name, one in compose["services"].items() if one.get("ports")}
    assert published == {"web": ["127.0.0.1:8000:8000"]}
    assert not [name for name, one in compose["services"].items() if one.get("network_mode")]
    assert compose["networks"]["inside"] == {"internal": True}


def test_every_service_is_hardened(compose):
    for name, one in compose["services"].items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert not one.get("privileged"), name


def test_every_service_that_stays_has_a_health_check(compose):
    without = [name for name, one in compose["services"].items() if "healthcheck" not in one]
    assert without == ["setup"]


def test_no_image_is_whatever_is_newest(compose):
    images = [one["image"] for one in compose["services"].values()]
    image_file = (ROOT / "deploy" / "Dockerfile").read_text()
    images += [line.split("=", 1)[1] for line in image_file.splitlines() if line.startswith("ARG PYTHON=")]
    assert all(any(sign.isdigit() for sign in image.rpartition(":")[2]) for image in images), images
    assert not [image for image in images if "latest" in image]


def test_secrets_are_files_and_nothing_secret_stands_in_an_environment(compose):
    for name, one in compose["services"].items():
        words = " ".join(f"{key}={value}" for key, value in one.get("environment", {}).items())
        assert "://" not in words and "PASSWORD=" not in words and "SECRET" not in words, name
    assert all(set(one) == {"file"} and one["file"].startswith("./secrets/") for one in compose["secrets"].values())


def test_each_process_gets_the_secrets_of_its_own_work_alone(compose, ours):
    assert {name: {one["target"] for one in service["secrets"]} for name, service in ours.items()} == HOLDS
    urls = {
        name: one["source"] for name, two in ours.items() for one in two["secrets"] if one["target"] == "DATABASE_URL"
    }
    assert len(set(urls.values())) == len(urls), "two processes share a role"
    assert urls["web"] == "web_database_url" and urls["setup"] == "owner_database_url"


def test_the_sandbox_gives_its_processes_no_more_than_compose_does():
    known = {name: set(one.settings) for name, one in vars(identities).items() if isinstance(one, identities.Identity)}
    assert not [name for name, settings in known.items() if settings & {"VAULT_TOKEN", "VAULT_ADDR", "KUBECONFIG"}]
    assert {name for name, settings in known.items() if "KEYBOOK_VAULT_TOKEN_FILES" in settings} <= {"INGEST"}
    assert {name for name, settings in known.items() if "KEYBOOK_KUBECONFIG" in settings} == {"CLUSTER"}
    for own in ("KEYBOOK_EXECUTOR", "KEYBOOK_RESTARTER", "KEYBOOK_WITNESS", "KEYBOOK_SEAL"):
        assert {name for name, settings in known.items() if own in settings} == {"OPERATIONS"}
    assert identities.WEB.environment({"KEYBOOK_EXECUTOR": "x", "KEYBOOK_WITNESS": "x"}, None) == {}
    for name, service in (
        ("INGEST", "worker-ingest"),
        ("CLUSTER", "worker-cluster"),
        ("OPERATIONS", "worker-operations"),
        ("NOTICES", "worker-notices"),
        ("BEAT", "beat"),
        ("HEALTH", "health"),
        ("WEB", "web"),
    ):
        assert {one for one in known[name] if not one.startswith("KEYBOOK_")} == HOLDS[service] & {"REDIS_URL"}


def test_the_worker_that_watches_clusters_and_the_one_that_changes_them_share_nothing(ours):
    watching, changing = ours["worker-cluster"], ours["worker-operations"]
    queues = [one["command"][one["command"].index("-Q") + 1] for one in (watching, changing)]
    assert queues == ["cluster", "operations"]
    assert not {"KEYBOOK_KUBECONFIG", "KEYBOOK_VAULT_TOKEN_FILES"} & set(changing["environment"])
    assert not {"KEYBOOK_EXECUTOR", "KEYBOOK_RESTARTER"} & set(watching["environment"])
    folders = [{one.split(":")[0] for one in two["volumes"]} for two in (watching, changing)]
    assert not folders[0] & folders[1]
    holding = [name for name, one in ours.items() if "KEYBOOK_EXECUTOR" in one.get("environment", {})]
    assert holding == ["worker-operations"]


def test_make_secrets_makes_every_file_that_is_named_and_keeps_what_is_there(compose, tmp_path):
    folder = tmp_path / "secrets"
    command = [str(ROOT / "deploy" / "make-secrets"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    made = {file.name: file.read_text() for file in folder.iterdir()}
    assert set(made) == {one["file"].removeprefix("./secrets/") for one in compose["secrets"].values()}
    assert len(set(made.values())) == len(made)
    assert folder.stat().st_mode & 0o777 == 0o700
    subprocess.run(command, check=True, capture_output=True)
    assert {file.name: file.read_text() for file in folder.iterdir()} == made
    assert made["web_password"].strip() in made["web_database_url"]


@pytest.mark.parametrize(
    "room", ["accounts", "audit", "cluster", "config", "dashboard", "inventory", "kit", "receiver", "rotation", "vault"]
)
def test_the_image_holds_every_room_of_the_product(room):
    image_file = (ROOT / "deploy" / "Dockerfile").read_text()
    assert f"COPY {room} {room}\n" in image_file
    assert f"!{room}\n" in (ROOT / ".dockerignore").read_text()
