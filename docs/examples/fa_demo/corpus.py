"""A text corpus that every Python installation carries: the documentation of its own library."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path

# Written in C: docstrings are read from the objects.
COMPILED_MODULES = "builtins itertools math time sys gc array zlib binascii".split()
# Written in Python: docstrings are read from the source, nothing is executed.
EVERYDAY_MODULES = (
    "os shutil pathlib subprocess csv json random re threading difflib heapq glob tempfile "
    "zipfile collections copy datetime statistics sqlite3 urllib functools string contextlib "
    "textwrap bisect queue secrets hashlib base64 pickle tarfile gzip calendar fractions "
    "operator getpass html configparser argparse traceback timeit webbrowser uuid enum "
    "dataclasses"
).split()
OTHER_MODULES = (
    "ast asyncio bz2 cmd code codecs compileall ctypes dis doctest email filecmp fileinput fnmatch "
    "ftplib gettext graphlib hmac http imaplib importlib inspect io ipaddress keyword linecache "
    "locale logging lzma mailbox mimetypes multiprocessing netrc numbers optparse pdb pickletools "
    "pkgutil platform plistlib poplib pprint profile py_compile quopri reprlib sched selectors "
    "shelve shlex signal smtplib socket socketserver ssl stat stringprep struct symtable sysconfig "
    "tabnanny token tokenize trace tracemalloc types typing unittest venv warnings wave weakref "
    "wsgiref xml xmlrpc zipapp zoneinfo"
).split()

MIN_CHARS, MAX_CHARS = 60, 1600

_Definition = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Passage:
    """A piece of documentation: `title` names the object or topic, `text` is what it says."""

    title: str
    text: str

    @property
    def summary(self) -> str:
        """The first line that says something: not a signature such as `print(value, ...)`."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return next((line for line in lines if not re.match(r"[\w.]+\(", line)), lines[0])


def load_passages(limit: int | None = None) -> list[Passage]:
    """Passages of this interpreter's documentation, without duplicates, in a fixed order.

    Args:
      limit: the first so many, None = all. Everyday modules come first, then the language
        reference, then the rest of the library.
    """
    found = [
        *_compiled_docstrings(),
        *_source_docstrings(EVERYDAY_MODULES),
        *_topics(),
        *_source_docstrings(OTHER_MODULES),
    ]
    seen: set[str] = set()
    passages = []
    for passage in found:
        if len(passage.text) >= MIN_CHARS and passage.text not in seen:
            seen.add(passage.text)
            passages.append(passage)
    return passages[:limit]


def _topics() -> list[Passage]:
    """The language reference, as `help("for")` shows it, cut at paragraph ends."""
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    passages = []
    for name in sorted(topics):
        for part, text in enumerate(_cut_paragraphs(topics[name]), start=1):
            passages.append(Passage(f"help('{name}') part {part}", text))
    return passages


def _cut_paragraphs(text: str) -> list[str]:
    pieces = [""]
    for paragraph in re.split(r"\n\s*\n", text):
        if pieces[-1] and len(pieces[-1]) + len(paragraph) > MAX_CHARS:
            pieces.append("")
        pieces[-1] = f"{pieces[-1]}\n\n{paragraph}" if pieces[-1] else paragraph
    return [piece.strip()[:MAX_CHARS] for piece in pieces]


def _compiled_docstrings() -> list[Passage]:
    passages = []
    for module_name in COMPILED_MODULES:
        module = importlib.import_module(module_name)
        for name, value in sorted(vars(module).items(), key=lambda item: item[0]):
            if name.startswith("_") or not callable(value):
                continue
            text = (inspect.getdoc(value) or "").strip()
            passages.append(Passage(f"{module_name}.{name}", text[:MAX_CHARS]))
    return passages


def _source_docstrings(module_names: list[str]) -> list[Passage]:
    passages = []
    for module_name in module_names:
        for path, dotted in _sources(module_name):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            passages += [Passage(name, text) for name, text in _docstrings(tree, dotted)]
    return passages


def _sources(module_name: str) -> list[tuple[Path, str]]:
    """Files of a module or of a package's top level, with their dotted names."""
    base = Path(sysconfig.get_path("stdlib")) / module_name
    if base.with_suffix(".py").exists():
        return [(base.with_suffix(".py"), module_name)]
    if not base.is_dir():  # this Python version does not have it
        return []
    files = sorted(p for p in base.glob("*.py") if not p.name.startswith("_"))
    return [(base / "__init__.py", module_name), *((p, f"{module_name}.{p.stem}") for p in files)]


def _docstrings(node: ast.AST, dotted: str) -> list[tuple[str, str]]:
    assert isinstance(node, (ast.Module, *_Definition))
    found = []
    text = (ast.get_docstring(node) or "").strip()
    if text:
        found.append((dotted, text[:MAX_CHARS]))
    if isinstance(node, (ast.Module, ast.ClassDef)):
        for child in node.body:
            if isinstance(child, _Definition) and not child.name.startswith("_"):
                found += _docstrings(child, f"{dotted}.{child.name}")
    return found
