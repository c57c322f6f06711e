"""The assets of a project: in memory, and on the disk once they are saved."""

import json
import os
import time
from pathlib import Path
from typing import Any

from unreal.objects import Object


class Asset(Object):
    """An object with a path in the project."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, str] = {}
        self.is_dirty = True

    def _changed(self, name: str) -> None:
        self.is_dirty = True

    def to_json(self) -> dict[str, Any]:
        """What is saved. Other assets are named by their packages."""
        return {"tags": self.tags}

    def from_json(self, document: dict[str, Any]) -> None:
        """What is loaded."""
        self.tags = dict(document["tags"])


class Project:
    """One project. `fail` names operations that fail: "save SM_Barrel", "rename M_Barrel"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kinds: dict[str, type[Asset]] = {}
        self.memory: dict[str, Asset] = {}
        self.folders: set[str] = set()
        self.fail: set[str] = set()
        self.added: list[str] = []  # to source control
        self.checked_out: list[str] = []
        self.locked: dict[str, str] = {}  # package to who has it
        self.has_source_control = False
        self.is_played = False
        self.pause_s = float(os.environ.get("UNREAL_FAKE_PAUSE_S", "0"))

    def work(self) -> None:
        """Take time, as the engine does for what builds, moves or writes assets."""
        time.sleep(self.pause_s)

    def file_of(self, package: str) -> Path:
        return self.folder / "Content" / f"{package.strip('/')}.uasset"

    def packages(self) -> set[str]:
        root = self.folder / "Content"
        saved = {
            f"/{path.relative_to(root).with_suffix('').as_posix()}"
            for path in root.rglob("*.uasset")
        }
        return saved | set(self.memory)

    def exists(self, package: str) -> bool:
        return package in self.memory or self.file_of(package).exists()

    def load(self, package: str) -> Asset | None:
        if package not in self.memory and self.file_of(package).exists():
            document = json.loads(self.file_of(package).read_text())
            asset = self.kinds[document["kind"]]()
            self._put(asset, package)
            asset.from_json(document)
            asset.is_dirty = False
        return self.memory.get(package)

    def add(self, asset: Asset, package: str) -> None:
        number, wanted = 1, package
        while self.exists(package):
            package = f"{wanted}_{number}"
            number += 1
        self._put(asset, package)

    def _put(self, asset: Asset, package: str) -> None:
        asset._path = f"{package}.{package.rpartition('/')[2]}"
        self.memory[package] = asset

    def save(self, asset: Asset) -> bool:
        self.work()
        if f"save {asset.get_name()}" in self.fail:
            return False
        package = asset.get_outermost().get_name()
        file = self.file_of(package)
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"kind": type(asset).__name__, **asset.to_json()}))
        temporary.replace(file)
        asset.is_dirty = False
        return True

    def rename(self, asset: Asset, package: str) -> bool:
        self.work()
        if f"rename {asset.get_name()}" in self.fail or self.exists(package):
            return False
        del self.memory[asset.get_outermost().get_name()]
        self._put(asset, package)
        self.save(asset)  # the engine does, and does not tell when it fails
        return True

    def delete(self, package: str) -> bool:
        self.memory.pop(package, None)
        self.file_of(package).unlink(missing_ok=True)
        return True

    def reload(self, package: str) -> None:
        """Bring an asset back to what is on the disk, the same object."""
        asset = self.memory[package]
        asset.from_json(json.loads(self.file_of(package).read_text()))
        asset.is_dirty = False

    def restart(self) -> None:
        """Forget all that is not saved, as an editor that is killed does."""
        self.memory.clear()
        self.folders.clear()


project = Project(Path(os.environ.get("UNREAL_FAKE_PROJECT", "/nonexistent")))
