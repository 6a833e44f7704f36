"""Monitoring's filters: comparisons joined by AND, each of a metric's or a resource's type or label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.measuring.metrics import METRICS, RESOURCES, WATCHED
from reconciler.sandbox.monitoring_forms import invalid

_TERM: Final = re.compile(
    r"""\s*(?P<path>[a-z_]+(?:\.[A-Za-z_]+|\."[^"]+")*)\s*(?P<operator>!=|=|:)\s*
    (?P<value>"[^"]*"|[A-Za-z_]+\([^)]*\)|[^\s()"]+)\s*(?:AND\b)?""",
    re.VERBOSE,
)
_FUNCTION: Final = re.compile(r"(?P<name>one_of|starts_with|ends_with|has_substring)\((?P<arguments>.*)\)")
_PATH: Final = re.compile(r"(?P<of>metric|resource)\.(?:type|labels?\.\"?(?P<label>[^\"]+)\"?)")
NO_COMBINATION: Final = (
    "The supplied filter does not specify a valid combination of metric and monitored resource descriptors. "
    "The query will not return any time series."
)


@dataclass(frozen=True)
class Term:
    """One comparison: of the metric's or the resource's *label* ("type" for its type), with *texts* by *operator*."""

    of: str
    label: str
    operator: str
    """"=", "!=", or the name of a function."""
    texts: tuple[str, ...]

    def holds(self, value: str) -> bool:
        """Whether a label with *value* passes."""
        first = self.texts[0]
        tests: Mapping[str, bool] = {
            "=": value == first,
            "!=": value != first,
            "one_of": value in self.texts,
            "starts_with": value.startswith(first),
            "ends_with": value.endswith(first),
            "has_substring": first in value,
        }
        return tests[self.operator]


def parse(text: str) -> tuple[Term, ...] | None:
    """The comparisons of a filter; None where it says more than the sandbox understands (OR, NOT, brackets)."""
    terms: list[Term] = []
    at = 0
    while at < len(text.rstrip()):
        found = _TERM.match(text, at)
        path = _PATH.fullmatch(found["path"]) if found else None
        if found is None or path is None:
            return None
        at = found.end()
        operator, texts = found["operator"].replace(":", "has_substring"), (found["value"].strip('"'),)
        if function := _FUNCTION.fullmatch(found["value"]):
            operator, texts = function["name"], tuple(re.findall(r'"([^"]*)"', function["arguments"]))
        terms.append(Term(path["of"], path["label"] or "type", operator, texts or ("",)))
    return tuple(terms)


def check(field: str, text: str) -> None:
    """Raise ApiError for a filter of a condition that Google refuses; *field* is what holds it."""
    for what, page in (("metric.type", "metrics"), ("resource.type", "resources")):
        if what not in text:
            raise invalid(
                field,
                text,
                f'must specify a restriction on "{what}" in the filter; see '
                f'"https://cloud.google.com/monitoring/api/{page}" for a list of available '
                f"{'metric' if page == 'metrics' else 'resource'} types.",
            )
    terms = parse(text)
    if terms is not None:
        _check_terms(field, text, terms)


def _check_terms(field: str, text: str, terms: tuple[Term, ...]) -> None:
    metric, resource = type_of(terms, "metric"), type_of(terms, "resource")
    known = METRICS.get(metric)
    if known is None:
        if metric.startswith(WATCHED):
            raise ApiError(
                404,
                f'Cannot find metric(s) that match type = "{metric}". If a metric was created recently, '
                "it could take up to 10 minutes to become available. Please try again soon.",
            )
        return
    labels = {"metric": known.labels, "resource": RESOURCES.get(resource, frozenset[str]())}
    unknown = [term for term in terms if term.label != "type" and term.label not in labels[term.of]]
    if resource not in known.resources or unknown:
        raise invalid(field, text, NO_COMBINATION)


def type_of(terms: tuple[Term, ...], of: str) -> str:
    """The type that a filter asks for, "" where it does not say which one."""
    return next((t.texts[0] for t in terms if (t.of, t.label, t.operator) == (of, "type", "=")), "")
