"""Write a client's code: `python -m protos.client_code csharp contract.binpb DIR`.

`contract.binpb` is a descriptor set with imports and source info, as protoc writes it.
"""

import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from protos.client_code import csharp, schema_table
from protos.client_code.contract import read_contract

_LANGUAGES = {"csharp": csharp.files_of, "python": schema_table.files_of}


def main() -> None:
    """Read the descriptor set and write the files of one language."""
    match sys.argv[1:]:
        case [language, source, folder] if language in _LANGUAGES:
            contract = read_contract(FileDescriptorSet.FromString(Path(source).read_bytes()))
            for name, content in _LANGUAGES[language](contract).items():
                (Path(folder) / name).write_text(content, "utf-8")
        case _:
            sys.exit(f"usage: python -m protos.client_code {'|'.join(_LANGUAGES)} SET DIR")


if __name__ == "__main__":
    main()
