"""The page where a person chooses an account: what stands here for accounts.google.com.

It asks for no password: whoever reaches the sandbox may be anybody in it. As with the OAuth client that Google manages,
only people of the project's own organisation get through.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from reconciler.sandbox.iam import iap
from reconciler.sandbox.iam.identities import OPERATOR
from reconciler.sandbox.iam.policies import KIND as POLICY
from reconciler.sandbox.iam.policy_members import HOME
from reconciler.sandbox.runtime import iap_door, pages
from reconciler.sandbox.runtime.engine import SERVICE
from reconciler.sandbox.runtime.pages import Page
from reconciler.sandbox.world import Visit, World

PATH: Final = "/o/oauth2/v2/auth"
_HOSTS: Final = ("127.0.0.1", "localhost", "accounts.google.com")
_ADDRESS: Final = re.compile(r"[^@\s<>\"']+@[a-z0-9-]+(\.[a-z0-9-]+)+")
_STYLE: Final = (
    "body{font-family:sans-serif;background:#f0f4f9}main{background:#fff;border-radius:1.5em;margin:6em auto;"
    "max-width:26em;padding:2.5em}a{border-top:1px solid #dadce0;color:#1f1f1f;display:block;padding:1em 0;"
    "text-decoration:none}small{color:#5f6368}"
)


def serves(visit: Visit) -> bool:
    """Whether a request is for this page."""
    return visit.host in _HOSTS and visit.target.partition("?")[0] == PATH


def answer(world: World, visit: Visit) -> None:
    """Show the accounts; or send the browser back with a code for the one that was chosen."""
    query = {key: values[0] for key, values in parse_qs(visit.target.partition("?")[2]).items()}
    back = query.get("redirect_uri", "")
    if query.get("client_id") != iap.CLIENT or back not in set(_redirects(world)):
        pages.send(visit, _blocked(400, "redirect_uri_mismatch", "This app sent an invalid request"))
        return
    chosen = query.get("authuser", "").strip().lower()
    if not chosen:
        pages.send(visit, Page(200, _page(world, query)))
    elif not _ADDRESS.fullmatch(chosen) or chosen.endswith(".gserviceaccount.com"):
        pages.send(visit, _blocked(400, "invalid_account", "Couldn’t find your Google Account"))
    elif chosen.rpartition("@")[2] != HOME:
        why = f"This app is restricted to users within its organization, {HOME}."
        pages.send(visit, _blocked(403, "org_internal", why))
    else:
        code = iap_door.code_for(world, back, chosen)
        there = f"{back}?{urlencode({'state': query.get('state', ''), 'code': code})}"
        pages.send(visit, Page(302, "", (("Location", there),)))


def _redirects(world: World) -> Iterator[str]:
    """Where a browser may be sent back to: the services, under their names and on this machine's ports."""
    for _, stored in world.store.list(SERVICE):
        for url in stored["resource"].get("urls", ()):
            yield f"{url}{iap_door.CALLBACK}"
        if port := stored.get("localPort"):
            for host in ("127.0.0.1", "localhost"):
                yield f"http://{host}:{port}{iap_door.CALLBACK}"


def _people(world: World) -> list[str]:
    """The addresses of the organisation's people that any policy names, and the operator's."""
    policies: list[Mapping[str, Any]] = [body for _, body in world.store.list(POLICY)]
    members = {m for body in policies for binding in body.get("bindings", ()) for m in binding["members"]}
    people = {m.removeprefix("user:") for m in {*members, OPERATOR} if m.startswith("user:")}
    return sorted(one for one in people if one.endswith(f"@{HOME}"))


def _page(world: World, query: Mapping[str, str]) -> str:
    links = "".join(
        f'<a href="{PATH}?{html.escape(urlencode({**query, "authuser": email}))}">{html.escape(email)}</a>'
        for email in _people(world)
    )
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(key)}" value="{html.escape(value)}">'
        for key, value in query.items()
    )
    other = (
        f'<form action="{PATH}">{hidden}<input name="authuser" placeholder="ada@{HOME}" aria-label="Other account"> '
        "<button>Use another account</button></form>"
    )
    host = html.escape(urlsplit(query["redirect_uri"]).netloc)
    return (
        f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>Sign in</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>Choose an account</h1><p>to continue to {host}</p>{links}{other}"
        "<p><small>The sandbox’s stand-in for accounts.google.com: no password is asked for.</small></p>"
        "</main></body></html>"
    )


def _blocked(status: int, code: str, why: str) -> Page:
    text = (
        f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>Error</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>Access blocked</h1><p>{html.escape(why)}</p><p>Error {status}: {code}</p>"
        "</main></body></html>"
    )
    return Page(status, text)
