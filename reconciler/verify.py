"""Proof that a user can work: the checks that a user's first hour makes, against the real address.

`/health` proves nothing: it answers without database, without login, and whatever the Host. So this logs in with the
real Host and Origin, and writes and reads a run and an artifact larger than Cloud Run's 32 MiB limit for HTTP/1.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from reconciler import errors, provider
from reconciler.target import Target

EXPERIMENT = "mlflow-reconcile-verify"
ARTIFACT_BYTES = 33 * 1024 * 1024
"""One MiB more than the largest HTTP/1 request body that Cloud Run takes."""
CHUNK = 1024 * 1024
A_PERSON = "lets a person in who logs in at the identity provider"
NO_PERSON = (
    "not proved, because nobody is at hand to log in: open the page, or give a user name and an access token of the "
    "server's (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD) or the provider's token (MLFLOW_TRACKING_TOKEN)"
)
INSIDE = "run this on a machine in the project's networks to prove the rest"
API = "/api/2.0/mlflow"
ANONYMOUS = {False: "refuses the anonymous", True: "sends the anonymous to Google's login page"}
TIMEOUT = httpx.Timeout(60, read=300, write=300)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it proves, whether it held, what was seen if not, how long it took in *seconds*.

    One that was *skipped* has proved nothing, and *detail* says why it could not.
    """

    name: str
    passed: bool
    detail: str
    seconds: float
    skipped: bool = False


def verify(target: Target, *, write: bool) -> Iterator[Check]:
    """Every check in order, each as soon as it is known; stops where the next one could not mean anything."""
    with _client(target, login=False) as anonymous, _client(target, login=True) as user:
        if target.ingress != "all" and _turned_away(anonymous):
            yield Check(f"turns the internet away, as ingress {target.ingress} asks", True, "", 0.0)
            yield Check("lets a user in", False, f"this machine is not one of those let in; {INSIDE}", 0.0)
            return
        yield (health := _check("answers under its URL", lambda: _healthy(anonymous)))
        if not health.passed:
            return
        if target.mode == "none":
            yield _check(
                "lets everybody in, as auth mode none asks", lambda: _searches(anonymous, target.url)
            )
        else:
            yield _check(ANONYMOUS[target.mode == "iap"], lambda: _refused(anonymous, target))
        if target.elsewhere:
            yield _check("refuses a token for another address", lambda: _token_for_elsewhere(target))
        if target.behind_iam:
            yield _check("refuses a token without the login", lambda: _token_alone(target))
        if target.password:
            yield _check("refuses a wrong password", lambda: _wrong_password(target))
        if target.discovery_url:
            yield from _provider(anonymous, target)
            if not target.has_login:
                yield _check("refuses another site's page", lambda: _foreign_page(anonymous))
                yield Check(A_PERSON, passed=True, detail=NO_PERSON, seconds=0, skipped=True)
                return
        yield (
            login := _check(
                "lets a user in, with the page's own Host and Origin", lambda: _searches(user, target.url)
            )
        )
        yield _check("refuses another site's page", lambda: _foreign_page(user))
        if not login.passed or not write:
            return
        yield from _work(user)


def _provider(anonymous: httpx.Client, target: Target) -> Iterator[Check]:
    """What can be seen of logins at an identity provider without being a person who has one there."""
    url = target.discovery_url
    yield (found := _check("its identity provider describes itself", lambda: provider.describes_itself(url)))
    if found.passed:
        yield _check(
            "sends a visitor to the identity provider, and asks for the way back",
            lambda: provider.is_where_logins_go(anonymous, target.url, url, target.client_id),
        )
    yield _check("refuses a token that the identity provider has not signed", lambda: _forged(anonymous))


def _forged(client: httpx.Client) -> str:
    headers = {"Authorization": f"Bearer {provider.forged_token()}"}
    return _expect(client.post(f"{API}/experiments/search", json={"max_results": 1}, headers=headers), 401)


