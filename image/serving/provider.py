"""What the image has to be told about the identity provider where people log in, in mode `oidc`."""

from collections.abc import Mapping
from typing import Final

OIDC: Final = "oidc"
_NEEDED: Final = {
    "OIDC_DISCOVERY_URL": "where the identity provider describes itself",
    "OIDC_CLIENT_ID": "what the identity provider calls this server",
    "OIDC_CLIENT_SECRET": "what the identity provider gave with the client id",
    "SECRET_KEY": "the key of browser sessions, the same in every instance",
    "DEFAULT_MLFLOW_PERMISSION": "what users may do with what nobody has shared",
}


def chosen(environ: Mapping[str, str]) -> bool:
    """Whether people log in at an identity provider."""
    return environ.get("FRONT_AUTH") == OIDC


def complaints(environ: Mapping[str, str]) -> list[str]:
    """What is missing for that, one sentence each."""
    if not chosen(environ):
        return []
    return [f"{name} is not set: {meaning}" for name, meaning in _NEEDED.items() if not environ.get(name)]
