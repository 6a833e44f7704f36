"""Each trap of YAML has its own finding, at its place, with a way out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.spec import tree
from reconciler.spec.finding import Finding

Check = Callable[[str], list[Finding]]


@pytest.fixture(params=["C", "python"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every trap is caught with libyaml and with PyYAML's own parser, which machines without libyaml use."""
    import yaml

    monkeypatch.setattr(tree, "LOADER", yaml.CSafeLoader if request.param == "C" else yaml.SafeLoader)


VALUES = [
    # what stands after the four lines, line, column, key, part of the message, part of the way out
    ("memory: 1Gi\nmemory: 2Gi\n", 6, 1, "memory", "same key twice", "line 5"),
    ("scaling:\n  max_instances: 2\n  max_instances: 3\n", 7, 3, "scaling.max_instances", "twice", "line 6"),
    ("scaling:\n\tmax_instances: 2\n", 6, 1, "", "tab in the indentation", "two spaces"),
    ("scaling:\n  cpu_always_on: yes\n", 6, 18, "scaling.cpu_always_on", "yes is a boolean", "write true"),
    ("scaling:\n  cpu_always_on: Off\n", 6, 18, "scaling.cpu_always_on", "Off is a boolean", "write false"),
    ("labels:\n  env: no\n", 6, 8, "labels.env", "no is a boolean", '"no"'),
    ("database: {disk_gb: 010}\n", 5, 21, "database.disk_gb", "begins with a zero", "write 10"),
    ("database: {disk_gb: 0x10}\n", 5, 21, "database.disk_gb", "0x10 is a number", "number plainly"),
    ("database: {disk_gb: 1_0}\n", 5, 21, "database.disk_gb", "1_0 is a number", "number plainly"),
    ("database: {disk_gb: 1e2}\n", 5, 21, "database.disk_gb", "1e2 is a number", "number plainly"),
    ("database: {backups: {start_time: 13:00}}\n", 5, 34, "database.backups.start_time", "60", '"13:00"'),
    ("database: {backups: {start_time: 03:00}}\n", 5, 34, "database.backups.start_time", "60", '"03:00"'),
    ("labels: {since: 2026-01-02}\n", 5, 17, "labels.since", "a date", '"2026-01-02"'),
    ("labels: {cost: 4711}\n", 5, 16, "labels.cost", "a number (4711) where text", "quote it"),
    ("labels: {really: true}\n", 5, 18, "labels.really", "a boolean (true) where text", "quote it"),
    ("server: {env: {A: 8080}}\n", 5, 19, "server.env.A", "where text belongs", "in quotes"),
    (f"database: {{disk_gb: {'9' * 5000}}}\n", 5, 21, "database.disk_gb", "5000 digits", "quote it"),
    ("auth:\n", 5, 6, "auth", "has no value; a section", "or remove the line"),
    ("memory: ~\n", 5, 9, "memory", "has no value; text", '"512Mi"'),
    ("memory: !!python/object/apply:os.system [date]\n", 5, 9, "memory", "!!python/object", "remove the tag"),
    ("memory: !!str 1Gi\n", 5, 9, "memory", "the tag !!str", "quote what is text"),
    ("memory: !mine 1Gi\n", 5, 9, "memory", "a tag (!) has no meaning", "begins with !"),
    ("auth: &a\n  invokers: *a\n", 6, 13, "auth.invokers", "inside &a itself", "write it out"),
    ("memory: *gone\n", 5, 9, "memory", "no anchor (&) before it", "begins with *"),
    ("scaling: {<<: {max_instances: 1}}\n", 5, 11, "scaling", "merge keys (<<)", "write the keys out"),
    ("---\nversion: 1\n", 5, 1, "", "a second document", "a file of its own"),
    ("? [a, b]\n: 1\n", 5, 3, "", "a list or mapping as a key", "plain word"),
    ('labels: {"": x}\n', 5, 10, "labels", "without a key before it", "write the key"),
    ("labels: {: x}\n", 5, 10, "", "something is missing", "write it"),
    (": 1\n", 5, 1, "", "the indentation or the brackets do not fit", "align it"),
    ("scaling:\n   max_instances: 1\n  min_instances: 1\n", 7, 3, "", "the indentation", "align it"),
    ("memory: 'open\n", 5, 9, "", "a quote is not closed", "close the quote"),
    ("memory: [1, 2\n", 5, 9, "", "a bracket is not closed", "close the bracket"),
    ("memory: a: b\n", 5, 10, "", "a colon followed by a space", "quote the value"),
    ("memory: @x\n", 5, 9, "", "no value can begin with", "quote the value"),
    ("mem\u0007ory: 1\n", 5, 4, "", "U+0007", "delete the character"),
]


