"""Which messages customers may read, gathered from templates and from Python; `python -m operational_api.web.messages`
brings the files in `locale/` up to date: new ones without a translation, gone ones dropped.

From scripts, also those in templates, comes what is given to `word("…")`. From Python come the docstrings of refusals
and what they say instead where they are raised, what is told after a form was sent (`flash`, `told`), words given to
`word`, and names of the menu. A value in an f-string is `{1}`. Tables of words in modules of pages are shown by the
filter `retold`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from operational_api.web.language import LANGUAGES, LOCALE, SOURCE, told
from operational_api.web.rendering import make_environment
from operational_api.web.wording import messages_of, reads_like_words

_WORDS = re.compile(r"[^\W\d_]{2,}")
PACKAGE = Path(__file__).parents[1]
STAFF_TEMPLATES = (
    "engagement/announcements", "engagement/lead", "gateway/no_", "gateway/quality", "integrations/_webhook",
    "integrations/webhook", "scheduling/_class", "scheduling/_effect", "scheduling/_terms", "scheduling/availability",
    "scheduling/class", "scheduling/studio", "staff/", "training/coaching", "training/template", "web/api_docs",
    "web/design",
)  # fmt: skip
"""Beginnings of the names of pages that only staff and those who build see: English."""
STAFF_MODULES = (
    "analytics", "automation", "staff", "engagement/lead_pages", "integrations/outgoing", "integrations/crm",
    "integrations/service/connectors", "scheduling/class_pages", "scheduling/hours_pages", "scheduling/studio_pages",
    "training/pages/coaching", "training/pages/templates", "training/pages/exercises", "gateway/errors",
    "gateway/caching", "migrations", "web/messages", "commerce/billing/service", "commerce/reconciliation",
)  # fmt: skip
"""The same of modules."""


OF_PROGRAMS = frozenset({"OAuthError", "UnknownTemplate"})
"""Refusals that only programs and those who write them read."""
SAID_TO_STAFF = (
    *STAFF_MODULES, "commerce/lifecycle", "commerce/providers", "commerce/service/plans", "commerce/service/refunds",
    "compliance/service", "core/", "engagement/channels", "engagement/service/merging",
    "engagement/service/preferences",
    "gateway/", "identity/oidc", "integrations/providers/probes", "integrations/service/direct",
    "scheduling/recurrence", "scheduling/service/assistants", "scheduling/service/availability",
    "scheduling/service/classes", "scheduling/service/days_off", "scheduling/service/terms", "scheduling/terms_form",
    "training/access", "training/service/catalogue", "training/service/plans", "training/service/programmes",
)  # fmt: skip
"""Modules that raise refusals with words of their own to staff and programs alone."""

TABLES = ("training/forms.py", "training/screening.py", "identity/sign_ins.py", "web/signin.py")
"""Modules whose constants are shown to people though they are no pages."""


def templates() -> dict[str, str]:
    """Customers' templates by name."""
    found = {"/".join(file.parts[-2:]): file for file in sorted(PACKAGE.glob("*/templates/*/*.html"))}
    return {
        name: file.read_text() for name, file in found.items() if not name.startswith(("emails/", *STAFF_TEMPLATES))
    }


def from_templates() -> dict[str, list[str]]:
    """Messages of customers' templates, each with where it stands."""
    found: dict[str, list[str]] = {}
    environment = make_environment([])
    for name, source in templates().items():
        for message in messages_of(environment, source):
            found.setdefault(message, []).append(name)
    return found


def from_python() -> dict[str, list[str]]:
    """Messages of Python that customers may read, each with its module."""
    found: dict[str, list[str]] = {}
    trees = _trees()
    refusals = frozenset(
        node.name for file, tree in trees.items() if file.name == "errors.py"
        for node in tree.body if isinstance(node, ast.ClassDef) and node.name not in OF_PROGRAMS
    )  # fmt: skip
    for file, tree in trees.items():
        name = str(file.relative_to(PACKAGE))
        if not name.startswith(STAFF_MODULES):
            is_errors = file.name == "errors.py" or name == "web/signin.py"
            theirs = frozenset() if name.startswith(SAID_TO_STAFF) else refusals
            messages = list(_of_module(tree, is_errors=is_errors, refusals=theirs))
            if _is_page(file) or name in TABLES:
                messages += _tables(tree)
            for message in messages:
                found.setdefault(message, []).append(name)
    return found


def said_at_once() -> dict[str, list[str]]:
    """Messages that Python says in the reader's language itself, each with its module."""
    found: dict[str, list[str]] = {}
    for file, tree in _trees().items():
        for words in _said_at_once(tree):
            for message in _texts(words.args[0]):
                found.setdefault(message, []).append(str(file.relative_to(PACKAGE)))
    return found


