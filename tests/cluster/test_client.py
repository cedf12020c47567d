"""The client: what it is given and what it is answered become sentences, and a token goes nowhere else."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cluster import errors
from cluster.client import Client
from cluster.place import Address, InCluster, Kubeconfig, checked
from cluster.resources import RESOURCES
from tests.cluster.watched import eventually, pod

PODS = RESOURCES["pods"]


def config(url="https://127.0.0.1:6443", user=None, **cluster):
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u"}},
            {"name": "there", "context": {"cluster": "c", "user": "nobody"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "u", "user": user or {"token": "t0ken"}}],
    }  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """A function that writes a kubeconfig and returns its place."""

    def write(content, **also):
        file = tmp_path / "kubeconfig"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return Kubeconfig(str(file), **also)

    return write


@contextmanager
def answering(handle):
    """Yield the address of a server whose every answer is made by `handle(handler)`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        do_GET = do_POST = handle

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def send(handler, code, body=b"", **headers):
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


# What it is given ------------------------------------------------------------------------------------------------


def test_a_kubeconfig_with_a_token_lets_in(kube, written):
    place = written(config(kube.url, {"token": kube.token}))
    assert b'"PodList"' in Client(place).page(PODS)


def test_a_kubeconfig_with_a_token_file_is_read_with_its_newline(kube, written, tmp_path):
    (tmp_path / "token").write_text(kube.token + "\n")
    assert b'"PodList"' in Client(written(config(kube.url, {"tokenFile": "token"}))).page(PODS)


def test_the_named_context_is_taken(kube, written):
    made = config(kube.url, {"token": kube.token})
    made["current-context"] = "nonsense"
    assert b'"PodList"' in Client(written(made, context="here")).page(PODS)


def test_a_kubeconfig_that_is_not_there(tmp_path):
    with pytest.raises(errors.KubeconfigMissing, match="can't be opened: No such file") as told:
        Client(Kubeconfig(str(tmp_path / "none")))
    assert str(tmp_path / "none") in str(told.value)


@pytest.mark.parametrize("text", ["{", "a: [", "\t- x", "- 1\n- 2", "just words", "", "!!python/object:os.system {}"])
def test_a_kubeconfig_that_is_none(written, text):
    with pytest.raises(errors.KubeconfigWrong, match=r"no YAML|no kubeconfig"):
        Client(written(text))


def test_a_context_that_is_not_in_it_names_those_that_are(written):
    with pytest.raises(errors.ContextMissing, match=r"has no context 'elsewhere'.*here, there"):
        Client(written(config(), context="elsewhere"))
    with pytest.raises(errors.ContextMissing, match="has no current context"):
        Client(written(config() | {"current-context": ""}))


def test_a_context_without_user_or_server(written):
    with pytest.raises(errors.KubeconfigWrong, match="user of context 'there' is not in it"):
        Client(written(config(), context="there"))
    with pytest.raises(errors.KubeconfigWrong, match="has no server"):
        Client(written(config(url=None)))


def test_a_program_to_log_in_is_not_run_unless_allowed(kube, written, tmp_path):
    program, mark = tmp_path / "login", tmp_path / "ran"
    program.write_text(
        f'#!/bin/sh\ntouch {mark}\necho \'{{"apiVersion":"client.authentication.k8s.io/v1",'
        f'"kind":"ExecCredential","status":{{"token":"{kube.token}"}}}}\'\n'
    )
    program.chmod(0o755)
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    }
    with pytest.raises(errors.LoginProgramRefused, match=r"logs in with a program \(exec\)"):
        Client(written(config(kube.url, user)))
    assert not mark.exists()
    assert b'"PodList"' in Client(written(config(kube.url, user), programs=True)).page(PODS)
    assert mark.exists()


def test_the_old_form_of_such_a_program_is_refused_too(written):
    user = {"auth-provider": {"name": "gcp", "config": {"cmd-path": "/bin/true"}}}
    with pytest.raises(errors.LoginProgramRefused, match="auth-provider"):
        Client(written(config(user=user)))


def test_a_program_that_gives_nothing_is_told(written):
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}}
    with pytest.raises(errors.KubeconfigWrong, match="neither token nor certificate"):
        Client(written(config(user=user), programs=True))


def test_a_cluster_whose_certificate_is_not_looked_at_is_refused(written):
    with pytest.raises(errors.KubeconfigWrong, match="trusts any certificate"):
        Client(written(config(**{"insecure-skip-tls-verify": True})))


