"""YAML text as a tree with line numbers, built from the parser's flat events.

Built here rather than by PyYAML's composer because that one recurses (a deep file ends in RecursionError),
follows aliases without end, and lets later keys silently replace earlier ones. Nothing is ever constructed
from a tag, so no YAML can run code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, cast

import yaml

from reconciler.spec.finding import Finding, UnreadableError

DEEPEST = 32
"""Levels of nesting; the schema has four."""

MOST_NODES = 10_000
"""Keys and values, aliases counted as often as they are used. The longest sensible spec has some hundred."""

MOST_DIRECTIVES = 10
DIRECTIVE = re.compile("^%", re.MULTILINE)
SURROGATE = re.compile("[\ud800-\udfff]")

LOADER = cast(Any, yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)

NodeKind = Literal["scalar", "mapping", "sequence", "broken"]


@dataclass(frozen=True, slots=True)
class Node:
    """One YAML value. *line* and *column* count from 1.

    *children* of a mapping are key, value, key, value…. *size* counts this node and all below it. A broken
    node has been reported already and has no value.
    """

    kind: NodeKind
    line: int
    column: int
    text: str = ""
    plain: bool = False
    children: tuple[Node, ...] = ()
    size: int = 1


@dataclass(slots=True)
class _Open:
    """A mapping or sequence whose end has not come yet."""

    kind: NodeKind
    line: int
    column: int
    anchor: str | None
    tag: bool
    children: list[Node] = field(default_factory=list[Node])


@dataclass(slots=True)
class _Builder:
    """The state of one parse; lives only inside `parse`."""

    file: str
    open: list[_Open] = field(default_factory=list[_Open])
    anchors: dict[str, Node | None] = field(default_factory=dict[str, Node | None])
    findings: list[Finding] = field(default_factory=list[Finding])
    nodes: int = 0
    root: Node | None = None

    def report(self, line: int, column: int, message: str, way_out: str) -> None:
        self.findings.append(Finding(self.file, line, column, "", message, way_out))

    def add(self, node: Node) -> None:
        """Put a finished node into what is open around it. Raises UnreadableError past MOST_NODES."""
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = node


def parse(text: str, file: str) -> tuple[Node, list[Finding]]:
    """The one document in *text*, and what is wrong with it so far. Raises UnreadableError for none."""
    builder = _Builder(file)
    documents = 0
    _refuse_directives(text, file)
    try:
        for event in cast(Iterator[Any], yaml.parse(text, Loader=LOADER)):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    _second_document(builder, event)
                    break
            _take(builder, event)
    except yaml.YAMLError as error:
        raise UnreadableError(*builder.findings, *_syntax(error, text, file)) from error
    except (ValueError, OverflowError) as error:  # PyYAML's own parser, of an escape beyond Unicode
        message = "an escape (\\U) that stands for no character"
        raise UnreadableError(
            *builder.findings, Finding(file, 1, 1, "", message, "write the character")
        ) from error
    root = builder.root
    if root is None or (root.kind == "scalar" and root.plain and root.text == ""):
        raise UnreadableError(*builder.findings, _nothing(text, file))
    return root, builder.findings


def _refuse_directives(text: str, file: str) -> None:
    """Raise UnreadableError for many directives: the parser compares each with all others, for minutes."""
    found = list(islice(DIRECTIVE.finditer(text), MOST_DIRECTIVES + 1))
    if len(found) > MOST_DIRECTIVES:
        line = text.count("\n", 0, found[-1].start()) + 1
        message = f"more than {MOST_DIRECTIVES} lines that begin with %, YAML's directives"
        raise UnreadableError(Finding(file, line, 1, "", message, "remove them; a spec needs none"))


def _take(builder: _Builder, event: Any) -> None:
    """Let one event of the parser change *builder*."""
    line, column = int(event.start_mark.line) + 1, int(event.start_mark.column) + 1
    if isinstance(event, yaml.ScalarEvent):
        _count(builder, 1, line, column, "")
        anchor, text, style = cast(Any, event).anchor, str(cast(Any, event).value), cast(Any, event).style
        tagged = _tagged(builder, event, line, column)
        if SURROGATE.search(text):  # only PyYAML's own parser lets one through
            builder.report(
                line, column, "an escape (\\u) that stands for no character", "write the character"
            )
            text, tagged = "", True
        node = Node("broken" if tagged else "scalar", line, column, text, plain=not style)
        _finish(builder, node, anchor)
    elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        _count(builder, 1, line, column, "")
        if len(builder.open) >= DEEPEST:
            message = f"nested more than {DEEPEST} levels deep"
            raise UnreadableError(
                *builder.findings, Finding(builder.file, line, column, "", message, "check the brackets")
            )
        anchor = event.anchor
        if anchor is not None:
            builder.anchors[anchor] = None
        kind: NodeKind = "mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence"
        builder.open.append(_Open(kind, line, column, anchor, _tagged(builder, event, line, column)))
    elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
        done = builder.open.pop()
        size = 1 + sum(child.size for child in done.children)
        kind = "broken" if done.tag else done.kind
        _finish(
            builder, Node(kind, done.line, done.column, children=tuple(done.children), size=size), done.anchor
        )
    elif isinstance(event, yaml.AliasEvent):
        builder.add(_alias(builder, str(event.anchor), line, column))


def _finish(builder: _Builder, node: Node, anchor: str | None) -> None:
    if anchor is not None:
        builder.anchors[anchor] = node
    builder.add(node)


def _count(builder: _Builder, nodes: int, line: int, column: int, why: str) -> None:
    """Add to the number of nodes. Raises UnreadableError past MOST_NODES."""
    builder.nodes += nodes
    if builder.nodes > MOST_NODES:
        message = f"holds more than {MOST_NODES} keys and values{why}"
        found = Finding(builder.file, line, column, "", message, "check that this is the spec")
        raise UnreadableError(*builder.findings, found)


def _alias(builder: _Builder, anchor: str, line: int, column: int) -> Node:
    """What `*anchor` stands for."""
    if anchor not in builder.anchors:
        message = "an alias (*) for which there is no anchor (&) before it"
        builder.report(line, column, message, "write the value out, or quote it if it begins with *")
        return Node("broken", line, column)
    target = builder.anchors[anchor]
    if target is None:
        builder.report(line, column, f"*{anchor} stands inside &{anchor} itself, without end", "write it out")
        return Node("broken", line, column)
    _count(builder, target.size, line, column, f" once *{anchor} and the like are expanded")
    return Node(target.kind, line, column, target.text, target.plain, target.children, target.size)


def _tagged(builder: _Builder, event: Any, line: int, column: int) -> bool:
    """Whether a tag was written, which is reported: a spec needs none, and tags are how YAML runs code."""
    tag = cast("str | None", event.tag)
    if tag is None:
        return False
    known = "tag:yaml.org,2002:"
    said = f"the tag {tag.replace(known, '!!')}" if tag.startswith(known) else "a tag (!)"
    way_out = "remove the tag, and quote what is text or begins with !"
    builder.report(line, column, f"{said} has no meaning in a spec", way_out)
    return True


def _second_document(builder: _Builder, event: Any) -> None:
    mark = event.start_mark
    message = "a second document begins here (---); a spec holds one deployment"
    builder.report(int(mark.line) + 1, int(mark.column) + 1, message, "move it to a file of its own")


def _nothing(text: str, file: str) -> Finding:
    comments = any(line.lstrip().startswith("#") for line in text.splitlines())
    message = "holds only comments" if comments else "is empty"
    return Finding(file, 1, 1, "", message, f"mlflow-reconcile init {file} writes one to start from")


PLAINER = (
    (
        "mapping values are not allowed",
        "a colon followed by a space stands where no key can be",
        "quote the value that holds it, or check the indentation",
    ),
    ("could not find expected ':'", "a key without its colon", "write it as key: value"),
    ("expected key", "the indentation or the brackets do not fit", "align it with its neighbours"),
    ("expected <block end>", "the indentation or the brackets do not fit", "align it with its neighbours"),
    ("expected '-' indicator", "the list ends in the middle", "align its dashes"),
    ("expected ',' or", "a bracket is not closed, or a comma is missing", "close the bracket"),
    ("unexpected end of stream", "a quote is not closed", "close the quote"),
    ("expected node content", "something is missing before this", "write it, or remove the line"),
    ("expected the node content", "something is missing before this", "write it, or remove the line"),
    ("maximum nesting depth", f"nested more than {DEEPEST} levels deep", "check the brackets"),
    ("cannot start any token", "a character that no value can begin with", "quote the value"),
)
"""libyaml's and PyYAML's words for what people get wrong most, in ours."""

AT_THE_BEGINNING = ("expected ',' or", "unexpected end of stream")
"""What is better shown where the bracket or quote was opened than where the parser gave up."""


def _syntax(error: yaml.YAMLError, text: str, file: str) -> list[Finding]:
    """What stopped the parser. Tabs are named first, all of them, since they cause most of the rest."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return [Finding(file, 1, 1, "", f"is not YAML: {error}", "check the first lines")]
    mark: Any = error.problem_mark or error.context_mark
    line, column = (int(mark.line) + 1, int(mark.column) + 1) if mark is not None else (1, 1)
    if tabs := _tabs(text, line):
        return [
            Finding(
                file, at, column, "", "a tab in the indentation, which YAML forbids", "indent by two spaces"
            )
            for at, column in tabs
        ]
    problem = str(error.problem or error.context or "is not YAML")
    if any(words in problem for words in AT_THE_BEGINNING) and error.context_mark is not None:
        line, column = int(error.context_mark.line) + 1, int(error.context_mark.column) + 1
    for words, message, way_out in PLAINER:
        if words in problem:
            return [Finding(file, line, column, "", message, way_out)]
    return [Finding(file, line, column, "", f"is not YAML: {problem}", "check this line and the one before")]


def _tabs(text: str, stopped: int) -> list[tuple[int, int]]:
    """Lines and columns of tabs in indentation, up to 20, if there is one near the line that *stopped* us."""
    found: list[tuple[int, int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        if "\t" in indent and line.strip():
            found.append((number, indent.index("\t") + 1))
    return found[:20] if any(stopped - 1 <= number <= stopped for number, _ in found) else []
