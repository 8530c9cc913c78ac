"""The hatchling build hook of both packages."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

from .cmake import missing_tools
from .core_cache import CORE
from .native_module import KERNELS, build_native_module
from .sources import source_files


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds `_C` and its stub to a wheel, and everything that a rebuild needs to an sdist.

    Configured by `import-name` in `[tool.hatch.build.hooks.custom]`.
    """

    PLUGIN_NAME = "custom"

    @property
    def _package(self) -> str:
        return str(self.config["import-name"])

    @property
    def _source(self) -> Path:
        return Path(self.root) / "src" / self._package

    @property
    def _is_sdist(self) -> bool:
        return CORE.parent == Path(self.root)

    @property
    def _common(self) -> Path:
        return Path(self.root, "common") if self._is_sdist else Path(self.root).parent / "common"

    def dependencies(self) -> list[str]:
        """Build tools to install, asked for before the build requirements are there."""
        return missing_tools() if self.target_name == "wheel" else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files; `version` is standard or editable."""
        if self.target_name == "sdist":
            self._carry_sources(build_data["force_include"])
        elif self.target_name == "wheel":
            self._add_native_module(build_data, editable=version == "editable")

    def clean(self, versions: list[str]) -> None:  # noqa: ARG002
        """Called for `hatch clean`: removes what an editable install left beside the sources."""
        for module in self._source.glob("_C.*.so"):
            module.unlink()
        shutil.rmtree(self._source / KERNELS, ignore_errors=True)

    def _carry_sources(self, force_include: dict[str, str]) -> None:
        carried = [
            *source_files(CORE),
            self._common / "CMakeLists.txt",
            self._common / "module.map",
        ]
        carried += source_files(self._common / "bindings")
        for path in carried:
            top = CORE.parent if path.is_relative_to(CORE) else self._common.parent
            force_include[str(path)] = path.relative_to(top).as_posix()

    def _add_native_module(self, build_data: dict[str, Any], *, editable: bool) -> None:
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if editable:
            build_native_module(self._common, self._source, keep=True)
            return
        self._staging = tempfile.TemporaryDirectory(prefix="flash-attn-npu-")
        module, kernels = build_native_module(
            self._common, Path(self._staging.name), keep=not self._is_sdist
        )
        stub = self._common / "bindings" / "_C.pyi"
        for path in (module, stub):
            build_data["force_include"][str(path)] = f"{self._package}/{path.name}"
        for path in kernels:
            build_data["force_include"][str(path)] = f"{self._package}/{KERNELS}/{path.name}"
