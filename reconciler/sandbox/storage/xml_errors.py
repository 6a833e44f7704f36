"""Errors of Cloud Storage's XML API: their codes and sentences, and what the JSON API's errors are called there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.world import Answer

DECLARATION: Final = "<?xml version='1.0' encoding='UTF-8'?>"
XML: Final = ("Content-Type", "application/xml; charset=UTF-8")
INVALID: Final = "Invalid argument."
SANDBOX: Final = "SandboxNotEmulated"


class XmlError(Exception):
    """An error answer of the XML API; *more* are further elements, such as ("StringToSign", "…")."""

    def __init__(
        self, status: int, code: str, message: str, details: str = "", more: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.more = more


def of(error: ApiError) -> XmlError:
    """What the XML API makes of an error that the JSON API has, too."""
    text = error.message
    if error.reason == "authError":
        return XmlError(401, "AuthenticationRequired", "Authentication required.", text)
    if error.status in (401, 403):
        if error.reason == "retentionPolicyNotMet":
            message = "Object overwrite or deletion is not allowed due to retention policy."
            return XmlError(403, "RetentionPolicyNotMet", message, text)
        if " is under active " in text:
            message = "Object overwrite or deletion is not allowed due to active hold on the object."
            return XmlError(403, "ObjectUnderActiveHold", message, text)
        return XmlError(403, "AccessDenied", "Access denied.", text)
    if error.status == 404 and text.startswith("The specified bucket"):
        return XmlError(404, "NoSuchBucket", text)
    if error.status == 404 and text.startswith("The upload session"):
        return XmlError(404, "NoSuchUpload", "The requested upload was not found.")
    if error.status == 404 and text.startswith("The sandbox"):
        return XmlError(404, SANDBOX, text)
    if error.status == 404:
        return XmlError(404, "NoSuchKey", "The specified key does not exist.", text)
    if error.status == 412:
        return XmlError(412, "PreconditionFailed", text)
    if text.startswith("Provided "):
        message = "The MD5 or CRC32C you specified did not match what we computed."
        return XmlError(400, "BadDigest", message, text)
    return XmlError(error.status, "InvalidArgument", INVALID, text)


def answer(error: XmlError) -> Answer:
    """The answer for *error*."""
    elements = [("Code", error.code), ("Message", error.message)]
    elements += [("Details", error.details)] if error.details else []
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in [*elements, *error.more])
    return Answer(error.status, f"{DECLARATION}<Error>{inner}</Error>".encode(), [XML])


def not_emulated(what: str) -> XmlError:
    """The answer to what the sandbox does not do: never a 5xx, which clients would retry."""
    return XmlError(404, SANDBOX, f"The sandbox does not emulate {what}.")
