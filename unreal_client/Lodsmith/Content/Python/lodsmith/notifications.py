"""Jobs as the editor's own background notifications, with its cancel button."""

from __future__ import annotations

from typing import Any

import unreal

from lodsmith.importer import subsystem
from lodsmith.jobs import JobTracker
from lodsmith.records import JobRecord, State


@unreal.uclass()
class LodsmithTask(unreal.EditorUtilityTask):
    """A notification. The engine shows one after another; `is_begun` says whether it is shown."""

    title: Any = unreal.uproperty(str)
    is_begun: Any = unreal.uproperty(bool)
    said: Any = unreal.uproperty(str)

    @unreal.ufunction(override=True)
    def receive_begin_execution(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Remember that it is shown."""
        self.is_begun = True

    @unreal.ufunction(override=True)
    def get_task_title_override(self) -> unreal.Text:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what it is called."""
        return unreal.Text(self.title)


class Notifications:
    """One task per job that has not ended."""

    def __init__(self, tracker: JobTracker) -> None:
        self._tracker = tracker
        self._tasks: dict[str, tuple[JobRecord, LodsmithTask]] = {}

    def show(self, record: JobRecord) -> None:
        """Begin a notification for a job that has none yet."""
        if record.has_ended or record.id in self._tasks:
            return
        task = unreal.new_object(LodsmithTask)
        task.title = f"Lodsmith: {record.form.title}"
        self._tasks[record.id] = (record, task)
        subsystem(unreal.EditorUtilitySubsystem).register_and_execute_task(task)

    def poll(self) -> None:
        """Bring notifications to what jobs are, and take in clicks on their cancel button."""
        for record, task in list(self._tasks.values()):
            if not task.is_begun:
                continue
            if record.has_ended:
                task.finish_executing_task(record.state is State.IMPORTED)
                del self._tasks[record.id]
                continue
            if task.was_cancel_requested():
                self._tracker.cancel(record)
            view = self._tracker.view_of(record)
            text = record.message or (view.status if view else "")
            if task.said != text:
                task.said = text
                task.set_task_notification_text(unreal.Text(text))
