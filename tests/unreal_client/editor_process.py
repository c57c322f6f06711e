"""An editor that can be killed: the plugin on the fake engine, in a process of its own.

    python -m tests.unreal_client.editor_process SERVER GLB

Submits a job at the first start in its project, ticks until all jobs have ended, and says how.
"""

import sys
import time

import unreal
from lodsmith.form import GenerateForm
from lodsmith.session import session


def main() -> None:
    """Run until all jobs have ended."""
    address, glb = sys.argv[1:]
    session().run_in_editor()
    tracker = session().tracker
    if not tracker.records:
        tracker.submit(GenerateForm(name="Steps20", mesh=glb), address)
    while True:  # the first tick takes up what was cut
        for tick in list(unreal.ticks):
            tick(0.0)
        if not any(tracker.view_of(record) for record in tracker.records):
            break
        time.sleep(0.001)
    for record in tracker.records:
        print(record.state.value, record.message)


if __name__ == "__main__":
    main()
