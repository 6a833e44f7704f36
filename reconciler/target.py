"""A deployed server as somebody meets it who is to prove that it works."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """The server to prove: its *url* and login *mode*, where to connect instead of resolving the URL, the login.

    *discovery_url* and *client_id* are for `oidc`, where this program has no login of its own: *username* and
    *password*, or *token*, are what somebody gave it.
    *username* and *password* are for `basic` and (the administrator's) `mlflow`; *token* is Google's, for `iam`, `iap`
    and what is *behind_iam*; *elsewhere* is such a token for another address, "" where none can be made.
    With an *ingress* other than `all` Google's front door turns the internet away, and whoever proves from there.
    """

    url: str
    mode: str
    connect_to: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    elsewhere: str = field(default="", repr=False)
    behind_iam: bool = False
    discovery_url: str = ""
    client_id: str = ""
    ingress: str = "all"

    @property
    def has_login(self) -> bool:
        """Whether there is something to log in with."""
        return bool(self.password or self.token)
