"""What a comparison does not look at: values that are random or that the recordings' authors rewrote.

A rule names fields, the shape that the value must have on both sides, and the reason. It never hides that a field is
there or not: presence is always compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

PRIVATE: Final = r"10\.\d+\.\d+\.0"
IPV4: Final = r"\d+\.\d+\.\d+\.\d+"
TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
ANY: Final = r"(?s).+"
NUMBER: Final = r"\d+"
UUID: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Rule:
    """Values of the fields that match *field* are equal where both match *shape*."""

    field: str
    """A pattern over "service kind field.path"; list indices are left out of the path."""
    shape: str
    reason: str
    recorded: str = ANY
    """What the recorded value must match besides, where only a value that the authors put in is not looked at."""


HIDDEN: Final = (
    Rule("* *Time", TIME, "a time of that day; the authors made all of them 2024-04-01"),
    Rule("* creationTimestamp", TIME, "a time of that day"),
    Rule("* updated", TIME, "a time of that day"),
    Rule("* timeCreated", TIME, "a time of that day"),
    Rule("* etag", ANY, "a hash that Google does not explain; the authors made them abcdef0123A="),
    Rule("* *.etag", ANY, "a hash that Google does not explain"),
    Rule("* *ingerprint", ANY, "a hash that Google does not explain"),
    Rule("* *Fingerprint*", ANY, "a hash that Google does not explain"),
    Rule("compute * id", NUMBER, "assigned at random"),
    Rule("compute * targetId", r"\d+|\$\{\w+\}", "assigned at random"),
    Rule("compute * user", r".+@.+", "who called; the authors put user@example.com"),
    Rule("cloudsql * user", r".+@.+", "who called"),
    Rule("run * *creator", r".+@.+|\$\{creatorID\}", "who called"),
    Rule("run * *lastModifier", r".+@.+", "who called"),
    Rule("run * generation", NUMBER, "the authors wrote this number for some", recorded="12345678901234"),
    Rule("iam * uniqueId", NUMBER, "assigned at random"),
    Rule("iam keys privateKeyData", ANY, "a key is made for each request"),
    Rule(
        "resourcemanager * *rojectNumber",
        rf"{NUMBER}|\$\{{projectNumber\}}",
        "assigned at random; that of a project which the case makes is another than that of the take's",
    ),
    Rule("iam * oauth2ClientId", NUMBER, "assigned at random"),
    Rule("serviceusage * *.uniqueId", NUMBER, "assigned at random"),
    Rule("compute addresses address", IPV4, "the authors made some of them this", recorded=r"8\.8\.8\.8"),
    Rule("compute addresses address", PRIVATE, "Google picks it where none is asked for", recorded=PRIVATE),
    Rule("compute subnetworks gatewayAddress", IPV4, "the authors made most this", recorded=r"10\.0\.0\.1"),
    Rule("compute networks internalIpv6Range", r"fd20:[0-9a-f:]+/48", "Google picks it"),
    Rule("* uid", ANY, "assigned at random"),
    Rule("* *.uid", ANY, "assigned at random"),
    Rule("cloudsql * settings.settingsVersion", NUMBER, "the authors wrote this everywhere", recorded="123"),
    Rule("cloudsql * serverCaCert.*", ANY, "a certificate is made for each instance"),
    Rule(
        "cloudsql * ipAddresses.ipAddress",
        IPV4,
        "Google gives it; the authors put these",
        recorded=r"10\.(1\.2\.3|10\.10\.1[01])",
    ),
    Rule("cloudsql * dnsName", ANY, "has the instance's random number in it"),
    Rule("cloudsql * gceZone", r"[a-z]+-[a-z]+\d+-[a-f]", "Google picks a zone of the region"),
    Rule("cloudsql * secondaryGceZone", r"[a-z]+-[a-z]+\d+-[a-f]", "Google picks a zone of the region"),
    Rule("cloudsql * settings.locationPreference.zone", r"[a-z]+-[a-z]+\d+-[a-f]", "Google picks a zone"),
    Rule(
        "cloudsql * satisfiesPzi", "True|False", "as the place is that Google picks: it differs between takes"
    ),
    Rule(
        "cloudsql * serviceAccountEmailAddress",
        r"p\S+-\w{6}@gcp-sa-cloud-sql\.iam\.gserviceaccount\.com",
        "has six random digits in it",
    ),
    Rule(
        "cloudsql * settings.backupConfiguration.startTime",
        r"\d\d:\d\d",
        "Google picks an hour; the authors wrote this",
        recorded="12:00",
    ),
    Rule(
        "servicenetworking * name",
        rf"operations/pssn\.p24-({NUMBER}|\$\{{projectNumber\}})-{UUID}",
        "an operation's number is drawn at random",
    ),
    Rule("monitoring * *mutatedBy", r".+@.+", "who called"),
    Rule("storage buckets *id", ANY, "the authors made it zeros", recorded="0+"),
    Rule("storage * generation", NUMBER, "a time in microseconds"),
    Rule(
        "compute networks peerings.network",
        r".+/networks/servicenetworking",
        "the producer's project is random",
    ),
    Rule("compute networks peerings.stateDetails", r"\[.+\]: Connected\.", "has a time in it"),
)


def hidden(where: str, recorded: Any, actual: Any) -> bool:
    """Whether a rule takes two values for equal; *where* is "service kind field.path"."""
    return any(
        fnmatchcase(where, rule.field)
        and isinstance(recorded, str | int)
        and type(recorded) is type(actual)
        and re.fullmatch(rule.shape, str(recorded)) is not None
        and re.fullmatch(rule.shape, str(actual)) is not None
        and re.fullmatch(rule.recorded, str(recorded)) is not None
        for rule in HIDDEN
    )


REWRITTEN: Final = (
    # The authors made v1 of beta in paths, selfLink and targetLink, and left the other links as they were.
    (r"https://www\.googleapis\.com/compute/(v1|beta)/", "https://www.googleapis.com/compute/v1/"),
)


def same_text(recorded: str) -> str:
    """A recorded text without what its authors rewrote in one place and not in another."""
    for pattern, plain in REWRITTEN:
        recorded = re.sub(pattern, plain, recorded)
    return recorded


UNORDERED: Final = {
    "resourcemanager * bindings": "IAM keeps no order",
    "resourcemanager * bindings.members": "IAM keeps no order",
    "iam * bindings": "IAM keeps no order",
    "iam * bindings.members": "IAM keeps no order",
    "storage * items": "ACLs have no order",
    "compute networks subnetworks": "the authors sorted them in some recordings; Google does not",
}


def unordered(where: str) -> bool:
    """Whether the order of a list means nothing."""
    return any(fnmatchcase(where, pattern) for pattern in UNORDERED)
