"""IAM members as a spec may name them."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"[^\s@:,]+@[a-z0-9-]+(\.[a-z0-9-]+)+")
DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
KINDS = ("user", "group", "serviceAccount", "domain")
EVERYBODY = frozenset({"allUsers", "allAuthenticatedUsers"})


def complaint(member: str) -> tuple[str, tuple[str, ...]] | None:
    """What is wrong with *member* and the ways out; None when nothing is."""
    kind, _, name = member.partition(":")
    if member in EVERYBODY:
        message = f"{member} is everybody, so the server would be public while its mode says otherwise"
        return message, ("name who may call it", "choose mode none for a public server")
    if kind not in KINDS:
        same = [known for known in KINDS if known.lower() == kind.lower()]
        if same and name:
            return f"{kind}: is not a kind of member", (f"did you mean {same[0]}:{name}?",)
        way = (
            f"did you mean {_guess(member)}?"
            if ADDRESS.fullmatch(member.lower())
            else "write user:ada@acme.example"
        )
        return f"{member[:80]} does not say what it is: {', '.join(KINDS)}", (way,)
    if name != name.lower():
        message = "Google keeps members in lower case, so this one would always look changed"
        return message, (f"write {kind}:{name.lower()}",)
    if kind == "domain" and not DOMAIN.fullmatch(name):
        return f"{name[:80]} is not a domain", ("write domain:acme.example",)
    if kind != "domain" and not ADDRESS.fullmatch(name):
        return f"{name[:80]} is not an e-mail address", (f"write {kind}:name@acme.example",)
    if kind == "user" and name.endswith(".gserviceaccount.com"):
        return f"{name} is a service account, not a user", (f"write serviceAccount:{name}",)
    if kind == "serviceAccount" and not name.endswith(".gserviceaccount.com"):
        return f"{name} is not a service account", (f"write user:{name}", f"write group:{name}")
    return None


def _guess(address: str) -> str:
    kind = "serviceAccount" if address.endswith(".gserviceaccount.com") else "user"
    return f"{kind}:{address.lower()}"