@cache
def _trees() -> dict[Path, ast.Module]:
    return {file: ast.parse(file.read_text()) for file in sorted(PACKAGE.glob("**/*.py"))}


def _of_module(tree: ast.Module, *, is_errors: bool, refusals: frozenset[str]) -> Iterator[str]:
    at_once = set(_said_at_once(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Call() if node in at_once:
                continue
            case ast.ClassDef() if is_errors and (text := ast.get_docstring(node)):
                if "\n\n" not in text:
                    yield " ".join(text.split())
            case ast.Call(func=ast.Name(id="word" | "NavItem"), args=[first, *_]):
                yield from _texts(first)
            case ast.Call(func=ast.Name(id=kind), args=[first, *_]) if kind in refusals:
                yield from _texts(first)
            case ast.Call(func=ast.Name(id="redirect")):
                for keyword in node.keywords:
                    if keyword.arg == "flash":
                        yield from _texts(keyword.value)
            case ast.Assign(targets=[ast.Name(id="told" | "flash" | "cost")], value=value):
                yield from _texts(value)


def _said_at_once(tree: ast.Module) -> Iterator[ast.Call]:
    """The words of `say(word("…"))`: in the reader's language when they are made, so nobody tells them again."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="say"), args=[ast.Call(func=ast.Name(id="word")) as words, *_]):
                yield words


def _is_page(file: Path) -> bool:
    is_named_so = file.parent.name == "pages" or file.stem.endswith("pages")
    return is_named_so and file.parent.name != "gateway"


def _tables(tree: ast.Module) -> Iterator[str]:
    """Words in a module's constants, such as the label of each kind of something."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id.isupper() and target.id != "NAV":
                for one in ast.walk(node.value):
                    if isinstance(one, ast.Constant) and isinstance(one.value, str) and reads_like_words(one.value):
                        yield one.value


def _texts(node: ast.expr) -> Iterator[str]:
    """The English of an expression: a string, an f-string, either branch of a choice, either side of a sum."""
    match node:
        case ast.Constant(value=str(text)) if _WORDS.search(text):
            yield text.strip()
        case ast.JoinedStr(values=parts):
            text, count = "", 0
            for part in parts:
                if isinstance(part, ast.Constant):
                    text += str(part.value)
                else:
                    count += 1
                    text += f"{{{count}}}"
            if _WORDS.search(text):
                yield text.strip()
        case ast.IfExp():
            yield from _texts(node.body)
            yield from _texts(node.orelse)
        case ast.BinOp():
            yield from _texts(node.left)
            yield from _texts(node.right)


def from_scripts() -> dict[str, list[str]]:
    """Messages of scripts, each with its file."""
    found: dict[str, list[str]] = {}
    for file in sorted([*PACKAGE.glob("web/static/*.js"), *PACKAGE.glob("*/templates/*/*.html")]):
        name = "/".join(file.parts[-2:])
        if not name.startswith(STAFF_TEMPLATES):
            for message in re.findall(r'\bword\("([^"]+)"', file.read_text()):
                found.setdefault(message, []).append(name)
    return found


def all_messages() -> dict[str, tuple[list[str], list[str]]]:
    """Each with where it stands, and who else says it: Python for somebody to tell again (`retold`), Python itself, a
    script."""
    pages = from_templates()
    others = {"python": from_python(), "said": said_at_once(), "script": from_scripts()}
    return {
        message: (
            [place for one in (pages, *others.values()) for place in one.get(message, [])],
            [kind for kind, one in others.items() if message in one],
        )
        for message in sorted(set(pages).union(*others.values()))
    }


def update(language: str) -> int:
    """Bring a language's file up to date. Returns how many messages have no translation."""
    known = told(language) if (LOCALE / f"{language}.po").exists() else Catalog(locale=language)
    made = Catalog(
        locale=language, project="Plyo", header_comment=f"# {LANGUAGES[language]}: what customers read.",
        creation_date=datetime(2026, 1, 1, tzinfo=UTC), revision_date=datetime(2026, 1, 1, tzinfo=UTC), fuzzy=False,
    )  # fmt: skip
    missing = 0
    for message, (places, kinds) in all_messages().items():
        before = known.get(message)
        text = str(before.string) if before else ""
        missing += not text
        made.add(
            message, text, locations=[(place, 0) for place in dict.fromkeys(places)],
            auto_comments=kinds,
        )  # fmt: skip
    with (LOCALE / f"{language}.po").open("wb") as file:
        write_po(file, made, width=120, include_lineno=False, sort_output=True)
    return missing


if __name__ == "__main__":
    for each in LANGUAGES:
        if each != SOURCE and (count := update(each)):
            print(f"{each}: {count} without a translation", file=sys.stderr)  # noqa: T201 - a tool
