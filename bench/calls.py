"""The two lines of one call, in the shape in which OpenBao 2.7.2 writes them to its audit device."""

from __future__ import annotations

from bench.people import Caller, Secret, hmac

_VERSION = "v2.7.2+builtin.bao"
_KV = '"mount_point":"secret/","mount_type":"kv",'
_DB = '"mount_point":"database/","mount_type":"database",'
_KV_ID, _DB_ID = '"mount_accessor":"kv_95d17722",', '"mount_accessor":"database_300fbeaa",'
_RUNS = f'"mount_running_version":"{_VERSION}","mount_class":'
_PLUGIN = f'"mount_running_plugin_version":"{_VERSION}","mount_class":'
_DENIED = '"error":"1 error occurred:\\n\\t* permission denied\\n\\n"'
_REFUSAL = "1 error occurred: permission denied"


class Call:
    """One call of a caller with its current token from one of its addresses; each method returns (request, response).

    What is returned lacks the time, which stands first in a line: see `stamped`.
    """

    def __init__(self, caller: Caller, request_id: str, address: str, port: int, salt: str) -> None:
        self.caller, self.salt = caller, salt
        self.id = f'{{"id":"{request_id}","client_id":"{caller.entity}",'
        self.tokens = (
            f'"client_token":"{caller.token}","client_token_accessor":"{caller.accessor}","namespace":{{"id":"root"}},'
        )
        self.bare_id = f'{{"id":"{request_id}",'
        self.end = f'"remote_address":"{address}","remote_port":{port}}}'

    def _pair(self, asked: str, answered: str, answer: str, *, auth: str = "", error: str = "") -> tuple[str, str]:
        auth = auth or self.caller.auth
        error = f",{error}" if error else ""
        return (
            f'"type":"request","auth":{auth},"request":{asked}{error}}}\n',
            f'"type":"response","auth":{auth},"request":{answered},"response":{{{answer}}}{error}}}\n',
        )

    def read(self, secret: Secret) -> tuple[str, str]:
        """A KV v2 read; the request entry lacks the mount's accessor, as OpenBao has it."""
        rest = f'{self.tokens}"path":"secret/data/{secret.name}",{self.end}'
        head, runs = f'{self.id}"operation":"read",{_KV}', f'{_RUNS}"secret",'
        answer = f'{_KV}{_KV_ID}{_PLUGIN}"secret",{secret.answer}'
        return self._pair(head + runs + rest, head + _KV_ID + runs + rest, answer)

    def missing(self, name: str) -> tuple[str, str]:
        """A KV v2 read of a name that does not exist: an answer without data."""
        rest = f'{self.tokens}"path":"secret/data/{name}",{self.end}'
        head, runs = f'{self.id}"operation":"read",{_KV}', f'{_RUNS}"secret",'
        return self._pair(head + runs + rest, head + _KV_ID + runs + rest, f'{_KV}{_KV_ID}{_PLUGIN}"secret"')

    def denied(self, secret: Secret) -> tuple[str, str]:
        """A KV v2 read that no policy allows."""
        asked = f'{self.id}"operation":"read",{_KV}{_RUNS}"secret",{self.tokens}"path":"secret/data/{secret.name}",'
        answer = f'{_KV}{_PLUGIN}"secret","data":{{"error":"{hmac(self.salt, _REFUSAL)}"}}'
        return self._pair(asked + self.end, asked + self.end, answer, auth=self.caller.refused, error=_DENIED)

    def write(self, secret: Secret) -> tuple[str, str]:
        """A KV v2 write of the version that is current."""
        asked = (
            f'{self.id}"operation":"update",{_KV}{_KV_ID}{_RUNS}"secret",{self.tokens}'
            f'"path":"secret/data/{secret.name}",{secret.body}{self.end}'
        )
        return self._pair(asked, asked, f'{_KV}{_KV_ID}{_PLUGIN}"secret","data":{secret.metadata(self.salt)}')

    def list(self, folder: str, names: list[str]) -> tuple[str, str]:
        """A list of a KV v2 folder."""
        rest = f'{self.tokens}"path":"secret/metadata/{folder}/",{self.end}'
        head, runs = f'{self.id}"operation":"list",{_KV}', f'{_RUNS}"secret",'
        keys = ",".join(f'"{hmac(self.salt, name)}"' for name in names)
        answer = f'{_KV}{_KV_ID}{_PLUGIN}"secret","data":{{"keys":[{keys}]}}'
        return self._pair(head + runs + rest, head + _KV_ID + runs + rest, answer)

    def credentials(self, role: str, lease: str) -> tuple[str, str]:
        """A database credential with its lease, whose id stands in plain in the answer."""
        rest = f'{self.tokens}"path":"database/creds/{role}",{self.end}'
        head, runs = f'{self.id}"operation":"read",{_DB}', f'{_RUNS}"secret",'
        given = f'{{"password":"{hmac(self.salt, "p" + lease)}","username":"{hmac(self.salt, "u" + lease)}"}}'
        answer = (
            f'{_DB}{_DB_ID}{_PLUGIN}"secret","secret":{{"lease_id":"database/creds/{role}/{lease}"}},"data":{given}'
        )
        return self._pair(head + runs + rest, head + _DB_ID + runs + rest, answer)

    def renew(self) -> tuple[str, str]:
        """A token that renews itself."""
        mount = '"mount_point":"auth/token/","mount_type":"token","mount_accessor":"auth_token_d403d327",'
        asked = (
            f'{self.id}"operation":"update",{mount}{_RUNS}"auth",{self.tokens}"path":"auth/token/renew-self",'
            f'"data":{{"increment":"{hmac(self.salt, "3600")}"}},{self.end}'
        )
        return self._pair(asked, asked, f'"auth":{self.caller.granted},{mount}{_PLUGIN}"auth"')

    def log_in(self, proof: str) -> tuple[str, str]:
        """A login: its request entry knows nobody, its response entry shows the token that the caller has now."""
        kind, mount = self.caller.kind, self.caller.mount
        where = f'"mount_point":"{mount}","mount_type":"{kind}","mount_accessor":"auth_{kind}_f156c1c9",'
        proven = (
            f'"role_id":"{hmac(self.salt, self.caller.name)}","secret_id":"{hmac(self.salt, proof)}"'
            if kind == "approle"
            else f'"jwt":"{hmac(self.salt, proof)}","role":"{hmac(self.salt, self.caller.name)}"'
        )
        asked = (
            f'{self.bare_id}"operation":"update",{where}{_RUNS}"auth","namespace":{{"id":"root"}},"path":"{mount}login",'
            f'"data":{{{proven}}},{self.end}'
        )
        nobody = '{"policy_results":{"allowed":true},"token_type":"default"}'
        answer = f'"auth":{self.caller.granted},{where}{_PLUGIN}"auth"'
        return self._pair(asked, asked, answer, auth=nobody)[0], self._pair(asked, asked, answer,
                                                                            auth=self.caller.granted)[1]  # fmt: skip
