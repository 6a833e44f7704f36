"""How MLflow's server reaches artifacts in gs://: as streams, so that no artifact is ever whole in its memory.

By itself MLflow 3.17 writes each artifact into a temporary folder on its way, which is memory on Cloud Run, and offers
uploads in parts for which it cannot sign. Clients of any version that see no such offer send one plain upload.
"""

import asyncio
import importlib
import importlib.util
import json
import posixpath
from collections.abc import AsyncIterable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from . import bucket_streams
from .bucket_streams import Opened, Refused

AT_ONCE: Final = 64
"""Uploads on their way in one worker; the next one waits, and so does its client's connection."""
_AHEAD: Final = 2
"""Pieces of an answer by Flask that may wait for a slow client."""


def install() -> None:
    """Have MLflow use streams; to be called before its application is imported."""
    streaming = importlib.util.find_spec("mlflow.server.artifact_router") is not None
    registry = importlib.import_module("mlflow.store.artifact.artifact_repository_registry")
    repository = _repository(streaming=streaming)
    registry._artifact_repository_registry.register("gs", repository)
    if not streaming:
        return  # MLflow before 3.15: everything goes through Flask, which takes bodies whole
    _serve_downloads(repository)
    handlers: Any = importlib.import_module("mlflow.server.handlers")
    handlers._send_artifact = _sender(handlers, repository)


def bound_answers() -> None:
    """Have Flask's answers wait for slow clients instead of piling up; to be called when the application is there."""
    application: Any = importlib.import_module("mlflow.server.fastapi_app")
    if not hasattr(application, "_EfficientWSGIResponder"):
        return  # MLflow before 3.13
    anyio = importlib.import_module("anyio")
    stock = application._EfficientWSGIResponder

    class Bounded(stock):
        def __init__(self, app: Any, scope: Any) -> None:
            stock.__init__(self, app, scope)
            self.stream_send, self.stream_receive = anyio.create_memory_object_stream(_AHEAD)

    application._EfficientWSGIResponder = Bounded


