"""Tokens and rights as an API server answers for them: issued, reviewed, void after their pod, allowed or refused."""

from __future__ import annotations

import time

import jwt
import pytest

from tests.cluster.grounds import IMAGE

pytestmark = pytest.mark.realkube
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io/v1"
EXTRA = "authentication.kubernetes.io/"


@pytest.fixture
def account(ground):
    """Return the name of a service account without any right."""
    ground.made("serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"}})
    return "app"


@pytest.fixture
def issue(ground, account):
    """Return a function that has a token issued."""

    def ask(**spec) -> str:
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = ground.speak.post(ground.path("serviceaccounts", "", account, "token"), asked)
        assert answer.status_code == 201, answer.text
        return answer.json()["status"]["token"]

    return ask


@pytest.fixture
def pod(ground, account):
    """Return a pod of the account that runs."""
    spec = {"serviceAccountName": account, "containers": [{"name": "app", "image": IMAGE}]}
    spec["terminationGracePeriodSeconds"] = 1
    ground.made("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    ground.until(lambda: ground.read("pods", "p")["status"]["phase"] == "Running", "a running pod")
    return ground.read("pods", "p")


def review(ground, token: str, *audiences: str) -> dict:
    spec = {"token": token} | ({"audiences": list(audiences)} if audiences else {})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    answer = ground.speak.post(REVIEWS, asked)
    assert answer.status_code == 201, answer.text
    return answer.json()["status"]


def bound(pod: dict) -> dict:
    metadata = pod["metadata"]
    return {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}


def allow(ground, account: str, *verbs: str, resource: str = "pods") -> None:
    """Let the account do something in the namespace."""
    rule = {"apiGroups": [""], "resources": [resource], "verbs": list(verbs)}
    role = {"apiVersion": RBAC, "kind": "Role", "metadata": {"name": "reader"}, "rules": [rule]}
    ground.made("roles", role, RBAC)
    reference = {"apiGroup": RBAC.partition("/")[0], "kind": "Role", "name": "reader"}
    subjects = [{"kind": "ServiceAccount", "name": account, "namespace": ground.namespace}]
    binding = {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": {"name": "reads"}, "roleRef": reference}
    ground.made("rolebindings", {**binding, "subjects": subjects}, RBAC)


def test_a_review_names_the_account_and_without_a_pod_nothing_but_the_credential(ground, account, issue):
    status = review(ground, issue())
    user = status["user"]
    assert status["authenticated"] is True
    assert user["username"] == f"system:serviceaccount:{ground.namespace}:{account}"
    assert set(user["extra"]) == {EXTRA + "credential-id"}
    assert {"system:serviceaccounts", f"system:serviceaccounts:{ground.namespace}"} <= set(user["groups"])
    assert user["uid"] == ground.read("serviceaccounts", account)["metadata"]["uid"]


def test_a_bound_token_names_its_pod_and_node_in_review_and_claims(ground, pod, issue):
    token = issue(boundObjectRef=bound(pod), expirationSeconds=600)
    extra = review(ground, token)["user"]["extra"]
    assert extra[EXTRA + "pod-name"] == ["p"]
    assert extra[EXTRA + "pod-uid"] == [pod["metadata"]["uid"]]
    assert extra[EXTRA + "node-name"] == [pod["spec"]["nodeName"]]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["kubernetes.io"]["pod"] == {"name": "p", "uid": pod["metadata"]["uid"]}
    assert extra[EXTRA + "credential-id"] == [f"JTI={claims['jti']}"]
    assert claims["exp"] - claims["iat"] == 600


def test_the_audience_must_match(ground, issue):
    token = issue(audiences=["vault"])
    good = review(ground, token, "vault", "other")
    assert (good["authenticated"], good["audiences"]) == (True, ["vault"])
    for bad in (review(ground, token), review(ground, token, "other")):
        assert not bad.get("authenticated")
        assert "is invalid for the target audiences" in bad["error"]
    assert ground.guest(token).get("/api").status_code == 401


def test_a_token_that_nobody_issued_is_told_so_and_enters_nowhere(ground):
    status = review(ground, "nonsense")
    assert not status.get("authenticated")
    assert "invalid bearer token" in status["error"]
    assert ground.guest("nonsense").get(ground.path("pods")).status_code == 401


def test_a_token_is_bound_only_to_the_pod_that_is_meant(ground, pod, account):
    path = ground.path("serviceaccounts", "", account, "token")
    wrong = {**bound(pod), "uid": "00000000-0000-0000-0000-000000000000"}
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": wrong}}
    assert ground.speak.post(path, asked).status_code == 409
    gone = {"kind": "Pod", "apiVersion": "v1", "name": "no-such", "uid": "x"}
    asked["spec"] = {"boundObjectRef": gone}
    assert ground.speak.post(path, asked).status_code == 404
    asked["spec"] = {"expirationSeconds": 5}
    assert ground.speak.post(path, asked).status_code == 422


def test_a_bound_token_is_good_while_its_pod_ends_and_void_soon_after(ground, pod, issue, request):
    if not ground.real:
        request.getfixturevalue("running_kube").tokens.outlives = 0.5  # a real one's ten seconds
    token = issue(boundObjectRef=bound(pod))
    ground.speak.delete(ground.path("pods", "", "p"))
    assert review(ground, token)["authenticated"] is True
    ground.until(lambda: ground.speak.get(ground.path("pods", "", "p")).status_code == 404, "the end of the pod")
    assert review(ground, token).get("authenticated")
    ground.until(lambda: not review(ground, token).get("authenticated"), "the end of the token")
    assert "has been invalidated" in review(ground, token)["error"]


def test_without_a_right_the_answer_is_403_with_verb_resource_and_place(ground, account, issue):
    guest, who = ground.guest(issue()), f"system:serviceaccount:{ground.namespace}:{account}"
    listed = guest.get(ground.path("secrets"))
    assert listed.status_code == 403
    assert listed.json()["reason"] == "Forbidden"
    assert listed.json()["message"] == (
        f'secrets is forbidden: User "{who}" cannot list resource "secrets" in API group "" '
        f'in the namespace "{ground.namespace}"'
    )
    one = guest.get("/apis/apps/v1/namespaces/default/deployments/web")
    assert one.json()["message"].startswith(f'deployments.apps "web" is forbidden: User "{who}" cannot get resource')
    everywhere = guest.get("/api/v1/pods", watch="1")
    assert everywhere.json()["message"].endswith('cannot watch resource "pods" in API group "" at the cluster scope')


def test_a_role_gives_its_verbs_in_its_namespace_and_no_more(ground, account, issue):
    guest = ground.guest(issue())
    allow(ground, account, "list", "watch")
    ground.until(lambda: guest.get(ground.path("pods")).status_code == 200, "the right to list")
    assert guest.get(ground.path("pods", "", "x")).status_code == 403
    assert guest.get("/api/v1/namespaces/default/pods").status_code == 403
    assert guest.get(ground.path("secrets")).status_code == 403
    assert guest.get("/version").status_code == 200


@pytest.mark.parametrize("kind", ["SelfSubjectAccessReview", "SubjectAccessReview"])
def test_access_reviews_say_what_is_allowed_and_by_which_binding(ground, account, issue, kind):
    allow(ground, account, "list")
    who = f"system:serviceaccount:{ground.namespace}:{account}"

    def ask(**attributes) -> dict:
        spec = {"resourceAttributes": attributes} | ({} if kind.startswith("Self") else {"user": who})
        asking = ground.guest(issue()) if kind.startswith("Self") else ground.speak
        asked = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
        answer = asking.post(f"{ACCESS}/{kind.lower()}s", asked)
        assert answer.status_code == 201, answer.text
        return answer.json()["status"]

    def allowed() -> dict | None:
        status = ask(verb="list", resource="pods", namespace=ground.namespace)
        return status if status["allowed"] else None

    status = ground.until(allowed, "the right to list")
    assert status["reason"].startswith('RBAC: allowed by RoleBinding "reads/')
    assert ask(verb="watch", resource="pods", namespace=ground.namespace)["allowed"] is False
    assert ask(verb="list", resource="pods", namespace="default")["allowed"] is False
    assert ask(verb="list", resource="secrets", namespace=ground.namespace)["allowed"] is False


def test_only_who_may_review_tokens_may_review_tokens(ground, issue):
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": issue()}}
    assert ground.guest(issue()).post(REVIEWS, asked).status_code == 403


def test_the_keys_that_sign_the_tokens_can_be_had(ground, issue):
    found = ground.speak.get("/openid/v1/jwks")
    assert found.status_code == 200
    token = issue()
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(jwt.PyJWK(key) for key in found.json()["keys"] if key["kid"] == kid)
    began = time.time()
    claims = jwt.decode(token, key, algorithms=["RS256", "ES256"], options={"verify_aud": False})
    assert claims["exp"] > began