@pytest.mark.parametrize(("text", "line", "column", "key", "message", "way_out"), VALUES)
def test_a_trap_is_found_at_its_place_with_a_way_out(
    check_with: Check, text: str, line: int, column: int, key: str, message: str, way_out: str
) -> None:
    """One mistake in an otherwise valid spec is one finding, with line, column, key, reason and way out."""
    (found,) = check_with(text)
    assert (found.key, found.severity) == (key, "error")
    assert message in found.message
    assert way_out in found.way_out
    assert (found.line, found.column) == (line, column)


def test_every_tab_in_an_indentation_is_named_at_once(check_with: Check) -> None:
    """Somebody whose editor writes tabs learns all the lines in one go."""
    found = check_with("scaling:\n\tmax_instances: 2\n\tmin_instances: 1\n")
    assert [(finding.line, finding.column) for finding in found] == [(6, 1), (7, 1)]


def test_aliases_that_grow_without_end_are_stopped(check_with: Check) -> None:
    """A few lines that stand for billions of values are refused, quickly and by name."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (found,) = check_with("\n".join(lines))
    assert "more than 10000 keys and values once *a" in found.message


def test_deep_nesting_is_refused_and_does_not_recurse(check_with: Check) -> None:
    """A hundred thousand open brackets are one finding, not a stack overflow."""
    (found,) = check_with("labels: " + "[" * 100_000)
    assert found.line == 5
    assert found.column in (40, 1008)  # where we would stop; where libyaml does, which reads ahead
    assert "32 levels deep" in found.message


def test_a_line_that_is_used_twice_may_be_an_anchor(check_with: Check) -> None:
    """Ordinary anchors and aliases work; only their abuse is refused."""
    assert check_with("labels: {a: &team ml, b: *team}\n") == []


@pytest.mark.parametrize(
    ("text", "message"), [("", "is empty"), ("# a\n\n# b\n", "only comments"), ("---\n", "empty")]
)
def test_a_file_without_content_says_so(check_text: Check, text: str, message: str) -> None:
    """Empty, only comments, or only a document's beginning: the way out is `init`."""
    (found,) = check_text(text)
    assert message in found.message
    assert "mlflow-reconcile init" in found.way_out


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n", "42\n", '""\n'])
def test_what_is_no_mapping_is_one_finding(check_text: Check, text: str) -> None:
    """A list or a word at the top is not followed by complaints about missing keys."""
    (found,) = check_text(text)
    assert (found.line, found.column) == (1, 1)
    assert "not a mapping" in found.message


def test_an_error_deep_in_the_file_keeps_what_was_found_before(check_with: Check) -> None:
    """A tag on line 5 is reported although line 6 cannot be parsed."""
    found = check_with("memory: !!str x\ncpu: 'open\n")
    assert [finding.line for finding in found][:1] == [5]
    assert len(found) == 2


@pytest.mark.parametrize("escape", ["\\ud800", "\\ud800\\udc00", "\\U00110000", "\\UFFFFFFFF"])
def test_an_escape_that_is_no_character_is_refused(check_with: Check, escape: str) -> None:
    """Half a character could be neither printed nor sent."""
    (found,) = check_with(f'labels: {{a: "{escape}"}}\n')
    assert "escape" in found.message or "escape" in str(found)
    str(found).encode()


@pytest.mark.timeout(20)
def test_many_directives_are_refused(check_text: Check) -> None:
    """A parser compares each with all others: a megabyte of them would take ten seconds."""
    (found,) = check_text("".join(f"%TAG !e{number}! tag:x\n" for number in range(40_000)))
    assert found.line == 11
    assert "begin with %" in found.message


def test_what_a_finding_quotes_is_harmless_and_short(check_with: Check) -> None:
    """Escape sequences in keys do not reach the terminal, and a value of a megabyte is not repeated."""
    for text in ('labels: {"\\e[2J\u202e": x}\n', "cpu: " + "1:" * 100_000 + "1\n", "a" * 500 + ": 1\n"):
        said = "\n".join(map(str, check_with(text)))
        assert all(line.isprintable() for line in said.split("\n"))
        assert len(said) < 5_000


def test_not_every_one_of_thousands_of_findings_is_said(check_text: Check) -> None:
    """Also not where the file is not read to its end."""
    found = check_text("".join(f"k{number}: !!str x\n" for number in range(9_000)))
    assert len(found) == 101
    assert "more findings follow" in found[-1].message


@pytest.mark.parametrize("written", ["05.8.0.0/28", "10.8.00.0/28"])
def test_a_range_with_zeros_in_front_is_none(check_with: Check, written: str) -> None:
    """They would be octal to some readers; it is one finding."""
    (found,) = check_with(
        f"networking: {{database_ip: private, egress: connector, connector: {{range: {written}}}}}\n"
    )
    assert found.key == "networking.connector.range"
    assert "zero in front" in found.message
