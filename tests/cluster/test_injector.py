"""Injected pods: what the agent was told is what counts, whatever the annotations say."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from cluster.delivery import injector
from tests.cluster.made import CANARY, MOUNTED, agent_config, container, injected_pod, pod, scene


def found(*objects):
    return list(injector.consumers(scene(*objects)))


def test_each_path_of_the_agents_configuration_is_one_consumer():
    config = agent_config("kv/data/a", "database/creds/web", "pki/issue/web")
    rows = found(injected_pod(config=config))
    assert [(each.container, each.path, each.source.credential) for each in rows] == [
        ("app", "kv/data/a", "kv"),
        ("app", "database/creds/web", "dynamic"),
        ("app", "pki/issue/web", "pki"),
    ]


def test_where_and_as_whom_come_from_the_configuration_and_not_from_the_annotations():
    config = agent_config("kv/data/a", vault={"address": "https://u:p@vault.example:8200", "namespace": "team"})
    (row,) = found(injected_pod(config=config, notes={"role": "other", "auth-path": "auth/other"}))
    source = row.source
    assert (source.address, source.vault_namespace) == ("https://vault.example:8200", "team")
    assert (source.auth_mount, source.auth_method, source.role) == ("kube", "kubernetes", "web")
    assert source.service_account == "web"
    assert source.refresh == timedelta(seconds=20)


def test_without_a_configuration_in_the_environment_the_annotations_are_read():
    notes = {
        "agent-configmap": "web-agent",
        "agent-inject-secret-a": "kv/data/a",
        "agent-inject-secret-b": "true",
        "agent-inject-template-b": '{{ with secret "kv/data/b" }}{{ end }}',
        "agent-inject-secret-c": "kv/data/ignored",
        "agent-inject-template-c": '{{ with secret "kv/data/c" }}{{ end }}',
        "agent-inject-template-file-d": "/etc/d.ctmpl",
        "role": "web",
        "auth-path": "auth/kube",
        "service": "https://u:p@vault:8200",
        "namespace": "team",
    }
    bare = {
        "initContainers": [container("vault-agent-init")],
        "containers": [container(**MOUNTED), container("vault-agent")],
    }
    rows = found(injected_pod(notes=notes, spec=bare))
    assert sorted(each.path for each in rows) == ["", "kv/data/a", "kv/data/b", "kv/data/c"]
    source = rows[0].source
    assert (source.role, source.auth_mount, source.address, source.vault_namespace) == (
        "web",
        "kube",
        "https://vault:8200",
        "team",
    )
    assert source.refresh == timedelta(minutes=5)


@pytest.mark.parametrize(
    "text",
    ["%%%", base64.b64encode(b"{").decode(), base64.b64encode(b"[1]").decode(), base64.b64encode(b"\xff\xfe").decode()],
)
def test_a_configuration_that_is_none_is_passed_over(text):
    rows = found(injected_pod(config=text, notes={"agent-inject-secret-a": "kv/data/a"}))
    assert [each.path for each in rows] == ["kv/data/a"]


def test_without_a_sidecar_a_new_value_needs_a_restart():
    (row,) = found(injected_pod("kv/data/a", sidecar=False))
    assert (row.needs_restart, row.source.refresh) == ("always", None)
    assert "pre-populate-only" in row.why


def test_with_a_sidecar_it_needs_none():
    (row,) = found(injected_pod("kv/data/a"))
    assert row.needs_restart == "never"
    assert "every 20 s" in row.why
    assert "read it again" in row.why


def test_a_command_after_the_rendering_is_told():
    config = agent_config("kv/data/a")
    config["template"][0]["command"] = f"kill -HUP {CANARY}"
    (row,) = found(injected_pod(config=config))
    assert "runs a command" in row.why
    assert CANARY not in str(row)


def test_a_file_by_sub_path_needs_a_restart():
    mount = {"volumeMounts": [{"name": "vault-secrets", "mountPath": "/a", "subPath": "a"}]}
    config = agent_config("kv/data/a")
    one = injected_pod(config=config)
    agents = {"initContainers": [], "containers": [container(**mount), *_agents(config)]}
    (row,) = found(injected_pod(config=config, spec=agents))
    assert (row.needs_restart, row.uses) == ("always", ("subPath",))
    assert found(one)[0].uses == ("file",)


def _agents(config):
    text = base64.b64encode(json.dumps(config).encode()).decode()
    return [container("vault-agent", env=[{"name": "VAULT_CONFIG", "value": text}])]


def test_only_containers_that_mount_the_files_consume():
    config = agent_config("kv/data/a")
    sidecar = container("mesh", restartPolicy="Always", **MOUNTED)
    once = container("migrate", **MOUNTED)
    spec = {
        "initContainers": [sidecar, once],
        "containers": [container(**MOUNTED), container("exporter"), *_agents(config)],
    }
    assert {each.container for each in found(injected_pod(config=config, spec=spec))} == {"app", "mesh"}


def test_a_token_that_is_written_for_the_application_is_a_credential():
    rows = found(injected_pod("kv/data/a", notes={"agent-inject-token": "true"}))
    assert [each.source.credential for each in rows] == ["kv", "token"]


def test_a_sink_for_the_application_is_a_token_too():
    config = agent_config("kv/data/a")
    config["auto_auth"]["sink"] = [{"type": "file", "config": {"path": "/vault/secrets/token"}}]
    assert [each.source.credential for each in found(injected_pod(config=config))] == ["kv", "token"]
    config["auto_auth"]["sink"] = [{"type": "file", "config": {"path": "/home/vault/.vault-token"}}]
    assert [each.source.credential for each in found(injected_pod(config=config))] == ["kv"]


def test_a_template_on_the_agents_disk_reads_we_cannot_see_what():
    config = agent_config("kv/data/a")
    config["template"].append({"destination": "/vault/secrets/x", "source": "/etc/x.ctmpl"})
    assert [each.path for each in found(injected_pod(config=config))] == ["kv/data/a", ""]


def test_a_pod_without_agents_is_none_of_the_injectors():
    assert found(pod(meta={"annotations": {"vault.hashicorp.com/agent-inject": "true"}})) == []
