"""The plugin in this editor: its parts, wired, and what the panel and the menus do with them."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Callable

import unreal

from lodsmith.form import GenerateForm
from lodsmith.importer import UnrealEditor, subsystem
from lodsmith.jobs import JobTracker
from lodsmith.main_thread import MainThread
from lodsmith.notifications import Notifications
from lodsmith.records import JobRecord
from lodsmith.rpc import BadAddress, CallFailed, Server, Stop
from lodsmith.settings import BadSettings, Settings, TokenStore, read_settings
from lodsmith.view import server_summary
from lodsmith.wire import Message


class Session:
    """One per editor. Its methods belong to the main thread."""

    def __init__(self, *, patience_s: float = math.inf, folder: str = "Lodsmith") -> None:
        """Wire the parts; nothing is taken up yet.

        Args:
            patience_s: How long a server is tried again that cannot be reached.
            folder: Below Saved, for the state and downloads.
        """
        project = Path(unreal.Paths.convert_relative_path_to_full(unreal.Paths.project_dir()))
        self.settings_file = project / "Config" / "Lodsmith.json"
        self.tokens = TokenStore(Path.home() / ".lodsmith" / "tokens.json")
        self.main_thread = MainThread()
        self.editor = UnrealEditor(lambda: self.settings)
        self.tracker = JobTracker(
            self.editor,
            self.main_thread,
            project / "Saved" / folder,
            self.connect,
            patience_s=patience_s,
        )
        self._is_resumed = False

    @property
    def settings(self) -> Settings:
        """The project's settings as they are now; the defaults, where they cannot be read."""
        try:
            return read_settings(self.settings_file)
        except BadSettings as error:
            self.editor.log(str(error), is_problem=True)
            return Settings()

    def connect(self, address: str) -> Server:
        """Return a server with the user's token. Raises `BadAddress`."""
        return Server(address, self.tokens.read(address), ca_file=self.settings.caFile)

    def run_in_editor(self, each_tick: Callable[[], None] = lambda: None) -> None:
        """Work in the background from now on, until the editor closes."""
        notifications = Notifications(self.tracker)
        self.tracker.listeners.append(notifications.show)

        level = subsystem(unreal.LevelEditorSubsystem)

        def tick(delta_s: float) -> None:
            notifications.poll()
            # Then the engine refuses to load, change and delete assets: jobs go on, their work for
            # it waits until the game is over.
            if level.is_in_play_in_editor():
                return
            if not self._is_resumed:
                # Before that, assets that are there look as if they were not.
                registry = unreal.AssetRegistryHelpers.get_asset_registry()
                if registry.is_loading_assets():
                    return
                self._is_resumed = True
                self.tracker.resume()
            self.main_thread.drain()
            each_tick()

        handle = unreal.register_slate_post_tick_callback(tick)

        def close() -> None:
            unreal.unregister_slate_post_tick_callback(handle)
            self.tracker.close()

        unreal.register_python_shutdown_callback(close)

    def test(self, address: str, answer: Callable[[str], None]) -> None:
        """Ask a server what it is; answer with one line."""
        try:
            server = self.connect(address)
        except BadAddress as error:
            answer(str(error))
            return

        def ask() -> None:
            try:
                request = Message("GetServerInfoRequest")
                line = server_summary(server.call("GetServerInfo", request, Stop()))
            except CallFailed as error:
                line = str(error)
            self.main_thread.post(lambda: answer(line))

        threading.Thread(target=ask, name="Lodsmith test", daemon=True).start()

    def generate(self, form: GenerateForm, server: str) -> str:
        """Ask for assets; return what is wrong with the form, "" if it is on its way."""
        problem = form.problem()
        if not problem:
            self.tracker.submit(form, server or self.settings.server)
        return problem

    def again_at_half(self, record: JobRecord) -> None:
        """Export a job's asset again with half of its triangles."""
        form = record.form.at_half(record.job, record.plans[0].triangles)
        self.tracker.submit(form, record.server)

    def with_preset(self, form: GenerateForm, preset: str) -> GenerateForm:
        """Fill in the sizes of a preset where the form has none."""
        sizes = self.settings.presets.get(preset, {})
        return replace(
            form,
            budgets=form.budgets or sizes.get("budgets", []),
            textureSize=form.textureSize or sizes.get("textureSize", 0),
        )


@cache
def session() -> Session:
    """Return this editor's session."""
    return Session()
