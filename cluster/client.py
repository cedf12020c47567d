"""Asks a real Kubernetes API server; the only place that knows the official client, for its log-in and transport."""

from __future__ import annotations

import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3
import yaml

from cluster import answers
from cluster.errors import (
    Away,
    BrokenAnswer,
    CertificateRefused,
    CertificateUnusable,
    ClusterError,
    Cut,
    KubeconfigMissing,
    KubeconfigWrong,
    NotInCluster,
    Silence,
    Unknown,
    Unreachable,
    Unusable,
)
from cluster.place import Address, InCluster, Kubeconfig, Place, checked, chosen, is_loopback
from cluster.resources import Resource

if TYPE_CHECKING:
    from kubernetes.client import Configuration

CONNECT, READ = 5.0, 30.0  # seconds: to connect, and between two pieces of an answer
MOST_PAGE = 512 * 1024 * 1024  # bytes, unpacked, of one page; a page of 500 pods has about 5 MB
MOST_LINE = 16 * 1024 * 1024  # bytes of one event; etcd keeps no object above 1.5 MB
_REFUSAL = 64 * 1024  # bytes of an answer that refuses
MOST_TIME = 120.0  # seconds for one page, however steadily it drips
_GULP, _PIECE = 1024 * 1024, 64 * 1024
_FRESH = 60.0  # seconds after which the token is read again: kubelets renew their files
MANAGER = "keybook"  # as which we stand in an object's managedFields
_MERGE, _STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
_META = "g=meta.k8s.io;v=v1"
_NETWORK = "check the address, the network and any proxy"
_LOOK = "it is looked at before anything is done again"
# What happens before the first byte of a call has left; everything else may happen after the server has acted.
_UNSENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.LocationParseError,
)


def accept(resource: Resource, kind: str) -> str:
    """Return what to accept; `kind` is PartialObjectMetadataList for a list and PartialObjectMetadata for a watch.

    Never with plain JSON behind it: a server that can't leave out the values shall answer 406 instead of them. And
    never the list's form for a watch: that is answered with an empty stream.
    """
    return f"application/json;as={kind};{_META}" if resource.metadata_only else "application/json"


