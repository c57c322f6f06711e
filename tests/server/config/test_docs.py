"""docs/configuration.md: the table of settings is that of the code."""

import re
from dataclasses import fields
from pathlib import Path

from server.config import ServerConfig, default_data_dir
from server.config.values import to_text

PAGE = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"
ROW = re.compile(r"\| `(\w+)` \| (.*?)\s*\| (.+) \|")


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = [match.groups() for line in PAGE.read_text().splitlines() if (match := ROW.match(line))]
    home = str(default_data_dir({}).parents[2])
    data_dir = default_data_dir({})
    config = ServerConfig(data_dir=data_dir, models_dir=data_dir / "models")
    assert [(name, default) for name, default, _ in rows] == [
        (
            setting.name,
            to_text(setting.type, getattr(config, setting.name)).replace(home, "~"),
        )
        for setting in fields(ServerConfig)
    ]
