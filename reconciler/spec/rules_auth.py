"""Rules about who may use the server: every combination of modes and members that means nothing, or something else."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem
from reconciler.spec.members import complaint

EXAMPLE = "[group:ml@acme.example]"
ALONE = {
    "none": "a server that asks for no login is behind IAM in mode iam",
    "iam": "iam is that already: it asks for an invoker's token, and for nothing after it",
    "iap": "Identity-Aware Proxy calls the server in a name of its own, so there are no invokers to ask for",
}
"""Why behind_iam goes with neither of these modes."""


def public_is_acknowledged(deployment: Deployment) -> Iterator[Problem]:
    """A server without login must be meant."""
    auth = deployment.auth
    if auth.mode == "none" and not auth.acknowledge_public:
        yield Problem(
            ("auth.mode", "auth.acknowledge_public"),
            "none lets everybody who can reach the server read, change and delete everything in it",
            ("choose mode basic or iam", "write acknowledge_public: true"),
        )
    if auth.mode != "none" and auth.acknowledge_public:
        yield Problem(
            ("auth.acknowledge_public", "auth.mode"),
            f"means nothing with mode {auth.mode}: the server is not public",
            ("remove acknowledge_public", "choose mode none"),
            "warning",
        )


def iam_stands_before_a_login(deployment: Deployment) -> Iterator[Problem]:
    """IAM as well as a login: for logins of the server's own, whose header it leaves alone."""
    auth = deployment.auth
    if auth.behind_iam and (why := ALONE.get(auth.mode)):
        other = "iap" if auth.mode == "iap" else "iam"
        yield Problem(
            ("auth.behind_iam", "auth.mode"),
            f"does not go with mode {auth.mode}: {why}",
            ("behind_iam: false", "choose mode basic" if other == auth.mode else f"choose mode {other}"),
        )


def somebody_may_call(deployment: Deployment) -> Iterator[Problem]:
    """A server that nobody may call is no use; members that nobody asks about are a mistake."""
    auth = deployment.auth
    if auth.asks_iam and not auth.invokers:
        what = "iam" if auth.mode == "iam" else "behind_iam"
        yield Problem(
            ("auth.mode" if auth.mode == "iam" else "auth.behind_iam", "auth.invokers"),
            f"{what} without invokers makes a server that nobody may call",
            (
                f"list who may, as in invokers: {EXAMPLE}",
                "choose mode basic" if what == "iam" else "behind_iam: false",
            ),
        )
    if auth.invokers and not auth.asks_iam and not (auth.behind_iam and auth.mode in ALONE):
        asked = "behind_iam: true" if auth.mode in {"basic", "mlflow"} else "choose mode iam"
        yield Problem(
            ("auth.invokers", "auth.mode"),
            f"means nothing with mode {auth.mode}: nobody is given anything",
            ("name them as accessors" if auth.mode == "iap" else asked, "remove invokers"),
            "warning",
        )


def somebody_may_log_in(deployment: Deployment) -> Iterator[Problem]:
    """The same of Identity-Aware Proxy and its accessors."""
    auth = deployment.auth
    if auth.mode == "iap" and not auth.accessors:
        yield Problem(
            ("auth.mode", "auth.accessors"),
            "iap without accessors makes a login page that nobody passes",
            (f"list who may, as in accessors: {EXAMPLE}", "choose mode basic"),
        )
    elif auth.mode == "iap" and not any(m.startswith("serviceAccount:") for m in auth.accessors):
        yield Problem(
            ("auth.accessors", "auth.mode"),
            "names no service account, so no program gets in: of programs Identity-Aware Proxy takes what a service "
            "account has signed; verify cannot log in either",
            (
                "add serviceAccount:NAME@PROJECT.iam.gserviceaccount.com",
                "leave it so where only browsers come",
            ),
            "warning",
        )
    if auth.mode != "iap" and auth.accessors:
        yield Problem(
            ("auth.accessors", "auth.mode"),
            f"means nothing with mode {auth.mode}: only iap asks for accessors",
            ("name them as invokers" if auth.asks_iam else "choose mode iap", "remove accessors"),
            "warning",
        )


def members_are_members(deployment: Deployment) -> Iterator[Problem]:
    """Each invoker and accessor is an IAM member as Google writes it."""
    for key, members in (("invokers", deployment.auth.invokers), ("accessors", deployment.auth.accessors)):
        for position, member in enumerate(members):
            if found := complaint(member):
                yield Problem((f"auth.{key}.{position}", "auth.mode"), *found)


def nobody_else_is_somebody(deployment: Deployment) -> Iterator[Problem]:
    """Taking roles away from others needs a role that is given."""
    auth = deployment.auth
    if auth.exclusive and auth.mode != "iap" and not auth.asks_iam:
        yield Problem(
            ("auth.exclusive", "auth.mode"),
            f"means nothing with mode {auth.mode}: no role lets anybody in",
            ("choose mode iam or iap", "remove exclusive"),
            "warning",
        )


RULES = (
    public_is_acknowledged,
    iam_stands_before_a_login,
    somebody_may_call,
    somebody_may_log_in,
    members_are_members,
    nobody_else_is_somebody,
)
