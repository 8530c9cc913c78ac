"""Links of Markdown files lead somewhere, and documents that any text names exist."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from lint.tree import ROOT, relative, tracked

FILES = tracked()
PAGES = tracked("*.md")
TEXTS = [path for path in FILES if b"\0" not in path.read_bytes()[:8192]]
PLACES = {place for path in FILES for place in (path, *path.parents)}

CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.M | re.S)
LINK = re.compile(r"\]\(<?([^\s)>]+)[^)]*\)|^\[[^\]]+\]: *(\S+)", re.M)
HEADING = re.compile(r"^#+ +(.+?)[ #]*$", re.M)


def links(text: str) -> list[str]:
    """Targets of inline links, images and link definitions."""
    return [inline or defined for inline, defined in LINK.findall(CODE.sub("", text))]


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    found: set[str] = set()
    times: Counter[str] = Counter()
    for heading in HEADING.findall(re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.add(f"{name}-{times[name]}" if times[name] else name)
        times[name] += 1
    return found


def dead_links(path: Path, text: str) -> list[str]:
    """Links of `text`, the content of `path`, that lead nowhere."""
    dead = []
    for target in links(text):
        if re.match(r"[a-z]+:", target):
            continue  # another site
        name, _, anchor = target.partition("#")
        place = (path.parent / name).resolve() if name else path
        if place not in PLACES:
            dead.append(target)
        elif anchor:
            page = place.read_text(encoding="utf-8") if name else text
            dead += [] if anchor in anchors(page) else [target]
    return dead


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_links_lead_somewhere(path: Path) -> None:
    assert dead_links(path, path.read_text(encoding="utf-8")) == []


def test_dead_links_are_noticed() -> None:
    text = """# A `b_c`, d-e
[a](index.md) [b](guides) ![c](../README.md 'title') [d](../README.md#two-commands) `[no](x)`
```
# no
[no](y)
```
[e]: guides/release.md
## Same
[f](#same-1) [g](https://x.y/z)
### Same #
## [x](y)
[h](#there) [i](gone) [j](../README.md#gone)
"""
    assert anchors(text) == {"a-b_c-d-e", "same", "same-1", "x"}
    dead = ["y", "#there", "gone", "../README.md#gone"]
    assert dead_links(ROOT / "docs/index.md", text) == dead
    alive = ["index.md", "guides", "../README.md", "../README.md#two-commands"]
    assert links(text) == [*alive, "guides/release.md", "#same-1", "https://x.y/z", *dead]


# Documents and tests, and in a document also sources, by name or path.
_START = r"(?<![\w./<>{}*-])(?:[\w.-]+/)*"
NAMED = re.compile(_START + r"(?:[\w-]+\.md|test_\w+\.py)\b")
NAMED_IN_PAGE = re.compile(_START + r"\w[\w.-]*\.(?:md|py|pyi|h|cpp|txt|toml)\b")
# Every end of a path that begins with a whole name: people leave out the folders around them.
ENDS = {
    "/".join(parts[i:])
    for parts in (path.relative_to(ROOT).parts for path in FILES)
    for i in range(len(parts))
}


def unknown_names(path: Path) -> list[str]:
    pattern = NAMED_IN_PAGE if path.suffix == ".md" else NAMED
    named = pattern.findall(path.read_text(encoding="utf-8"))
    return [name for name in named if re.sub(r"^(\.\.?/)+", "", name) not in ENDS]


def test_named_files_exist() -> None:
    unknown = {relative(path): unknown_names(path) for path in TEXTS}
    assert not {path: names for path, names in unknown.items() if names}
