"""What the server is told once: its settings, and where they come from.

A file in TOML, then variables of the environment, then flags: the later one wins.
"""

from server.config.settings import ServerConfig, default_data_dir
from server.config.sources import Configuration, read_config, read_configuration

__all__ = [
    "Configuration",
    "ServerConfig",
    "default_data_dir",
    "read_config",
    "read_configuration",
]
