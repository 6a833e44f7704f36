"""What a container is started with."""

from pathlib import Path

import pytest

from reconciler.sandbox.runtime import images
from reconciler.sandbox.runtime.images import Image
from reconciler.sandbox.runtime.launch import Launch, Places, prepare
from reconciler.sandbox.runtime.processes import StartError
from reconciler.sandbox.runtime.revision import containers_of

DOCKERFILE = """FROM python:3
WORKDIR /app
COPY run.sh /app/run.sh
RUN chmod 755 run.sh
ENV HOME=/tmp CONFIG=/app/run.sh NOWHERE=/app/none PATH=/app:$PATH
ENTRYPOINT ["/app/run.sh"]
CMD ["serve", "--config=/app/run.sh"]
"""


@pytest.fixture(name="image")
def _image(top: Path) -> Image:
    """An image with one script."""
    context = top / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "run.sh").write_text("#!/bin/sh\n")
    return images.build(context, "Dockerfile", {}, top / "images", print)


def _launch(image: Image, top: Path, resolved: dict[str, str] | None = None, **container: object) -> Launch:
    folder = top / "run" / "abc"
    folder.mkdir(parents=True, exist_ok=True)
    places = Places(folder, {"/cloudsql": folder / "c"})
    (read,) = containers_of({"containers": [{"image": "i", **container}]})
    return prepare(image, read, resolved or {}, {"PORT": "4711"}, places, print)


def test_the_environment_is_the_images_the_revisions_and_the_platforms_only(
    image: Image, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of this machine's environment gets in."""
    monkeypatch.setenv("LEAK", "1")
    started = _launch(image, top, {"S": "x"}, env=[{"name": "A", "value": "1"}])
    assert set(started.env) == {"HOME", "CONFIG", "NOWHERE", "TMPDIR", "PATH", "A", "S", "PORT"}
    assert started.env["PORT"] == "4711"


def test_paths_of_the_image_and_of_mounts_mean_the_instances_own_folder(image: Image, top: Path) -> None:
    """Also /tmp; what the image does not hold stays as it is."""
    folder = top / "run" / "abc"
    script = str(folder / "root" / "app" / "run.sh")
    started = _launch(image, top, env=[{"name": "DB", "value": "postgresql://u@/d?host=/cloudsql/p:r:i"}])
    assert started.env["CONFIG"] == script
    assert started.env["NOWHERE"] == "/app/none"
    assert started.env["HOME"] == str(folder / "tmp")
    assert started.env["DB"] == f"postgresql://u@/d?host={folder}/c/p:r:i"
    assert started.arguments == (script, "serve", f"--config={script}")
    assert started.cwd == folder / "root" / "app"


def test_a_secret_is_passed_as_it_is(image: Image, top: Path) -> None:
    """A password may contain /tmp; only the mounts that the revision names itself are looked for."""
    started = _launch(image, top, {"PASSWORD": "a:/tmp /app/run.sh", "URI": "x?host=/cloudsql/p"})
    assert started.env["PASSWORD"] == "a:/tmp /app/run.sh"
    assert started.env["URI"] == f"x?host={top}/run/abc/c/p"


def test_the_revisions_words_replace_the_images(image: Image, top: Path) -> None:
    """Arguments alone replace CMD; a command sets the image's CMD aside, too."""
    assert _launch(image, top, args=["migrate"]).arguments[1:] == ("migrate",)
    assert _launch(image, top, command=["/bin/sh"]).arguments == ("/bin/sh",)


def test_python_is_that_of_the_images_environment(image: Image, top: Path) -> None:
    """By name, and by the path it has in Docker's image."""
    for word in ("python3", "/usr/local/bin/python3"):
        assert _launch(image, top, command=[word]).arguments[0].endswith("/bin/python3")
        assert "/environments/" in _launch(image, top, command=[word]).arguments[0]


def test_an_instances_changes_do_not_reach_the_image(image: Image, top: Path) -> None:
    """It works on a copy."""
    started = _launch(image, top)
    (started.cwd / "run.sh").write_text("changed")
    assert (image.root / "app" / "run.sh").read_text() == "#!/bin/sh\n"


@pytest.mark.parametrize(
    ("command", "reason"), [("no-such-program", "no such file"), ("/etc/passwd", "permission")]
)
def test_what_cannot_be_started_says_why(image: Image, top: Path, command: str, reason: str) -> None:
    """Before anything is started."""
    with pytest.raises(StartError, match=reason):
        _launch(image, top, command=[command])
