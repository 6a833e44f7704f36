"""The runner itself, on small recordings of our own: what it finds, what it fills in, and how it counts."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.__main__ import main
from tests.conformance.cloud import Sandbox, running
from tests.conformance.excuses import Excuse
from tests.conformance.recordings import Row, find, read
from tests.conformance.report import DIFFERENT, EQUAL, EXCUSED, LEFT_OUT, Figures, table
from tests.conformance.run import Choice, run

SECRET = "/v1/projects/${projectId}/secrets/one-${uniqueId}"
NAME = "projects/${projectNumber}/secrets/one-${uniqueId}"
TIME = "2024-04-01T12:34:56.123456Z"
SHOWN: dict[str, Any] = {"name": NAME, "createTime": TIME, "etag": "abc", "replication": {"automatic": {}}}


def pair(
    seq: int,
    method: str,
    path: str,
    answer: Any,
    *,
    status: int = 200,
    body: Any = None,
    query: Mapping[str, str] | None = None,
    host: str = "secretmanager",
    take: str = "a",
) -> dict[str, Any]:
    """One line of a recording."""
    url = f"https://{host}.googleapis.com{path}"
    return {
        "service": host,
        "kind": path.split("/")[4] if path.count("/") > 3 else "other",
        "case": "case",
        "seq": seq,
        "provenance": {"commit": take},
        "request": {"method": method, "url": url, "path": path, "query": query or {}, "body": body},
        "response": {"status": status, "body": answer},
    }


def create(answer: Any = SHOWN, **more: Any) -> dict[str, Any]:
    """The recorded creation of a secret."""
    collection, _, name = SECRET.rpartition("/")
    body: dict[str, Any] = {"replication": {"automatic": {}}}
    return pair(0, "POST", collection, answer, body=body, query={"secretId": name}, **more)


def rows_of(folder: Path, lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The lines, read back from a file."""
    (folder / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return read(folder)


@pytest.fixture(scope="module", name="sandbox")
def _sandbox() -> Generator[Sandbox]:
    with running() as sandbox:
        yield sandbox


def replayed(sandbox: Sandbox, folder: Path, *lines: Mapping[str, Any], **options: Any) -> Figures:
    """The figures of a recording."""
    return run(sandbox, rows_of(folder, lines), Choice(), **options)


def test_what_was_recorded_is_equal(sandbox: Sandbox, tmp_path: Path) -> None:
    """An answer that differs in times, etags and ids alone is equal."""
    figures = replayed(sandbox, tmp_path, create(), pair(1, "GET", SECRET, SHOWN))
    assert (figures.lines, figures.total[EQUAL]) == ([], 2)


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({**SHOWN, "labels": {"a": "b"}}, 'labels: recorded {"a": "b"}, sandbox absent'),
        ({key: value for key, value in SHOWN.items() if key != "createTime"}, "createTime: recorded absent"),
        ({**SHOWN, "name": "projects/x/secrets/y"}, 'name: recorded "projects/x/secrets/y"'),
        ({**SHOWN, "createTime": "yesterday"}, 'createTime: recorded "yesterday"'),
        ({**SHOWN, "replication": {"automatic": []}}, "replication.automatic: recorded []"),
    ],
    ids=["missing", "added", "value", "shape", "type"],
)
def test_a_different_field_is_found(sandbox: Sandbox, tmp_path: Path, answer: Any, field: str) -> None:
    """A field that is missing, added, of another value or of another type is a difference, hidden value or not."""
    figures = replayed(sandbox, tmp_path, create(), pair(1, "GET", SECRET, answer))
    assert figures.total[DIFFERENT] == 1
    assert field in figures.lines[0]


def test_a_different_status_is_found(sandbox: Sandbox, tmp_path: Path) -> None:
    """Nothing else is compared where the status is another one."""
    figures = replayed(sandbox, tmp_path, create(status=409, answer={"error": {"code": 409}}))
    assert [line.partition(", sandbox 200 ")[0].rpartition(": ")[2] for line in figures.lines] == [
        "recorded 409"
    ]