def _work(user: httpx.Client) -> Iterator[Check]:
    """A run with a metric and a large artifact: written, read back, and taken away again."""
    run: dict[str, str] = {}
    yield (made := _check("takes a run and a metric", lambda: _log_run(user, run)))
    if not made.passed:
        return
    size = f"{ARTIFACT_BYTES // 2**20} MiB"
    yield _check(
        f"takes an artifact of {size} and gives it back, byte for byte", lambda: _round_trip(user, run)
    )
    yield _check("deletes what this check made", lambda: _clean_up(user, run))


def _client(target: Target, *, login: bool) -> httpx.Client:
    host = httpx.URL(target.url).host
    headers = {"Host": host} if target.connect_to else {}
    auth = httpx.BasicAuth(target.username, target.password) if login and target.password else None
    if login and target.token:
        name = "X-Serverless-Authorization" if target.behind_iam else "Authorization"
        headers[name] = f"Bearer {target.token}"
    # An endpoint that stands in for Google Cloud is on this machine: a proxy from the environment cannot reach it.
    return httpx.Client(
        base_url=target.connect_to or target.url, headers=headers, auth=auth, timeout=TIMEOUT,
        http2=not target.connect_to, trust_env=not target.connect_to,
    )  # fmt: skip


def _check(name: str, look: Callable[[], str]) -> Check:
    """*look* says what is wrong, "" if nothing is."""
    began = time.monotonic()
    try:
        detail = look()
    except httpx.HTTPError as error:
        detail = f"no answer: {type(error).__name__}: {error}"
    except (ValueError, LookupError, TypeError) as error:
        detail = f"the answer is not MLflow's: {type(error).__name__}: {error}"
    return Check(name, not detail, detail, time.monotonic() - began)


def _healthy(client: httpx.Client) -> str:
    """It answers at all: /health is open where no front door of Google's stands before it."""
    answer = client.get("/health")
    return "" if answer.status_code in {200, 302, 401, 403} else _seen(answer)


def _turned_away(client: httpx.Client) -> bool:
    """Whether Google's own page stands where the server should: what it answers to those from outside."""
    try:
        return client.get("/health").status_code == 404
    except httpx.HTTPError:
        return False  # the checks say what is wrong


def _refused(client: httpx.Client, target: Target) -> str:
    answer = client.post(f"{API}/experiments/search", json={"max_results": 1}, headers={"Origin": target.url})
    if target.mode == "iap":
        there = httpx.URL(answer.headers.get("Location", "")).host
        return "" if (answer.status_code, there) == (302, "accounts.google.com") else _seen(answer)
    login_first = (target.password and not target.behind_iam) or target.discovery_url
    expected = 401 if login_first else 403
    return "" if answer.status_code in {401, expected} else _seen(answer)


def _token_for_elsewhere(target: Target) -> str:
    with _client(replace(target, token=target.elsewhere), login=True) as stranger:
        return _expect(stranger.post(f"{API}/experiments/search", json={"max_results": 1}), 401)


def _token_alone(target: Target) -> str:
    with _client(replace(target, password=""), login=True) as user:
        return _expect(user.post(f"{API}/experiments/search", json={"max_results": 1}), 401)


def _wrong_password(target: Target) -> str:
    wrong = replace(target, password="not-" + os.urandom(8).hex())
    with _client(wrong, login=True) as stranger:
        return _expect(stranger.post(f"{API}/experiments/search", json={"max_results": 1}), 401)


def _searches(client: httpx.Client, url: str) -> str:
    """What the page does first: a POST with the page's Origin, which a wrong CORS list refuses."""
    answer = client.post(
        "/ajax-api/2.0/mlflow/experiments/search", json={"max_results": 1}, headers={"Origin": url}
    )
    return _expect(answer, 200)


def _foreign_page(client: httpx.Client) -> str:
    headers = {"Origin": "https://elsewhere.example"}
    return _expect(
        client.post("/ajax-api/2.0/mlflow/experiments/search", json={"max_results": 1}, headers=headers), 403
    )


