"""The error pages of Google's front end, which are HTML and no JSON."""

import html
from dataclasses import dataclass
from typing import Final

from reconciler.sandbox.world import Visit


@dataclass(frozen=True)
class Page:
    """An error page."""

    status: int
    content: str
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "text/html; charset=UTF-8"


def _page(status: int, title: str, text: str) -> str:
    head = (
        f"<meta http-equiv='content-type' content='text/html;charset=utf-8'>\n<title>{status} {title}</title>"
    )
    body = f"<h1>Error: {title}</h1>\n<h2>{text}</h2>\n<h2></h2>"
    colours = "text=#000000 bgcolor=#ffffff"
    return f"\n<html><head>\n{head}\n</head>\n<body {colours}>\n{body}\n</body></html>\n"


UNAVAILABLE: Final = Page(503, "Service Unavailable", kind="text/plain")
TIMED_OUT: Final = Page(504, "upstream request timeout", kind="text/plain")
TOO_MANY: Final = Page(429, "Rate exceeded.", kind="text/plain")
TOO_LARGE: Final = Page(
    413, _page(413, "Request Entity Too Large", "Your client issued a request that was too large.")
)
RESPONSE_TOO_LARGE: Final = Page(500, _page(500, "Server Error", "Response size was too large."))


def forbidden(target: str) -> Page:
    """For a caller who may not enter, or who did not say who it is."""
    text = f"Your client does not have permission to get URL <code>{_path(target)}</code> from this server."
    return Page(403, _page(403, "Forbidden", text))


def unauthorized(target: str) -> Page:
    """For a token that does not hold."""
    text = f"Your client does not have permission to the requested URL <code>{_path(target)}</code>."
    why = 'Bearer error="invalid_token" error_description="The access token could not be verified"'
    return Page(401, _page(401, "Unauthorized", text), (("WWW-Authenticate", why),))


def not_found(target: str) -> Page:
    """For a host without a service, or one that does not take traffic from outside."""
    text = f"The requested URL <code>{_path(target)}</code> was not found on this server."
    return Page(404, _page(404, "Page not found", text))


def send(visit: Visit, page: Page) -> None:
    """Answer with the page."""
    content = page.content.encode()
    headers = [("Content-Type", page.kind), ("Content-Length", str(len(content))), *page.headers]
    visit.respond(page.status, [*headers, ("Server", "Google Frontend")], content)


def _path(target: str) -> str:
    return html.escape(target.partition("?")[0])
