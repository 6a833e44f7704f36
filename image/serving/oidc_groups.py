"""Which groups a person belongs to, for a deployment that lets in everybody whom its provider lets in.

mlflow-oidc-auth lets in nobody who is in no group, and some providers (Google's is one) name no groups at all.
"""

import os
from typing import Any, Final

EVERYBODY: Final = "everybody"
"""Permissions can be given to this group in the plugin's pages, too."""


def get_user_groups(access_token: str, token_response: dict[str, Any]) -> list[str]:
    """What the plugin calls at each login, with the claims of an ID token that it has validated."""
    del access_token
    claims: dict[str, Any] = token_response.get("userinfo") or {}
    named: Any = claims.get(os.environ.get("OIDC_GROUPS_ATTRIBUTE") or "groups") or []
    groups: list[Any] = [named] if isinstance(named, str) else list(named)
    return [EVERYBODY, *(group for group in groups if isinstance(group, str) and group != EVERYBODY)]
