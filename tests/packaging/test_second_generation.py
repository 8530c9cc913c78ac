"""An sdist rebuilds itself: an sdist made from it and the wheel from that are the same again."""

from __future__ import annotations

import zipfile

from builds import Built, compiled, core_events, module_events


def test_same_sdist(sdists: dict[str, Built], second_generation: tuple[Built, Built]) -> None:
    again = second_generation[0]
    (first,) = (sdist for sdist in sdists.values() if sdist.path.name == again.path.name)
    assert again.names == first.names


def test_same_wheel(wheels: dict[str, Built], second_generation: tuple[Built, Built]) -> None:
    again = second_generation[1]
    (first,) = (wheel for wheel in wheels.values() if wheel.path.name == again.path.name)
    assert again.names == first.names
    for name in first.names:
        if not name.endswith((".so", "RECORD")):
            assert zipfile.ZipFile(first.path).read(name) == zipfile.ZipFile(again.path).read(name)


def test_nothing_is_compiled_again(second_generation: tuple[Built, Built]) -> None:
    log = second_generation[1].log
    assert core_events(log) == module_events(log) == ["reused"]
    assert not compiled(log)
