"""Which messages customers may read, gathered from templates and from Python; `python -m operational_api.web.messages`
brings the files in `locale/` up to date: new ones without a translation, gone ones dropped.

From Python come the docstrings of refusals, what is told after a form was sent (`flash`, `told`), words given to
`word`, and names of the menu. A value in an f-string is `{1}`. A refusal that says more than its docstring is English.
"""

import ast
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from operational_api.web.language import LANGUAGES, LOCALE, SOURCE, told
from operational_api.web.rendering import make_environment
from operational_api.web.wording import messages_of

_WORDS = re.compile(r"[^\W\d_]{2,}")
PACKAGE = Path(__file__).parents[1]
STAFF_TEMPLATES = (
    "engagement/announcements", "gateway/no_", "gateway/quality", "integrations/_webhook", "integrations/webhook",
    "scheduling/_class", "scheduling/_effect", "scheduling/_terms", "scheduling/availability", "scheduling/class",
    "scheduling/studio", "staff/", "training/coaching", "training/exercise", "training/media_captions",
    "training/template", "web/api_docs", "web/design",
)  # fmt: skip
"""Beginnings of the names of pages that only staff and those who build see: English."""
STAFF_MODULES = (
    "analytics", "automation", "staff", "integrations/outgoing", "integrations/crm", "integrations/service/connectors",
    "scheduling/class_pages", "scheduling/hours_pages", "scheduling/studio_pages", "training/pages/coaching",
    "training/pages/templates", "training/pages/exercises", "gateway/errors", "gateway/caching", "migrations",
    "web/messages", "commerce/billing/service", "commerce/reconciliation",
)  # fmt: skip
"""The same of modules."""


def from_templates() -> dict[str, list[str]]:
    """Messages of customers' templates, each with where it stands."""
    found: dict[str, list[str]] = {}
    environment = make_environment([])
    for file in sorted(PACKAGE.glob("*/templates/*/*.html")):
        name = "/".join(file.parts[-2:])
        if file.parent.name != "emails" and not name.startswith(STAFF_TEMPLATES):
            for message in messages_of(environment, file.read_text()):
                found.setdefault(message, []).append(name)
    return found


def from_python() -> dict[str, list[str]]:
    """Messages of Python that customers may read, each with its module."""
    found: dict[str, list[str]] = {}
    for file in sorted(PACKAGE.glob("**/*.py")):
        name = str(file.relative_to(PACKAGE))
        if not name.startswith(STAFF_MODULES):
            for message in _of_module(ast.parse(file.read_text()), is_errors=file.name == "errors.py"):
                found.setdefault(message, []).append(name)
    return found


def _of_module(tree: ast.Module, *, is_errors: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() if is_errors and (text := ast.get_docstring(node)):
                if "\n\n" not in text:
                    yield " ".join(text.split())
            case ast.Call(func=ast.Name(id="word" | "NavItem"), args=[first, *_]):
                yield from _texts(first)
            case ast.Call(func=ast.Name(id="redirect")):
                for keyword in node.keywords:
                    if keyword.arg == "flash":
                        yield from _texts(keyword.value)
            case ast.Assign(targets=[ast.Name(id="told" | "flash" | "cost")], value=value):
                yield from _texts(value)


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


def all_messages() -> dict[str, tuple[list[str], bool]]:
    """Each with where it stands, and whether Python says it."""
    pages, python = from_templates(), from_python()
    return {
        message: ([*pages.get(message, []), *python.get(message, [])], message in python)
        for message in sorted(pages.keys() | python.keys())
    }


def update(language: str) -> int:
    """Bring a language's file up to date. Returns how many messages have no translation."""
    known = told(language) if (LOCALE / f"{language}.po").exists() else Catalog(locale=language)
    made = Catalog(
        locale=language, project="Plyo", header_comment=f"# {LANGUAGES[language]}: what customers read.",
        creation_date=datetime(2026, 1, 1, tzinfo=UTC), revision_date=datetime(2026, 1, 1, tzinfo=UTC), fuzzy=False,
    )  # fmt: skip
    missing = 0
    for message, (places, is_python) in all_messages().items():
        before = known.get(message)
        text = str(before.string) if before else ""
        missing += not text
        made.add(
            message, text, locations=[(place, 0) for place in dict.fromkeys(places)],
            auto_comments=["python"] if is_python else [],
        )  # fmt: skip
    with (LOCALE / f"{language}.po").open("wb") as file:
        write_po(file, made, width=120, include_lineno=False, sort_output=True)
    return missing


if __name__ == "__main__":
    for each in LANGUAGES:
        if each != SOURCE and (count := update(each)):
            print(f"{each}: {count} without a translation", file=sys.stderr)  # noqa: T201 - a tool