def _log_run(client: httpx.Client, run: dict[str, str]) -> str:
    experiment = _experiment(client)
    now = int(time.time() * 1000)
    made = client.post(
        f"{API}/runs/create", json={"experiment_id": experiment, "start_time": now, "run_name": "verify"}
    )
    if made.status_code != 200:
        return _seen(made)
    info = made.json()["run"]["info"]
    run.update(id=info["run_id"], artifacts=info["artifact_uri"])
    metric = {"run_id": run["id"], "key": "proof", "value": 0.5, "timestamp": now, "step": 1}
    noted = client.post(f"{API}/runs/log-metric", json=metric)
    if noted.status_code != 200:
        return _seen(noted)
    read = client.get(f"{API}/runs/get", params={"run_id": run["id"]})
    data: dict[str, Any] = read.json()["run"]["data"] if read.status_code == 200 else {}
    metrics: list[dict[str, Any]] = data.get("metrics", [])
    return (
        ""
        if [logged["value"] for logged in metrics] == [0.5]
        else f"the metric did not come back: {_seen(read)}"
    )


def _experiment(client: httpx.Client) -> str:
    found = client.get(f"{API}/experiments/get-by-name", params={"experiment_name": EXPERIMENT})
    if found.status_code == 200:
        experiment: dict[str, Any] = found.json()["experiment"]
        if experiment.get("lifecycle_stage") == "deleted":
            client.post(
                f"{API}/experiments/restore", json={"experiment_id": experiment["experiment_id"]}
            ).raise_for_status()
        return str(experiment["experiment_id"])
    made = client.post(f"{API}/experiments/create", json={"name": EXPERIMENT})
    made.raise_for_status()
    return str(made.json()["experiment_id"])


def _round_trip(client: httpx.Client, run: dict[str, str]) -> str:
    path = _artifact_path(run)
    seed = os.urandom(CHUNK)
    sent = hashlib.sha256()

    def body() -> Iterator[bytes]:
        for number in range(ARTIFACT_BYTES // CHUNK):
            piece = number.to_bytes(8, "big") + seed[8:]
            sent.update(piece)
            yield piece

    headers = {"Content-Length": str(ARTIFACT_BYTES), "Content-Type": "application/octet-stream"}
    up = client.put(path, content=body(), headers=headers)
    if up.status_code != 200:
        return f"going up: {_seen(up)}"
    came = hashlib.sha256()
    with client.stream("GET", path) as down:
        if down.status_code != 200:
            down.read()
            return f"coming down: {_seen(down)}"
        for piece in down.iter_bytes(CHUNK):
            came.update(piece)
    return "" if came.digest() == sent.digest() else "what came back is not what was sent"


def _clean_up(client: httpx.Client, run: dict[str, str]) -> str:
    gone = client.delete(_artifact_path(run))
    if gone.status_code not in {200, 204}:
        return _seen(gone)
    return _expect(client.post(f"{API}/runs/delete", json={"run_id": run["id"]}), 200)


def _artifact_path(run: dict[str, str]) -> str:
    root = run["artifacts"].removeprefix("mlflow-artifacts:").strip("/")
    return f"/api/2.0/mlflow-artifacts/artifacts/{root}/verify.bin"


def _expect(answer: httpx.Response, status: int) -> str:
    return "" if answer.status_code == status else _seen(answer)


def _seen(answer: httpx.Response) -> str:
    text = " ".join(answer.text[:200].split())
    return f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {text}"


def refuse_if_failed(checks: list[Check]) -> None:
    """Raise where a check did not hold."""
    failed = [check for check in checks if not check.passed]
    if failed:
        listed = "\n".join(f"- {check.name}: {check.detail}" for check in failed)
        raise errors.ReconcileError(f"{len(failed)} of {len(checks)} checks failed:\n{listed}")
