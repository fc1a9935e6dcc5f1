"""What a page says, found in its template: texts between tags, in attributes that are read out, and in expressions.

Nothing is marked in templates: whatever reads like words is a message, asked of the catalogue (`language`) when the
page is made, so that none can be forgotten. A message is the English text with `{1}`, `{2}` for what is filled in;
where the catalogue has none the English stays. What is no text is told by its looks (`reads_like_words`): identifiers,
paths and classes are one word in small letters, or have no letters at all.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from html import unescape

from jinja2 import Environment, nodes

Part = str | nodes.Expr
READ_OUT = re.compile(
    r"""(?:aria-label|placeholder|title|alt|data-confirm|data-offline-note|data-not-sent|data-filter-told|content)="$"""
)
"""Attributes whose value a person reads or hears; `content` is the description of a page."""
_NO_TEXT_ARGUMENTS = {
    "href", "kind", "icon_name", "type", "name", "id", "layout", "tone", "autocomplete", "inputmode", "link",
    "action_to", "list", "form", "style", "tz", "value", "attribute",
}  # fmt: skip
_OF_STRINGS = ("split", "replace", "startswith", "endswith", "removesuffix", "strip", "format")
_WORD = re.compile(r"[^\W\d_]{2,}")
_SILENT = ("script", "style", "svg", "code", "pre")


def reads_like_words(text: str) -> bool:
    """Whether a string of an expression is said to people: words, or one that begins in a capital."""
    bare = text.strip()
    if not _WORD.search(bare) or bare.startswith(("/", "#", "http", "data-", ".", "?", "&", "%", "<")):
        return False
    first = next(character for character in bare if character.isalpha())
    return (first.isupper() and not (bare.isupper() and "_" in bare)) or bool(re.search(r"[^\W\d_][,.:?!]?\s+\S", bare))


class Speaking(Environment):
    """An environment whose templates say what `say` makes of their messages.

    `say(message, *values)` answers in the reader's language, as markup where `message` is from a page's own text.
    """

    say: Callable[..., str]
    say_markup: Callable[..., str]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        _Rewriter().template(template)
        return template


def messages_of(environment: Environment, source: str) -> list[str]:
    """Every message of a template, in order, each once."""
    rewriter = _Rewriter()
    rewriter.template(Environment.parse(_plain(environment), source))
    return list(dict.fromkeys(rewriter.found))


def unsaid(environment: Environment, source: str) -> list[str]:
    """Words of a template's expressions that reach a page as they are, because nothing here knows what holds them.

    What is compared with something, looked up by, or asked of a string's own methods is no text.
    """
    template = Environment.parse(_plain(environment), source)
    _Rewriter().template(template)
    return [one for one in _constants(template) if reads_like_words(one) and "=" not in one]


def _constants(node: nodes.Node) -> Iterator[str]:
    match node:
        case nodes.Const(value=str(text)):
            yield text
        case nodes.Compare():
            return
        case nodes.Keyword(key=key) if key in _NO_TEXT_ARGUMENTS:
            return
        case nodes.Pair():
            yield from _constants(node.value)
        case nodes.Call(node=nodes.EnvironmentAttribute()):
            for value in node.args[1:]:
                yield from _constants(value)
        case nodes.Call(node=nodes.Getattr(attr=method)) if method in _OF_STRINGS:
            yield from _constants(node.node)
        case _:
            for child in node.iter_child_nodes():
                yield from _constants(child)


def _plain(environment: Environment) -> Environment:
    return Environment(  # noqa: S701 - nothing is rendered
        extensions=[type(one) for one in environment.extensions.values()],
        trim_blocks=environment.trim_blocks, lstrip_blocks=environment.lstrip_blocks,
    )  # fmt: skip


