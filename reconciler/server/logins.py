"""What changing who logs in, and how, means for people; the plan says it."""

from __future__ import annotations

from reconciler.server import versions

LOGIN = {
    "basic": "one user name and password open everything; users whom MLflow knew are kept, but mean nothing",
    "mlflow": "MLflow asks users and decides what they may do; earlier logins end, an administrator lets others in",
    "none": "the server asks nobody for a login: whoever reaches it may read, change and delete everything",
    "oidc": "people log in at the identity provider; earlier logins end, programs need an access token of the server's",
}
"""What another way to log in means, by auth mode."""
NO_LOGIN = "the server itself asks nobody for a login any more"
SHARED = (
    "changes what every user may do with what nobody has shared with them or locked; a new revision starts"
)
IAP_ON = "Google's login page stands before the server; only accessors pass it"
IAP_OFF = "Google's login page no longer stands before the server"
MEMBERS = "changes who may log in; those who are logged in stay so until their session ends"
ADMINISTRATORS = "changes who administers users and permissions, for each from the next login on"


def streams(mode: str, version: str) -> bool:
    """Whether artifacts pass through an MLflow of *version* as they come: the plugin of oidc takes uploads whole."""
    return versions.streams(version) and mode != "oidc"


def effects(mode: str) -> dict[str, str]:
    """By variable of the server's environment, what it means to people when it changes, with auth *mode*."""
    return {
        "FRONT_AUTH": LOGIN.get(mode, NO_LOGIN),
        "MLFLOW_AUTH_DEFAULT_PERMISSION": SHARED,
        "DEFAULT_MLFLOW_PERMISSION": SHARED,
        "OIDC_GROUP_NAME": MEMBERS,
        "OIDC_ADMIN_GROUP_NAME": ADMINISTRATORS,
    }
