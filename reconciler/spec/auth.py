"""The section `auth` of a spec as a value. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AuthMode = Literal["none", "basic", "mlflow", "iam", "iap", "oidc"]
PASSWORD_MODES = ("basic", "mlflow")
Permission = Literal["NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE"]
"""What MLflow lets a user do with what is not his."""


@dataclass(frozen=True, slots=True)
class MlflowUsers:
    """MLflow's own users and permissions, for mode `mlflow`."""

    admin_username: str
    default_permission: Permission


@dataclass(frozen=True, slots=True)
class Oidc:
    """An OpenID Connect provider, for mode `oidc`. *client_secret* says where Secret Manager keeps it."""

    discovery_url: str
    client_id: str
    client_secret: str
    provider_name: str
    groups_claim: str
    users: tuple[str, ...]
    administrators: tuple[str, ...]
    default_permission: Permission


@dataclass(frozen=True, slots=True)
class Auth:
    """Who may use the server. *username* is for `basic`; *invokers* (for `iam`) and *accessors* (`iap`) are members."""

    mode: AuthMode
    acknowledge_public: bool
    username: str
    behind_iam: bool
    invokers: tuple[str, ...]
    accessors: tuple[str, ...]
    exclusive: bool
    mlflow: MlflowUsers
    oidc: Oidc

    @property
    def asks_iam(self) -> bool:
        """Whether Cloud Run itself lets only *invokers* through."""
        return self.mode == "iam" or (self.behind_iam and self.mode in PASSWORD_MODES)

    @property
    def public(self) -> bool:
        """Whether Cloud Run itself lets everybody through, so that the login, if any, is the server's own."""
        return not self.asks_iam and self.mode != "iap"
