"""MLflow's application, imported faster and smaller than by itself; what uvicorn loads in each worker.

Measured with MLflow 3.17.2 on Python 3.11: 1.65 s and 227 MiB as it is, 1.17 s and 193 MiB so.
"""

import gc
import importlib
import os
import sys
import warnings
from typing import Any

from . import artifacts, provider
from .environment import OWN_USERS
from .probe import Probe, ask_mlflow

_ABSENT: Any = None
"""Python's own way to say that there is no such module."""


def _application() -> Any:
    if os.environ.get("FRONT_AUTH") == OWN_USERS:
        return importlib.import_module("mlflow.server.auth").create_app()
    if provider.chosen(os.environ):
        return importlib.import_module("serving.oidc_app").create()
    # Each search asks whether MLflow has users of its own, and imports what serves them to find out. While one request
    # does so for the first time, others find half a module, and fail. Here it is known that there are none.
    sys.modules["mlflow.server.auth"] = _ABSENT
    return importlib.import_module("mlflow.server.fastapi_app").app


# The import makes a million objects that all stay; looking through them again and again is a quarter of its time.
gc.disable()
# pandas takes pyarrow along where it is installed, and the server uses neither. Absent, nothing is lost but 35 MiB.
sys.modules["pyarrow"] = _ABSENT
try:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # about MLflow's use of other libraries: nobody who reads the log can act on it
        artifacts.install()
        app: Any = _application()
        artifacts.bound_answers()
finally:
    del sys.modules["pyarrow"]  # from now on whoever asks for it by name gets it
    gc.freeze()
    gc.enable()
app = Probe(app, ask_mlflow)