class Contents:
    """A repository in gs:// as MLflow asks it: everything but the contents is done by its *stock* one.

    That one is not inherited from, because its uploads in parts would be, too.
    """

    def begin(self, stock: Any) -> None:
        """To be called first."""
        self._stock = stock
        self._uploads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Upload a file."""
        self._stock.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Upload a folder."""
        self._stock.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> Any:
        """What lies directly below *path*."""
        return self._stock.list_artifacts(path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete everything below."""
        self._stock.delete_artifacts(artifact_path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self._stock._download_file(remote_file_path, local_path)

    def log_artifact_from_stream(self, stream: Any, name: str, artifact_path: str | None = None) -> None:
        """Upload what can be read from *stream*."""
        self._send(iter(lambda: stream.read(bucket_streams.PIECE), b""), name, artifact_path)

    async def log_artifact_from_async_stream(
        self, chunks: AsyncIterable[bytes], name: str, artifact_path: str | None = None
    ) -> None:
        """Upload what a client sends."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._uploads, self._send, _pulled(chunks, loop), name, artifact_path)

    def _send(self, pieces: Iterator[bytes], name: str, folder: str | None) -> None:
        blob = self._blob(posixpath.join(folder or "", posixpath.basename(name)))
        _told(lambda: bucket_streams.upload(blob, pieces, _mime_type(name)))

    def opened(self, path: str) -> Opened:
        """The artifact at *path*, to be read."""
        return _told(lambda: bucket_streams.download(self._blob(path)))

    def _blob(self, path: str) -> Any:
        bucket, root = self._stock.parse_gcs_uri(self._stock.artifact_uri)
        return self._stock.client.bucket(bucket).blob(posixpath.join(root, path))


def _repository(*, streaming: bool) -> Any:
    """The class that stands for gs:// in MLflow's registry."""
    stores: Any = importlib.import_module("mlflow.store.artifact.artifact_repo")
    stock: Any = importlib.import_module("mlflow.store.artifact.gcs_artifact_repo").GCSArtifactRepository

    class Streams(Contents, stores.ArtifactRepository):
        def __init__(self, artifact_uri: str, **options: Any) -> None:
            stores.ArtifactRepository.__init__(self, artifact_uri, **options)
            self.begin(stock(artifact_uri, **options))

    if streaming:
        stores.StreamUploadMixin.register(Streams)
    return Streams


def _pulled(chunks: AsyncIterable[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """What comes in on the event loop, for a thread beside it: asked for piece by piece, so nothing piles up."""
    source = aiter(chunks)

    async def following() -> bytes:
        gathered = bytearray()
        while len(gathered) < bucket_streams.PIECE and (came := await anext(source, None)) is not None:
            gathered += came
        return bytes(gathered)

    while piece := asyncio.run_coroutine_threadsafe(following(), loop).result():
        yield piece


_T = TypeVar("_T")


def _told(work: Callable[[], _T]) -> _T:
    """The result of *work*; its refusals as MLflow's, whose clients try again where a second time may help."""
    try:
        return work()
    except Refused as error:
        exceptions = importlib.import_module("mlflow.exceptions")
        codes = importlib.import_module("mlflow.protos.databricks_pb2")
        code = {
            404: codes.RESOURCE_DOES_NOT_EXIST,
            408: codes.TEMPORARILY_UNAVAILABLE,
            429: codes.TEMPORARILY_UNAVAILABLE,
            502: codes.TEMPORARILY_UNAVAILABLE,
            503: codes.TEMPORARILY_UNAVAILABLE,
            504: codes.TEMPORARILY_UNAVAILABLE,
        }.get(error.status, codes.INTERNAL_ERROR)
        raise exceptions.MlflowException(f"Cloud Storage: {error}", error_code=code) from error


def _mime_type(path: str) -> str:
    return importlib.import_module("mlflow.utils.mime_type_utils")._guess_mime_type(path)


def _headers(path: str, found: Opened) -> dict[str, str]:
    """As MLflow sends them: always an attachment, so that no artifact becomes a page of this site."""
    handlers = importlib.import_module("mlflow.server.handlers")
    length = {} if found.size is None else {"Content-Length": str(found.size)}
    return {
        "Content-Type": _mime_type(path),
        "Content-Disposition": handlers._content_disposition_attachment(posixpath.basename(path)),
        "X-Content-Type-Options": "nosniff",
        **length,
    }


def _serve_downloads(repository: Any) -> None:
    """Put a download that streams in the place of MLflow's, below the same paths and checks."""
    own = importlib.import_module("mlflow.server.artifact_router")
    exceptions = importlib.import_module("mlflow.exceptions")
    responses = importlib.import_module("fastapi.responses")
    threads = importlib.import_module("starlette.concurrency")
    router, stock = own.artifact_router, own.download_artifact

    async def download_artifact(artifact_path: str) -> Any:
        """Answer with the artifact as it comes from the bucket."""
        found: Any = own._get_artifact_repo() if own._is_serving_proxied_artifacts() else None
        if not isinstance(found, repository):
            return await stock(artifact_path)
        try:
            path = own._get_workspace_scoped_path(own.validate_path_is_safe(artifact_path))
            opened = await threads.run_in_threadpool(found.opened, path)
        except exceptions.MlflowException as error:
            content = json.loads(error.serialize_as_json())
            return responses.JSONResponse(status_code=error.get_http_status_code(), content=content)
        return responses.StreamingResponse(opened.pieces, headers=_headers(path, opened))

    served = [route for route in router.routes if "GET" in route.methods]
    for route in served:
        router.routes.remove(route)
        router.add_api_route(route.path, download_artifact, methods=["GET"])


def _sender(handlers: Any, repository: Any) -> Callable[[Any, str], Any]:
    """MLflow's `_send_artifact` for what its pages download, without the temporary file where it is in gs://."""
    stock = handlers._send_artifact

    def send(artifact_repository: Any, path: str) -> Any:
        if not isinstance(artifact_repository, repository):
            return stock(artifact_repository, path)
        opened = artifact_repository.opened(path)
        return handlers.Response(opened.pieces, headers=_headers(path, opened))

    return send
