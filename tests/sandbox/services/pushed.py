"""A tiny image, pushed through Cloud Build, and the calls around it."""

import io
import tarfile
import time
from collections.abc import Mapping
from typing import Any

from tests.sandbox.calls import Answered, Cloud

REGION = "europe-west9"
APP = """
import http.server, json, os, sys, time

class Serve(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/exit":
            os._exit(3)
        if self.path == "/grow":
            held = bytearray(b"x") * (400 << 20)
            time.sleep(30)
        what = {"env": dict(os.environ), "argv": sys.argv[1:], "pid": os.getpid()}
        if "FOLDER" in os.environ:
            folder = os.environ["FOLDER"]
            what["folder"] = sorted(os.listdir(folder)) if os.path.isdir(folder) else None
        if "FILE" in os.environ:
            what["file"] = open(os.environ["FILE"]).read()
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

print("hello from the container", os.environ.get("GREETING", ""), flush=True)
if os.environ.get("EXIT"):
    sys.exit(int(os.environ["EXIT"]))
if "PORT" in os.environ:
    http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Serve).serve_forever()
"""
DOCKERFILE = (
    'FROM python:3-slim\nWORKDIR /app\nCOPY main.py .\nENV IMAGE_SAYS=hi\nCMD ["python", "/app/main.py"]\n'
)


def archive(files: Mapping[str, str]) -> bytes:
    """A .tgz of these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def prepare(cloud: Cloud) -> None:
    """A repository `images`, a bucket for sources, and the rights of the account that builds."""
    cloud.enable("cloudbuild")
    place = f"/v1/projects/{{P}}/locations/{REGION}/repositories"
    cloud.wait(cloud.ok("POST", f"{place}?repositoryId=images", {"format": "DOCKER"}))
    builder = f"serviceAccount:{cloud.number}-compute@developer.gserviceaccount.com"
    writer = {"role": "roles/artifactregistry.writer", "members": [builder]}
    cloud.ok("POST", f"{place}/images:setIamPolicy", {"policy": {"bindings": [writer]}})
    bucket = f"{cloud.project}-source"
    cloud.ok("POST", "/storage/v1/b?project={P}", {"name": bucket})
    policy = cloud.ok("GET", f"/storage/v1/b/{bucket}/iam")
    policy["bindings"].append({"role": "roles/storage.objectViewer", "members": [builder]})
    cloud.ok("PUT", f"/storage/v1/b/{bucket}/iam", policy)


def upload(cloud: Cloud, name: str, content: bytes) -> None:
    """Put a source into the bucket."""
    path = f"/upload/storage/v1/b/{cloud.project}-source/o?uploadType=media&name={name}"
    answered = cloud.call("POST", path, raw=content, headers={"Content-Type": "application/gzip"})
    assert answered.status == 200, answered.body


def build_body(cloud: Cloud, image: str, source: str) -> dict[str, Any]:
    """A build as the API takes it."""
    return {
        "source": {"storageSource": {"bucket": f"{cloud.project}-source", "object": source}},
        "steps": [{"name": "gcr.io/cloud-builders/docker", "args": ["build", "-t", image, "."]}],
        "images": [image],
    }


def reference(cloud: Cloud, tag: str = "1", package: str = "tiny") -> str:
    """An image of the repository."""
    return f"{REGION}-docker.pkg.dev/{cloud.project}/images/{package}:{tag}"


def build(cloud: Cloud, body: Mapping[str, Any]) -> dict[str, Any]:
    """The operation of a build, done."""
    return cloud.wait(cloud.ok("POST", f"/v1/projects/{{P}}/locations/{REGION}/builds", body))


def tiny_image(cloud: Cloud) -> str:
    """The reference of the tiny image, built in this project."""
    prepare(cloud)
    upload(cloud, "tiny.tgz", archive({"main.py": APP, "Dockerfile": DOCKERFILE}))
    done = build(cloud, build_body(cloud, reference(cloud), "tiny.tgz"))
    assert "error" not in done, done
    return reference(cloud)


def finished(cloud: Cloud, operation: Mapping[str, Any], version: str = "v2") -> dict[str, Any]:
    """A Cloud Run operation, done."""
    current = dict(operation)
    deadline = time.monotonic() + 60
    while not current.get("done"):
        assert time.monotonic() < deadline, current
        current = cloud.ok("POST", f"/{version}/{operation['name']}:wait", {"timeout": "5s"})
    return current


def local(cloud: Cloud, service: str, path: str = "/", headers: Mapping[str, str] | None = None) -> Answered:
    """A GET of the service through its own port."""
    services = cloud.ok("GET", "/sandbox/v1/status")["services"]
    (port,) = [
        int(one["local_url"].rsplit(":", 1)[-1])
        for one in services
        if one["project"] == cloud.project and one["name"] == service
    ]
    return Cloud(port).get(path, headers=headers or {})
