"""What a person and a program need to get in, in one sentence for each mode."""

from __future__ import annotations

from typing import Final

from reconciler.spec.auth import Auth

BROWSER: Final = {
    "none": "open the address: nothing is asked",
    "basic": "open the address and give user name and password",
    "mlflow": "open the address and give a user name of MLflow's and its password",
    "iam": "not by itself: gcloud run services proxy makes the address open on this machine",
    "iap": "open the address and choose the Google account",
    "oidc": "open the address and log in at the provider",
}
PYTHON: Final = {
    "none": "MLFLOW_TRACKING_URI alone",
    "basic": "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "mlflow": "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "iam": "MLFLOW_TRACKING_TOKEN: an ID token of an invoker for the address, good for an hour",
    "iap": "MLFLOW_TRACKING_TOKEN: a JWT that a service account among the accessors has signed, good for an hour",
    "oidc": "MLFLOW_TRACKING_USERNAME, and an access token from the server's page as MLFLOW_TRACKING_PASSWORD",
}
BEHIND: Final = "and an invoker's ID token in the header X-Serverless-Authorization, see README, Logging in"


def browser_way(auth: Auth) -> str:
    """How a person gets in."""
    if auth.asks_iam and auth.mode != "iam":
        return (
            "not by itself: gcloud run services proxy adds the Google token, the page then asks for the login"
        )
    return BROWSER[auth.mode]


def python_way(auth: Auth) -> str:
    """How MLflow's client gets in."""
    way = PYTHON[auth.mode]
    return f"{way}, {BEHIND}" if auth.asks_iam and auth.mode != "iam" else way
