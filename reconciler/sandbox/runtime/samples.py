"""The sample images that Google publishes and its guides deploy, made here of a few lines of Python each.

They answer to Google's names, do what Google's say they do, and have digests of their own.
"""

import tempfile
from pathlib import Path
from typing import Final

from reconciler.sandbox.runtime import images

_HELLO: Final = '''
import http.server, os, sys

PAGE = """<!doctype html>
<html lang="en"><head><title>Congratulations | Cloud Run</title></head>
<body><h1>It's running!</h1><p>Congratulations, you successfully deployed a container image to Cloud Run</p>
<p>Service: %s, revision: %s</p></body></html>
"""


class Serve(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = (PAGE % (os.environ.get("K_SERVICE", "???"), os.environ.get("K_REVISION", "???"))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args):
        pass


port = int(os.environ.get("PORT") or "8080")
server = http.server.ThreadingHTTPServer((os.environ.get("LISTEN_ADDRESS", ""), port), Serve)
print("Hello from Cloud Run! The container started successfully and is listening for HTTP requests on port", port)
sys.stdout.flush()
server.serve_forever()
'''
_JOB: Final = """
import os, random, sys, time

index, attempt = (os.environ.get(f"CLOUD_RUN_TASK_{name}", "0") for name in ("INDEX", "ATTEMPT"))
print(f"Starting Task #{index}, Attempt #{attempt}...", flush=True)
time.sleep(float(os.environ.get("SLEEP_MS") or "0") / 1000)
if random.random() < float(os.environ.get("FAIL_RATE") or "0"):
    sys.exit(f"Task #{index}, Attempt #{attempt} failed.")
print(f"Completed Task #{index}.", flush=True)
"""
_DOCKERFILE: Final = 'FROM python:3-slim\nCOPY main.py /main.py\nENTRYPOINT ["python", "/main.py"]\n'
PROGRAMS: Final = {
    "us-docker.pkg.dev/cloudrun/container/hello": _HELLO,
    "us-docker.pkg.dev/cloudrun/container/placeholder": _HELLO,
    "gcr.io/cloudrun/hello": _HELLO,
    "gcr.io/cloudrun/placeholder": _HELLO,
    "us-docker.pkg.dev/cloudrun/container/job": _JOB,
    "gcr.io/cloudrun/job": _JOB,
}


def pinned(folder: Path, reference: str) -> str | None:
    """A sample's reference by digest, its image made in the images' *folder* where it is not; None for any other."""
    _, at, digest = reference.partition("@")
    name = _name(reference)
    if name not in PROGRAMS:
        return None
    made = _made(folder, PROGRAMS[name])
    return f"{name}@{made}" if not at or digest == made else None


def published(reference: str) -> bool:
    """Whether everybody may pull the image, because it is one of these."""
    return _name(reference) in PROGRAMS


def _name(reference: str) -> str:
    return reference.partition("@")[0].removesuffix(":latest")


def _made(folder: Path, program: str) -> str:
    with tempfile.TemporaryDirectory(prefix="mlr-sample-") as work:
        context = Path(work)
        (context / "main.py").write_text(program)
        (context / "Dockerfile").write_text(_DOCKERFILE)
        return images.build(context, "Dockerfile", {}, folder, lambda _: None).digest
