"""The metadata server of a container."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.sandbox.runtime.metadata import Subject, server
from reconciler.sandbox.world import Visit, World
from tests.sandbox.runtime.worlds import Answered, make_world, visit

EMAIL = "x@test-project.iam.gserviceaccount.com"
FLAVOR = {"Metadata-Flavor": "Google"}


@pytest.fixture(name="world")
def _world(top: Path) -> World:
    """A world to mint tokens in."""
    return make_world(top)


@pytest.fixture(name="serve")
def _serve(world: World) -> Callable[[Visit], None]:
    """The server of a container in Paris."""
    return server(world, Subject(EMAIL, "test-project", "123456789012", "europe-west9"))


def _get(serve: Callable[[Visit], None], path: str, **headers: str) -> Answered:
    return visit(serve, target=f"/computeMetadata/v1/{path}", headers={**FLAVOR, **headers})


def test_its_token_is_the_accounts(serve: Callable[[Visit], None], world: World) -> None:
    """The same one as long as it is fresh."""
    first = json.loads(_get(serve, "instance/service-accounts/default/token").body)
    assert world.identities.verify_access_token(first["access_token"]) == f"serviceAccount:{EMAIL}"
    assert first["token_type"] == "Bearer"
    assert 3300 < first["expires_in"] <= 3600
    again = json.loads(_get(serve, f"instance/service-accounts/{EMAIL}/token?scopes=x").body)
    assert again["access_token"] == first["access_token"]


def test_identity_tokens_are_for_the_audience_that_is_asked(
    serve: Callable[[Visit], None], world: World
) -> None:
    """Without an audience there is none."""
    token = _get(
        serve, "instance/service-accounts/default/identity?audience=https://a&format=full"
    ).body.decode()
    claims = world.identities.verify_id_token(token, ("https://a",))
    assert claims is not None
    assert claims["email"] == EMAIL
    assert _get(serve, "instance/service-accounts/default/identity").status == 400


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("project/project-id", "test-project"),
        ("project/numeric-project-id", "123456789012"),
        ("instance/region", "projects/123456789012/regions/europe-west9"),
        ("instance/service-accounts/default/email", EMAIL),
    ],
)
def test_facts_are_plain_texts(serve: Callable[[Visit], None], path: str, text: str) -> None:
    """With the header that clients look for."""
    answered = _get(serve, path)
    assert (answered.status, answered.body.decode()) == (200, text)
    assert answered.headers["Metadata-Flavor"] == "Google"


def test_the_recursive_form_is_what_googles_library_asks_first(serve: Callable[[Visit], None]) -> None:
    """google-auth reads e-mail and scopes from it."""
    whole = json.loads(_get(serve, "instance/service-accounts/default/?recursive=true").body)
    assert whole["email"] == EMAIL
    assert "https://www.googleapis.com/auth/cloud-platform" in whole["scopes"]


def test_the_header_is_demanded_and_forwarding_refused(serve: Callable[[Visit], None]) -> None:
    """So that no web page and no proxy can be talked into asking."""
    assert visit(serve, target="/computeMetadata/v1/project/project-id").status == 403
    assert _get(serve, "project/project-id", **{"X-Forwarded-For": "1.2.3.4"}).status == 403


def test_what_is_not_there_is_404(serve: Callable[[Visit], None]) -> None:
    """Other accounts, other paths."""
    assert _get(serve, "instance/service-accounts/other@x.iam.gserviceaccount.com/token").status == 404
    assert _get(serve, "instance/nothing").status == 404