def test_an_error_body_is_compared(sandbox: Sandbox, tmp_path: Path) -> None:
    """The words of an error are part of an answer."""
    error = {"error": {"code": 404, "message": "Never heard of it.", "status": "NOT_FOUND"}}
    figures = replayed(sandbox, tmp_path, pair(0, "GET", SECRET, error, status=404))
    assert [line.partition(": ")[2].partition(":")[0] for line in figures.lines] == ["error.message"]


def test_what_the_server_assigned_is_used_later(sandbox: Sandbox, tmp_path: Path) -> None:
    """A placeholder in an answer's name stands for what the sandbox assigned, in the paths of later requests."""
    account = "/v1/projects/${projectId}/serviceAccounts/acc-${uniqueId}@${projectId}.iam.gserviceaccount.com"
    name = account.removeprefix("/v1/") + "/keys/${keyID}"
    key = {
        "name": name, "keyAlgorithm": "KEY_ALG_RSA_2048", "keyOrigin": "GOOGLE_PROVIDED", "keyType": "USER_MANAGED",
        "validAfterTime": TIME, "validBeforeTime": TIME,
    }  # fmt: skip
    figures = replayed(
        sandbox,
        tmp_path,
        pair(1, "POST", f"{account}/keys", {"name": name}, body={}, host="iam"),
        pair(2, "GET", f"{account}/keys/${{keyID}}", key, host="iam"),
    )
    assert [line for line in figures.lines if " 2 GET " in line] == []


def test_a_network_that_is_named_alone_is_the_one_that_was_shown(sandbox: Sandbox, tmp_path: Path) -> None:
    """A connector's request names its network without a path; where the take shows the first network, that is it."""
    network: dict[str, Any] = {
        "name": "${networkID}", "kind": "compute#network", "description": "Default network for the project",
    }  # fmt: skip
    place = "/v1/projects/${projectId}/locations/us-central1/connectors"
    sent = {"network": "${networkID}", "ipCidrRange": "10.8.0.0/28"}
    figures = replayed(
        sandbox,
        tmp_path,
        pair(
            0,
            "GET",
            "/compute/v1/projects/${projectId}/global/networks/${networkID}",
            network,
            host="compute",
        ),
        pair(1, "POST", place, {}, body=sent, query={"connectorId": "con"}, host="vpcaccess"),
        pair(2, "GET", f"{place}/con", {"network": "default"}, host="vpcaccess"),
    )
    told = [line.partition(": ")[2].partition(":")[0] for line in figures.lines if " 2 GET " in line]
    assert told
    assert not {"status", "network"} & set(told)


def test_what_was_there_before_is_made(sandbox: Sandbox, tmp_path: Path) -> None:
    """A take that begins with a thing which it does not make gets it, as the answer shows it, and says so."""
    told: list[str] = []
    shown = {**SHOWN, "labels": {"a": "b"}}
    figures = replayed(sandbox, tmp_path, pair(4, "GET", SECRET, shown), tell=told.append)
    assert (figures.lines, figures.total[EQUAL]) == ([], 1)
    assert [line for line in told if line.startswith("given before")]


def test_another_take_fills_the_gaps(sandbox: Sandbox, tmp_path: Path) -> None:
    """Writes that a take leaves out are carried out as the fullest other take of its case has them."""
    patch = pair(
        1,
        "PATCH",
        SECRET,
        {**SHOWN, "labels": {"a": "b"}},
        body={"labels": {"a": "b"}},
        query={"updateMask": "labels"},
    )
    shown = pair(2, "GET", SECRET, {**SHOWN, "labels": {"a": "b"}})
    deleted = pair(3, "DELETE", SECRET, {})
    short = [
        pair(2, "GET", SECRET, {**SHOWN, "labels": {"a": "b"}}, take="b"),
        pair(3, "DELETE", SECRET, {}, take="b"),
    ]
    told: list[str] = []
    figures = replayed(sandbox, tmp_path, create(), patch, shown, deleted, *short, tell=told.append)
    assert (figures.lines, figures.total[EQUAL]) == ([], 6)
    assert any("PATCH" in line and "as another take shows it" in line for line in told)


