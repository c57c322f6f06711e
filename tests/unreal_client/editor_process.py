"""An editor that can be killed: the plugin on the fake engine, in a process of its own.

    python -m tests.unreal_client.editor_process SERVER GLB [JOBS]

At the first start in its project it submits as many jobs as it should, one by default. It ticks
until all have ended, says how, and how long its ticks were.
"""

import sys
import time

import unreal
from lodsmith.form import GenerateForm
from lodsmith.panel import open_panel
from lodsmith.session import session

from tests.unreal_client.tick_meter import TickMeter


def main() -> None:
    """Run until all jobs have ended."""
    address, glb = sys.argv[1:3]
    job_count = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    session().run_in_editor()
    tracker = session().tracker
    if not tracker.records:
        open_panel()
        for number in range(job_count):
            tracker.submit(GenerateForm(name=f"Steps{20 + number}", mesh=glb), address)
    meter = TickMeter()
    meter.tick()  # the first one takes up what was cut
    while any(tracker.view_of(record) for record in tracker.records):
        meter.tick()
        time.sleep(0.001)
    for record in tracker.records:
        print(record.state.value, record.message)
    print(meter.table(), file=sys.stderr)
    assert unreal.ticks


if __name__ == "__main__":
    main()
