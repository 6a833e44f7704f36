"""What Compute Engine refuses, in its words: missing, twice, malformed, not up to date, in use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Any, Final

from reconciler.sandbox.errors import ApiError

NAME: Final = r"(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")


def missing(name: str) -> ApiError:
    """The 404 for a resource, by its relative name."""
    return ApiError(404, f"The resource '{name}' was not found", reason="notFound")


def exists(name: str) -> ApiError:
    """The 409 for a second resource of a name."""
    return ApiError(409, f"The resource '{name}' already exists", reason="alreadyExists")


def not_ready(name: str) -> ApiError:
    """The 400 while another operation on the resource is under way."""
    return ApiError(400, f"The resource '{name}' is not ready", reason="resourceNotReady")


def in_use(kind: str, name: str, user: str) -> ApiError:
    """The error of deleting what *user* needs; *kind* is "network"."""
    text = f"The {kind} resource '{name}' is already being used by '{user}'"
    return ApiError(400, text, reason="resourceInUseByAnotherResource")


def invalid(field: str, value: Any, why: str) -> ApiError:
    """The 400 for a value: *field* is "resource.ipCidrRange", *why* a sentence."""
    return ApiError(400, f"Invalid value for field '{field}': '{value}'. {why}", reason="invalid")


def required(field: str) -> ApiError:
    """The 400 for a field that is not there."""
    return ApiError(400, f"Required field '{field}' not specified", reason="required")


def unusable(why: str) -> ApiError:
    """The 400 for what is well-formed and cannot be."""
    return ApiError(400, f"Invalid resource usage: '{why}'.", reason="invalidResourceUsage")


def not_met(text: str) -> ApiError:
    """The 412 for a fingerprint that is not the resource's."""
    return ApiError(412, text, reason="conditionNotMet", location=("If-Match", "header"))


def check_name(body: Mapping[str, Any], field: str = "resource.name") -> str:
    """The `name` of a body. Raises ApiError."""
    name = str(body.get("name", ""))
    if re.fullmatch(NAME, name) is None:
        raise invalid(field, name, f"Must be a match of regex '{NAME}'")
    return name


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise ApiError for a label that Google Cloud does not take."""
    for key, value in labels.items():
        if _LABEL_KEY.fullmatch(key) is None:
            raise invalid("resource.labels", key, "Label key is invalid.")
        if _LABEL_VALUE.fullmatch(value) is None:
            raise invalid("resource.labels", value, "Label value is invalid.")


def check_range(text: str, field: str) -> IPv4Network:
    """The IPv4 range that *text* writes. Raises ApiError."""
    try:
        found = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        why = "Must be a CIDR address range that is contained in the RFC1918 address blocks: [10.0.0.0/8, "
        raise invalid(field, text, f"{why}172.16.0.0/12, 192.168.0.0/16]") from error
    if str(found.network_address) != text.partition("/")[0]:
        # A range begins at its first address.
        raise invalid(field, text, f"{text} is not a valid CIDR range; did you mean {found}?")
    return found