def test_a_difference_can_be_excused(sandbox: Sandbox, tmp_path: Path) -> None:
    """An excused pair counts as excused, and an excuse that excuses nothing is named."""
    wrong = pair(1, "GET", SECRET, {**SHOWN, "labels": {"a": "b"}})
    right = Excuse("secretmanager secrets * GET *", "labels", "because")
    idle = Excuse("secretmanager secrets * GET *", "colour", "because")
    figures = replayed(sandbox, tmp_path, create(), wrong, excused=(right, idle))
    assert (figures.lines, figures.total[EXCUSED], figures.total[EQUAL]) == ([], 1, 1)
    assert figures.unused() == [idle]


def test_an_excuse_covers_its_own_field_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    """One excused difference does not carry another one with it."""
    wrong = pair(1, "GET", SECRET, {**SHOWN, "labels": {"a": "b"}, "topics": []})
    figures = replayed(sandbox, tmp_path, create(), wrong, excused=(Excuse("*", "labels", "because"),))
    assert (figures.total[DIFFERENT], len(figures.lines)) == (1, 1)


def test_what_is_left_out_is_counted(sandbox: Sandbox, tmp_path: Path) -> None:
    """A kind that is left out is neither equal nor different, and its row stands in the table."""
    figures = replayed(sandbox, tmp_path, create(), left_out={"secretmanager secrets *": "not used"})
    assert figures.total == {LEFT_OUT: 1}
    assert table(figures)[1].split() == ["secretmanager", "secrets", "1", "0", "0", "0", "0", "1"]


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    """A broken recording is an error that says where."""
    (tmp_path / "own.jsonl").write_text('{"service": "x"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"own\.jsonl:1 is no recorded row"):
        read(tmp_path)


def test_a_line_that_is_no_row_is_told_and_the_rest_is_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program names what it could not read, and compares what it could."""
    text = '{"service": "x"}\n[]\n' + json.dumps(create()) + "\n"
    (tmp_path / "own.jsonl").write_text(text, encoding="utf-8")
    main(["--recordings", str(tmp_path), "--case", "case"])
    said = capsys.readouterr().out
    assert "Not read: own.jsonl:1 is no recorded row" in said
    assert "Not read: own.jsonl:2 is no recorded row" in said
    assert "Of 1 pairs compared: 1 equal" in said


def test_a_row_of_an_unforeseen_form_is_a_difference(sandbox: Sandbox, tmp_path: Path) -> None:
    """What the runner cannot ask is said of that row, and the next row is asked."""
    path = "/compute/v1/projects/${projectId}/global/networks/net-${uniqueId}"
    odd = pair(0, "GET", path, {"name": "net-${uniqueId}", "peerings": None}, host="compute")
    figures = replayed(sandbox, tmp_path, odd, {**create(), "seq": 1})
    assert figures.total == {DIFFERENT: 1, EQUAL: 1}
    assert "not asked: the runner cannot, for TypeError" in figures.lines[0]


def test_without_recordings_it_says_what_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No recordings are no failure, and the message says what they are and how to name them."""
    assert main(["--recordings", str(tmp_path / "none")]) == 0
    said = capsys.readouterr().out
    assert "RECORDINGS=FOLDER" in said
    assert "k8s-config-connector" in said


def test_the_real_recordings_are_answered_alike(sandbox: Sandbox) -> None:
    """Every difference from what the real APIs answered has its excuse, and every excuse its use."""
    folder = find()
    if folder is None:
        pytest.skip("there are no recordings beside this checkout")
    figures = run(sandbox, read(folder), Choice())
    assert figures.lines == []
    assert figures.unused() == []
