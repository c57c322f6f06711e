"""docs/operations.md: the table of metrics is that of the code."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from server.observe.metrics import Levels, Metrics

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
ROW = re.compile(r"\| `(lodsmith_\w+)` \| ([\w, ]*?) ?\| .+ \|")


def test_every_metric_is_in_the_table_with_its_labels() -> None:
    metrics = Metrics(("CreateJob",))
    metrics.read_levels_from(lambda: Levels(jobs={"queued": 1}, workers={("mesh", "idle"): 1}))
    metrics.call_ended("CreateJob", "grpc", "OK", 0.0)
    metrics.job_ended("failed", 0.0)
    metrics.stage_ended("bake", 0.0)
    metrics.stage_reused("bake")
    metrics.worker_replaced("mesh", "lost")
    known = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        if not family.name.startswith("lodsmith_") or family.name.endswith("_created"):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        known[name] = set(family.samples[0].labels) - {"le"}
    rows = (match.groups() for line in PAGE.read_text().splitlines() if (match := ROW.match(line)))
    assert {name: set(filter(None, labels.split(", "))) for name, labels in rows} == known