class Client:
    """One API server and one identity; raises `Unusable` at once for a place that can't be used.

    Safe to use from several threads. Redirects are not followed, every call has time-outs, and nothing is tried twice:
    that is the caller's, who knows whether it may.
    """

    def __init__(self, place: Place, *, plain_http: bool = False, connect: float = CONNECT, read: float = READ) -> None:
        self._place, self._plain_http = place, plain_http
        self._connect, self._read = connect, read
        self._lock = threading.Lock()
        self.logins = 0
        self._open()

    def _open(self) -> None:
        self._configuration = _configuration(self._place, self._plain_http)
        self._pool, self._opened = _pool(self._configuration), time.monotonic()
        self.address: str = self._configuration.host

    def reload(self, logins: int) -> None:
        """Read the token or kubeconfig again, unless that was done since `logins` was read from this client."""
        with self._lock:
            if logins == self.logins:
                self.logins += 1
                self._open()

    def page(
        self, resource: Resource, *, limit: int = 500, token: str = "", namespace: str = "", **params: str
    ) -> bytes:
        """Return a page of a list, of all or of one namespace, as it came; `token` is the page before's `continue`."""
        path = resource.place(namespace) if namespace else resource.path
        asked = {"limit": str(limit), **params} | ({"continue": token} if token else {})
        headers = {"Accept": accept(resource, "PartialObjectMetadataList"), "Accept-Encoding": "gzip"}
        answer = self._ask("GET", path, asked, headers, verb="list", resource=resource.plural)
        return self._whole(answer, path)

    def watch(self, resource: Resource, version: str, *, seconds: int, silence: float) -> Stream:
        """Open a watch from a version; the server ends it after `seconds`, and `silence` seconds without a byte do."""
        params = {
            "watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds),
        }  # fmt: skip
        headers = {"Accept": accept(resource, "PartialObjectMetadata"), "Accept-Encoding": "identity"}
        path = resource.path
        answer = self._ask("GET", path, params, headers, verb="watch", resource=resource.plural, read=silence)
        return Stream(answer, f"{self.address}{path}")

    def get(self, path: str, *, verb: str = "get", resource: str = "") -> bytes:
        """Return whatever stands at a path, as it came."""
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        return self._whole(self._ask("GET", path, {}, headers, verb=verb, resource=resource or path), path)

    def ask(self, path: str, body: Mapping[str, Any], *, resource: str) -> bytes:
        """Post a question that changes nothing (a review of a right), and return the answer as it came."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        sent = msgspec.json.encode(body)
        answer = self._ask("POST", path, {}, headers, verb="create", resource=resource, body=sent)
        return self._whole(answer, path)

    def patch(
        self, path: str, body: Mapping[str, Any], *, resource: str, strategic: bool = False, dry_run: bool = False
    ) -> bytes:
        """Patch one object as the field manager `keybook` and return it as it came; a dry run stores nothing.

        A plain error says that surely nothing was done. Raises `Unknown` when the call was sent and no answer tells
        what became of it: a time-out, a cut, an answer of 500 or more.
        """
        params = {"fieldManager": MANAGER} | ({"dryRun": "All"} if dry_run else {})
        headers = {"Accept": "application/json", "Content-Type": _STRATEGIC if strategic else _MERGE}
        sent, where = msgspec.json.encode(body), f"{self.address}{path}"
        try:
            answer = self._send("PATCH", path, params, headers, body=sent)
            told = _read(answer, _REFUSAL if answer.status >= 300 else MOST_PAGE, self._read)
        except (urllib3.exceptions.HTTPError, OSError, ValueError, zlib.error) as error:
            if dry_run or isinstance(error, _UNSENT) or _is_untrusted(error):
                raise _unreachable(error, where) from error
            raise Unknown("the call was sent and no whole answer came", where, _LOOK) from error
        if not dry_run and (answer.status >= 500 or (told is None and answer.status < 300)):
            raise Unknown(f"the API server answered {answer.status} to a call that was sent", where, _LOOK)
        if answer.status >= 300:
            wait = _seconds(answer.headers.get("Retry-After"))
            raise answers.refusal(answer.status, told or b"", wait, verb="patch", resource=resource, where=where)
        return told or b""

    def _ask(
        self, method: str, path: str, params: Mapping[str, str], headers: dict[str, str], *, verb: str, resource: str,
        body: bytes | None = None, read: float = 0,
    ) -> urllib3.BaseHTTPResponse:  # fmt: skip
        """Send one question and return its answer with the body unread; every way to fail becomes a sentence."""
        where = f"{self.address}{path}"
        try:
            answer = self._send(method, path, params, headers, body=body, read=read)
            if answer.status < 300:
                return answer
            told = _read(answer, _REFUSAL, self._read) or b""
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _unreachable(error, where) from error
        wait = _seconds(answer.headers.get("Retry-After"))
        raise answers.refusal(answer.status, told, wait, verb=verb, resource=resource, where=where)

    def _send(
        self, method: str, path: str, params: Mapping[str, str], headers: dict[str, str], *, body: bytes | None = None,
        read: float = 0,
    ) -> urllib3.BaseHTTPResponse:  # fmt: skip
        """Send one call as whoever we are by now; raises what the transport raises."""
        with self._lock:
            if time.monotonic() - self._opened > _FRESH:
                self._open()
            sent, pool = headers | self._identity(), self._pool
        return pool.request(
            method,
            f"{self.address}{path}" + (f"?{urlencode(params)}" if params else ""),
            body=body,
            headers=sent,
            timeout=urllib3.Timeout(connect=self._connect, read=read or self._read),
            preload_content=False,
            redirect=False,
            retries=False,
        )

    def _identity(self) -> dict[str, str]:
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": token.strip(), "User-Agent": "keybook"} if token else {"User-Agent": "keybook"}

    def _whole(self, answer: urllib3.BaseHTTPResponse, path: str) -> bytes:
        where = f"{self.address}{path}"
        try:
            found = _read(answer, MOST_PAGE, MOST_TIME)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise _unreachable(error, where) from error
        except (urllib3.exceptions.HTTPError, OSError, zlib.error) as error:
            raise Cut("the connection ended in the middle of an answer", where, "it is asked again") from error
        if found is None:
            raise BrokenAnswer("the answer does not end", where, "check what answers there")
        return found


def _read(answer: urllib3.BaseHTTPResponse, most: int, seconds: float) -> bytes | None:
    """Return the whole body, unpacked; None when it is larger than `most` or takes longer, however it drips."""
    pieces, size, ends = [], 0, time.monotonic() + seconds
    while piece := answer.read1(_GULP, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > most or time.monotonic() > ends:
            answer.close()
            return None
    answer.release_conn()
    return b"".join(pieces)


class Stream:
    """The events of an open watch, line by line, each whole; a context manager."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, where: str) -> None:
        self._answer, self._where = answer, where
        self._ended = False

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()

    def end(self) -> None:
        """End it from another thread: the one that reads sees the end of the stream."""
        self._ended = True
        try:
            self._answer.shutdown()
        except (OSError, ValueError, RuntimeError):
            return  # it has ended by itself

    def __iter__(self) -> Iterator[bytes]:
        """Yield line after line until the server ends the stream; a line that was cut is not given.

        Raises `Silence`, `Cut`, and `BrokenAnswer` for a line without an end.
        """
        rest = b""
        while piece := self._piece():
            *lines, rest = (rest + piece).split(b"\n")
            yield from filter(None, lines)
            if len(rest) > MOST_LINE:
                raise BrokenAnswer("an event does not end", self._where, "check what answers there")

    def _piece(self) -> bytes:
        try:
            return self._answer.read1(_PIECE) or b""
        except urllib3.exceptions.ReadTimeoutError as error:
            raise Silence("nothing came for long", self._where, "it is watched anew") from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            if self._ended:
                return b""
            raise Cut("the connection was cut", self._where, "it is watched again from the last event") from error