@pytest.mark.parametrize(
    "cluster",
    [{"certificate-authority": "/none/ca.pem"}, {"certificate-authority-data": "bm8gcGVt"},
     {"certificate-authority-data": "***"}],
)  # fmt: skip
def test_a_certificate_that_can_not_be_used(written, cluster):
    with pytest.raises(errors.CertificateUnusable):
        Client(written(config(**cluster)))


def test_a_client_certificate_that_can_not_be_used(written):
    user = {"client-certificate-data": "bm8gcGVt", "client-key-data": "bm8gcGVt"}
    with pytest.raises(errors.CertificateUnusable):
        Client(written(config(user=user)))


def test_outside_of_a_cluster_there_is_no_pod_to_be(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(errors.NotInCluster, match="in no cluster"):
        Client(InCluster())


@pytest.mark.parametrize(
    "address, why",
    [("http://kube.example", "plain http"), ("ftp://kube.example", "no http"), ("https://a:b@kube.example", "password"),
     ("https://169.254.169.254", "no API server's"), ("https://[::ffff:169.254.169.254]", "no API server's"),
     ("https://kube.example?x=1", "query"), ("https://kube\n.example", "blank"), ("https://kube:port", "can't be read"),
     ("", "no http")],
)  # fmt: skip
def test_addresses_that_are_not_called(address, why):
    with pytest.raises(errors.UnusableAddress, match=why):
        Client(Address(address, "t"))


def test_an_address_may_have_a_path():
    assert checked("https://rancher.example/k8s/clusters/c-1/") == "https://rancher.example/k8s/clusters/c-1"


@pytest.mark.parametrize("token", ["a\nb", "a\r\nX-Evil: 1"])
def test_a_token_that_no_header_may_hold_is_not_sent(kube, token):
    with pytest.raises(errors.Away, match="could not be sent"):
        Client(Address(kube.url, token)).page(PODS)


# What it is answered ----------------------------------------------------------------------------------------------


def test_a_refused_token(kube):
    with pytest.raises(errors.TokenRefused, match=r"does not know who asks.*make a new token"):
        Client(Address(kube.url, "wrong")).page(PODS)


def test_a_missing_right_names_verb_and_resource_and_what_the_server_says(kube):
    kube.faults.fail(403, "list", "pods")
    with pytest.raises(
        errors.NotPermitted, match=r"we may not list pods: it says .*pods is forbidden.*add list on pods"
    ):
        Client(Address(kube.url, kube.token)).page(PODS)


def test_what_is_not_installed(kube):
    kube.uninstall("secrets.hashicorp.com")
    with pytest.raises(errors.NotInstalled, match="the cluster has no vaultauths"):
        Client(Address(kube.url, kube.token)).page(RESOURCES["vaultauths"])


def test_nobody_at_the_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(errors.Unreachable, match="nobody answers"):
        Client(Address(f"http://127.0.0.1:{port}")).page(PODS)


def test_a_name_without_an_address():
    with pytest.raises(errors.Unreachable, match="name has no address"):
        Client(Address("https://kube.invalid")).page(PODS)


def test_a_server_that_does_not_answer_in_time(kube):
    kube.faults.delay(2, "list", "pods")
    with pytest.raises(errors.Unreachable, match="did not answer in time"):
        Client(Address(kube.url, kube.token), read=0.2).page(PODS)


def test_a_list_that_is_cut(kube):
    kube.store.namespace("shop")
    kube.store.put(pod("one"))
    kube.faults.cut(20, "list", "pods")
    with pytest.raises(errors.Cut, match="in the middle"):
        Client(Address(kube.url, kube.token)).page(PODS)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_token_is_not_carried_to_where_a_redirect_leads(code):
    visits = []

    def elsewhere(handler):
        visits.append(dict(handler.headers))
        send(handler, 200, b"{}")

    with answering(elsewhere) as other:
        to = f"http://localhost:{other.server_port}/"
        with answering(lambda handler: send(handler, code, Location=to)) as first:
            client = Client(Address(f"http://127.0.0.1:{first.server_port}", "t0ken"))
            with pytest.raises(errors.BrokenAnswer, match="sends elsewhere"):
                client.page(PODS)
            with pytest.raises(errors.BrokenAnswer, match="sends elsewhere"):
                client.ask("/apis/x", {}, resource="x")
    assert visits == []


def test_no_proxy_of_the_environment_gets_the_token_of_this_machine(kube, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert b'"PodList"' in Client(Address(kube.url, kube.token)).page(PODS)


def test_the_words_of_a_server_stay_on_one_line_and_short():
    words = b'{"kind":"Status","code":403,"message":"' + b"no\\n\\u001b[31m" * 500 + b'"}'
    with answering(lambda handler: send(handler, 403, words)) as server, pytest.raises(errors.NotPermitted) as told:
        Client(Address(f"http://127.0.0.1:{server.server_port}")).page(PODS)
    assert "\n" not in str(told.value) and "\x1b" not in str(told.value) and len(str(told.value)) < 700


def test_gzip_is_asked_for_and_unpacked(kube):
    kube.store.namespace("shop")
    for number in range(400):
        kube.store.put(pod(f"web-{number}", padding="x" * 60, more="y" * 60, third="z" * 60, fourth="w" * 60))
    raw = Client(Address(kube.url, kube.token)).page(PODS)
    assert len(raw) > 128 * 1024 and raw.count(b'"name":"web-') == 400


def test_an_answer_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr("cluster.client.MOST_PAGE", 1000)
    endless = pytest.raises(errors.BrokenAnswer, match="does not end")
    with answering(lambda handler: send(handler, 200, b" " * 5000)) as server, endless:
        Client(Address(f"http://127.0.0.1:{server.server_port}")).page(PODS)


# Certificates ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 that signed itself, and its key, as files."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    return folder


def test_a_certificate_is_checked_against_the_given_ca(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    with answering(lambda handler: send(handler, 200, b'{"items":[]}')) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://127.0.0.1:{server.server_port}"
        assert Client(Address(url, "t", ca_file=str(certificate / "ca.pem"))).page(PODS) == b'{"items":[]}'
        with pytest.raises(errors.CertificateRefused, match=r"not trusted.*give its CA"):
            Client(Address(url, "t")).page(PODS)


def test_in_a_pod_the_service_accounts_token_is_used_and_read_again(certificate, tmp_path, monkeypatch):
    seen, token = [], tmp_path / "token"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    token.write_text("first\n")

    def handle(handler):
        seen.append(handler.headers["Authorization"].split()[-1])
        send(handler, 200, b"{}")

    with answering(handle) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_port))
        client = Client(InCluster(str(token), str(certificate / "ca.pem")))
        client.page(PODS)
        token.write_text("second\n")
        client.page(PODS)
        monkeypatch.setattr("cluster.client._FRESH", 0.0)
        client.page(PODS)
    assert seen == ["first", "first", "second"]


def test_a_hundred_clients_leave_no_connection_open(kube):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        Client(Address(kube.url, kube.token)).page(PODS)
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 20


def test_an_open_watch_over_tls_is_ended_from_another_thread(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    over, told = threading.Event(), []

    def half_dead(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b'9\r\n{"one":1}\r\n1\r\n\n\r\n5\r\n{"cut\r\n')
        handler.wfile.flush()
        over.wait(20)

    with answering(half_dead) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        client = Client(Address(f"https://127.0.0.1:{server.server_port}", "t", ca_file=str(certificate / "ca.pem")))
        with client.watch(PODS, "1", seconds=60, silence=60) as stream:
            reader = threading.Thread(target=lambda: told.extend(stream))
            reader.start()
            eventually(lambda: told)
            stream.end()
            reader.join(5)
        over.set()
    assert not reader.is_alive() and told == [b'{"one":1}'], "what was cut is not given"


def test_an_answer_that_only_drips_is_given_up(monkeypatch):
    monkeypatch.setattr("cluster.client.MOST_TIME", 0.3)
    over = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        with suppress(OSError):
            while not over.wait(0.05):
                handler.wfile.write(b" ")

    with answering(drip) as server:
        with pytest.raises(errors.BrokenAnswer, match="does not end"):
            Client(Address(f"http://127.0.0.1:{server.server_port}")).page(PODS)
        over.set()


def test_an_event_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr("cluster.client.MOST_LINE", 1000)
    endless = pytest.raises(errors.BrokenAnswer, match="does not end")
    with answering(lambda handler: send(handler, 200, b"x" * 5000)) as server, endless:
        list(Client(Address(f"http://127.0.0.1:{server.server_port}")).watch(PODS, "1", seconds=5, silence=5))


def test_a_token_is_in_no_text_of_what_it_was_given_with():
    assert "t0ken" not in repr(Address("https://kube.example", "t0ken"))