class _Rewriter:
    """Goes through a template in the order of its text, knowing whether it is in a tag, an attribute, or between."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._is_in_tag, self._quote, self._silent = False, "", ""
        self._tag = ""

    def template(self, template: nodes.Template) -> None:
        self._body(template.body)

    def _body(self, body: Sequence[nodes.Node]) -> None:
        for node in body:
            self._statement(node)

    def _statement(self, node: nodes.Node) -> None:
        match node:
            case nodes.Output():
                node.nodes = self._output(node.nodes)
            case nodes.If():
                before = self._state()
                self._body(node.body)
                after = self._state()
                branches: list[Sequence[nodes.Node]] = [*([one] for one in node.elif_), node.else_]
                for branch in branches:
                    self._restore(before)
                    self._body(branch)
                self._restore(after)
            case nodes.For():
                node.iter = self._expression(node.iter)
                self._body(node.body)
                self._body(node.else_)
            case nodes.Assign():
                node.node = self._expression(node.node)
            case nodes.CallBlock():
                call = self._said(node.call)
                assert isinstance(call, nodes.Call)  # noqa: S101 - a call stays one
                node.call = call
                self._aside(node.body)
            case nodes.Macro():
                node.defaults = [self._said(one) for one in node.defaults]
                self._aside(node.body)
            case nodes.Block() | nodes.AssignBlock() | nodes.FilterBlock() | nodes.With() | nodes.Scope():
                self._aside(node.body)

    def _expression(self, node: nodes.Node) -> nodes.Node:
        return self._said(node) if isinstance(node, nodes.Expr) else node

    def _aside(self, body: Sequence[nodes.Node]) -> None:
        before = self._state()
        self._restore((False, "", "", ""))
        self._body(body)
        self._restore(before)

    def _state(self) -> tuple[bool, str, str, str]:
        return self._is_in_tag, self._quote, self._silent, self._tag

    def _restore(self, state: tuple[bool, str, str, str]) -> None:
        self._is_in_tag, self._quote, self._silent, self._tag = state

    def _output(self, parts: Sequence[nodes.Node]) -> list[nodes.Expr]:
        """The nodes of an output with its texts as messages."""
        made: list[nodes.Expr] = []
        pending: list[Part] = []  # of the text, or of the attribute that is read out

        def flush(*, is_said: bool) -> None:
            made.extend(self._message(pending) if is_said else self._plainly(pending))
            pending.clear()

        for part in parts:
            if not isinstance(part, nodes.TemplateData):
                assert isinstance(part, nodes.Expr)  # noqa: S101 - an output holds expressions
                pending.append(part)
                continue
            for piece in re.split(r"""(<!--.*?-->|[<>"])""", part.data, flags=re.DOTALL):
                if not piece:
                    continue
                if self._silent and not (piece == "<" or self._is_in_tag):
                    pending.append(piece)
                    continue
                if not self._is_in_tag and piece == "<":
                    flush(is_said=not self._silent)
                    self._is_in_tag, self._tag = True, ""
                    pending.append(piece)
                elif self._is_in_tag and not self._quote and piece == ">":
                    pending.append(piece)
                    flush(is_said=False)
                    self._is_in_tag = False
                    self._enter(self._tag)
                elif self._is_in_tag and piece == '"':
                    if not self._quote:
                        pending.append(piece)
                        is_read = READ_OUT.search(self._tag + piece) and not (
                            self._tag.endswith("content=") and 'name="description' not in self._tag
                        )
                        self._quote = "said" if is_read else "kept"
                        if is_read:
                            flush(is_said=False)
                    else:
                        flush(is_said=self._quote == "said")
                        pending.append(piece)
                        self._quote = ""
                    self._tag += piece
                else:
                    if self._is_in_tag:
                        self._tag += piece
                    pending.append(piece)
        flush(is_said=(not self._is_in_tag and not self._silent) or self._quote == "said")
        return made

    def _enter(self, tag: str) -> None:
        name = re.match(r"/?\s*([a-zA-Z0-9]+)", tag)
        if name is None:
            return
        if name[0].startswith("/"):
            if name[1] == self._silent:
                self._silent = ""
        elif name[1] in _SILENT and not self._silent:
            self._silent = name[1]

    def _plainly(self, parts: Sequence[Part]) -> list[nodes.Expr]:
        # Values in attributes nobody reads are what they are.
        return [nodes.TemplateData(one) if isinstance(one, str) else self._in_text(one) for one in parts]

    def _in_text(self, value: nodes.Expr) -> nodes.Expr:
        return value if self._is_in_tag and self._quote != "said" else self._said(value)

    def _message(self, parts: Sequence[Part]) -> list[nodes.Expr]:
        words = "".join(one for one in parts if isinstance(one, str))
        if not _WORD.search(unescape(words)) or '="' in words or words.startswith("-"):
            return [nodes.TemplateData(one) if isinstance(one, str) else self._said(one) for one in parts]
        values: list[nodes.Expr] = []
        text = ""
        for one in parts:
            if isinstance(one, str):
                text += one
            else:
                values.append(self._said(one))
                text += f"{{{len(values)}}}"
        body = " ".join(text.split())
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        said = self._call("say_markup", body, values)
        edges = (nodes.TemplateData(before), said, nodes.TemplateData(after))
        return [one for one in edges if not isinstance(one, nodes.TemplateData) or one.data]

    def _call(self, how: str, message: str, values: Sequence[nodes.Expr]) -> nodes.Expr:
        self.found.append(message)
        return nodes.Call(nodes.EnvironmentAttribute(how), [nodes.Const(message), *values], [], None, None)

    def _said(self, value: nodes.Expr) -> nodes.Expr:
        """An expression whose value people read, or may."""
        match value:
            case nodes.Const(value=str(text)) if reads_like_words(text) or _joins(text):
                return self._around(text, [])
            case nodes.Concat():
                return self._concat(value)
            case nodes.CondExpr():
                value.expr1 = self._said(value.expr1)
                value.expr2 = self._said(value.expr2) if value.expr2 is not None else None
            case nodes.Tuple() | nodes.List():
                value.items = [self._said(one) for one in value.items]
            case nodes.Dict():
                for pair in value.items:
                    pair.value = self._said(pair.value)
            case nodes.Call():
                self._arguments(value)
            case nodes.Getitem():
                value.node = self._said(value.node)
            case nodes.Filter() if value.node is not None:
                value.node = self._said(value.node)
            case nodes.Or() | nodes.And():
                value.right = self._said(value.right)
            case nodes.Add():
                value.left, value.right = self._said(value.left), self._said(value.right)
        return value

    def _arguments(self, call: nodes.Call) -> None:
        if isinstance(call.node, nodes.Getattr):
            if call.node.attr in ("get", "append", "update"):
                call.args = [self._said(one) if call.node.attr != "get" or place else one
                             for place, one in enumerate(call.args)]  # fmt: skip
                call.node.node = self._said(call.node.node)
                return
            if call.node.attr in _OF_STRINGS:
                return
        call.args = [self._said(one) for one in call.args]
        for keyword in call.kwargs:
            if keyword.key not in _NO_TEXT_ARGUMENTS:
                keyword.value = self._said(keyword.value)

    def _concat(self, value: nodes.Concat) -> nodes.Expr:
        parts = value.nodes
        words = [one.value for one in parts if isinstance(one, nodes.Const) and isinstance(one.value, str)]
        joined = "\N{BULLET}".join(words)
        starts = isinstance(parts[0], nodes.Const) and str(parts[0].value).startswith(("/", "#", "?", "http"))
        if starts or not (_WORD.search(joined) and (reads_like_words(joined) or _is_sentence(parts))):
            value.nodes = [one if isinstance(one, nodes.Const) else self._said(one) for one in parts]
            return value
        values: list[nodes.Expr] = []
        text = ""
        for one in parts:
            if isinstance(one, nodes.Const):
                text += str(one.value)
            else:
                values.append(self._said(one))
                text += f"{{{len(values)}}}"
        return self._around(text, values)

    def _around(self, text: str, values: Sequence[nodes.Expr]) -> nodes.Expr:
        """A message of an expression, with the space around it as it was."""
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        said = self._call("say", text.strip(), values)
        edges = [nodes.Const(before)] if before else []
        return nodes.Concat([*edges, said, *([nodes.Const(after)] if after else [])]) if before or after else said


def _joins(text: str) -> bool:
    """A word between two values, such as " and "."""
    return bool(re.fullmatch(r"\s+[^\W\d_]{2,}\s+", text))


def _is_sentence(parts: Sequence[nodes.Expr]) -> bool:
    """A value with words after or before it, such as `count ~ " sessions left"`."""
    words = [str(one.value) for one in parts if isinstance(one, nodes.Const)]
    return any(re.search(r"(^|\s)[^\W\d_]{2,}(\s|[.,:?!]|$)", one) and " " in one for one in words)