def _pool(configuration: Configuration) -> urllib3.PoolManager:
    from kubernetes.client.rest import RESTClientObject

    pool: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
    return pool


def _configuration(place: Place, plain_http: bool) -> Configuration:
    """Let the official client read the place; what it finds wrong becomes a sentence."""
    from kubernetes.client import Configuration

    configuration = Configuration()
    configuration.retries = False
    configuration.connection_pool_maxsize = 64
    configuration.keep_alive = True
    _FILL[type(place)](configuration, place)
    configuration.host = checked(configuration.host, plain_http=plain_http)
    if is_loopback(urlsplit(configuration.host).hostname or ""):
        configuration.proxy = None
    _check_certificates(configuration)
    return configuration


def _from_kubeconfig(configuration: Configuration, place: Kubeconfig) -> None:
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader

    file = Path(place.path).expanduser()
    try:
        config = yaml.safe_load(file.read_bytes())
    except OSError as error:
        mend = "give the path of a file that Keybook's user may read"
        raise KubeconfigMissing(f"the kubeconfig can't be opened: {error.strerror}", str(file), mend) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise KubeconfigWrong("the kubeconfig is no YAML", str(file), "take the one that kubectl uses") from error
    context = chosen(config, place.context, programs=place.programs, where=str(file))
    try:
        loader = KubeConfigLoader(config_dict=config, active_context=context, config_base_path=str(file.parent))
        loader.load_and_set(configuration)
    except (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _bad_part(error, str(file)) from error
    if not (configuration.api_key or configuration.cert_file):
        mend = "see what its program says, or give it a token"
        raise KubeconfigWrong(f"context {context!r} gave neither token nor certificate", str(file), mend)


def _bad_part(error: Exception, where: str) -> Unusable:
    """The library's own words may hold what stood in the file, so only the kind of fault is told."""
    if "does not exist" in str(error) or isinstance(error, OSError):
        return CertificateUnusable("a file that the kubeconfig names is not there", where, "check its certificates")
    if isinstance(error, ValueError):
        return CertificateUnusable("a certificate, key or token in it can't be decoded", where, "copy it anew")
    return KubeconfigWrong("the kubeconfig lacks what it needs", where, "take the one that kubectl uses")


def _from_pod(configuration: Configuration, place: InCluster) -> None:
    from kubernetes.config import ConfigException
    from kubernetes.config.incluster_config import InClusterConfigLoader

    try:
        InClusterConfigLoader(place.token_file, place.ca_file, try_refresh_token=False).load_and_set(configuration)
    except (ConfigException, OSError) as error:
        mend = "run it in a pod with a service account's token, or give a kubeconfig"
        raise NotInCluster("this process is in no cluster, or has no token there", place.token_file, mend) from error


def _from_address(configuration: Configuration, place: Address) -> None:
    configuration.host = place.url
    token = place.token
    try:
        token = token or (Path(place.token_file).read_text().strip() if place.token_file else "")
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigMissing("the token's file can't be read", place.token_file, "check its path") from error
    if token:
        configuration.api_key["BearerToken"] = f"Bearer {token}"
    configuration.ssl_ca_cert = place.ca_file or None


_FILL: dict[type, Any] = {Kubeconfig: _from_kubeconfig, InCluster: _from_pod, Address: _from_address}


def _check_certificates(configuration: Configuration) -> None:
    """Load them once, so that a bad one is told before anything is sent."""
    mend = "copy it anew, as PEM"
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if configuration.ssl_ca_cert:
            context.load_verify_locations(configuration.ssl_ca_cert)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise CertificateUnusable("a certificate or key can't be used", configuration.host, mend) from error


def _unreachable(error: Exception, where: str) -> ClusterError:
    """The kind of failure in words that name the mend; the exception's own text may hold a proxy's password."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError | urllib3.exceptions.SSLError):
            mend = "give its CA, and check that the address speaks https"
            return CertificateRefused("the API server's certificate is not trusted", where, mend)
        cause = cause.__cause__ or (cause.args[0] if cause.args and isinstance(cause.args[0], Exception) else None)
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return Unreachable("the API server's name has no address", where, "check the name and the DNS")
    if isinstance(error, urllib3.exceptions.NewConnectionError):  # urllib3 counts it among the time-outs
        return Unreachable("nobody answers at the API server's address", where, _NETWORK)
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return Unreachable("the API server did not answer in time", where, _NETWORK)
    if isinstance(error, ValueError) and not isinstance(error, urllib3.exceptions.HTTPError):
        return Away("the question could not be sent: address or token hold what no header may", where, "write it anew")
    return Unreachable(f"the API server gave no answer ({type(error).__name__})", where, _NETWORK)


def _is_untrusted(error: BaseException) -> bool:
    """Say whether it is a certificate that was not trusted: then nothing but the greeting was sent."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or (cause.args[0] if cause.args and isinstance(cause.args[0], Exception) else None)
    return False


def _seconds(header: str | None) -> float:
    """Return a Retry-After in seconds; its form as a date is taken for none."""
    return float(header) if header and header.strip().isdigit() else 0
