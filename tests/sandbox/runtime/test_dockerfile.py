"""Reading Dockerfiles."""

import pytest

from reconciler.sandbox.runtime.dockerfile import DockerfileError, commands, expand, pairs, parse


def test_continued_lines_and_comments_make_one_instruction() -> None:
    """A backslash joins lines, also across a comment, and the number is that of the first line."""
    found = parse('# syntax=docker/dockerfile:1\nFROM python:3.11\nRUN a && \\\n  # why\n  b\nCMD ["x"]\n')
    assert [(one.line, one.keyword, one.text) for one in found] == [
        (2, "FROM", "python:3.11"),
        (3, "RUN", "a && b"),
        (6, "CMD", '["x"]'),
    ]


def test_flags_are_taken_off_the_front() -> None:
    """`--chown` and its like are flags; what follows is the text."""
    (only,) = parse("COPY --chown=1:1 --chmod=0755 a b")
    assert only.flag("chown") == "1:1"
    assert only.flag("chmod") == "0755"
    assert only.text == "a b"


def test_exec_form_is_a_list_of_words() -> None:
    """Only a JSON array is the exec form."""
    assert parse('CMD ["a", "b c"]')[0].array() == ["a", "b c"]
    assert parse("CMD a b")[0].array() is None


@pytest.mark.parametrize("text", ["", "RUN a \\", "RUN <<EOF\nx\nEOF\n", "1x y"])
def test_what_cannot_be_read_is_an_error(text: str) -> None:
    """An empty file, an unfinished line, a here-document and a non-word are refused."""
    with pytest.raises(DockerfileError):
        parse(text)


def test_variables_expand_with_defaults_and_alternatives() -> None:
    """The four forms that Docker documents, and the escape."""
    known = {"A": "1", "E": ""}
    assert expand("$A ${A} ${B:-d} ${A:+x} ${E:-e} $B \\$A", known) == "1 1 d x e  $A"


def test_pairs_take_both_forms_of_env() -> None:
    """`A=1 B="x y"` and the old `A x y`."""
    assert pairs('A=1 B="x y"') == {"A": "1", "B": "x y"}
    assert pairs("A x y") == {"A": "x y"}


def test_commands_are_split_at_and_and_semicolon() -> None:
    """Quotes hold words together."""
    assert commands('set -eux; mkdir -p "/a b" && true') == [
        ["set", "-eux"],
        ["mkdir", "-p", "/a b"],
        ["true"],
    ]


@pytest.mark.parametrize("line", ["a | b", "a > b", "a || b", "echo $(b)", "echo `b`", "(a)"])
def test_other_shell_syntax_is_refused(line: str) -> None:
    """What would need a shell is not guessed at."""
    with pytest.raises(DockerfileError):
        commands(line)
