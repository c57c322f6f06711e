"""`lodsmith token`: who may call the server, from its own machine.

The server notices at the next call; nothing needs a restart. What the commands do is imported when
they run, so that --help is instant.
"""

import json as json_format
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.access.principal import ALL_BUT_ADMIN, Scope

if TYPE_CHECKING:
    from server.access.tokens import Token, TokenStore

token_app = typer.Typer(
    name="token",
    help="Who may call the server: add, list, revoke.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DataDir = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        help="The server's folder. Default: LODSMITH_DATA_DIR, or lodsmith in your folder for "
        "application data.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]

_MAX_DAYS = 36_500  # a hundred years, so that sums of times stay within 64 bits


@token_app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose it is: alice, build-machine ...")],
    project: Annotated[
        str,
        typer.Option(
            help="Its jobs and files; all tokens of a project see the same ones, and no others. "
            "A server that asks for no token has them in `local`."
        ),
    ],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it allows. Give it again for more.  [default: all but admin]"),
    ] = None,
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="After 12h, 90d ..., or never.")
    ] = "90d",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Make a token and print it: the only time that it is shown."""
    from server.cli.asset import errors_as_exit_codes

    with errors_as_exit_codes(is_json=json):
        folder = _folder(data_dir)
        store = _store(folder, is_new=True)
        token, text = store.add(
            name=name,
            project=project,
            scopes=scope or ALL_BUT_ADMIN,
            expire_us=_expire_us(expires, _now_us()),
        )
        store.close()
        _audit(folder, "AddToken", token)
    print(json_format.dumps({"token": text, **_document(token)}) if json else text)
    print(
        f"token {token.id} of {token.name} for the project {token.project}: "
        f"{', '.join(sorted(token.scopes))}; until {_minute(token.expire_us) or 'it is revoked'}. "
        "Keep it: it is not shown again",
        file=sys.stderr,
    )


@token_app.command("list")
def list_tokens(data_dir: DataDir = None, json: Json = False) -> None:
    """List all tokens that were ever made, without their secrets."""
    from server.cli.asset import errors_as_exit_codes

    with errors_as_exit_codes(is_json=json):
        store = _store(_folder(data_dir))
        tokens = store.tokens()
        store.close()
    documents = [_document(token) for token in tokens]
    if json:
        print(json_format.dumps(documents))
        return
    for one in documents:
        print(
            f"{one['id']}  {one['state']:<7}  {one['name']}, project {one['project']}, "
            f"{' '.join(one['scopes'])}; made {one['create_time'][:16]}, "
            f"ends {(one['expire_time'] or 'never')[:16]}, "
            f"last used {(one['last_used_time'] or 'never')[:16]}"
        )


@token_app.command()
def revoke(
    token_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `lodsmith token list` shows it.")
    ],
    data_dir: DataDir = None,
) -> None:
    """End a token for good, from the next call on. What is being watched or sent goes on."""
    from server.cli.asset import errors_as_exit_codes

    with errors_as_exit_codes():
        folder = _folder(data_dir)
        store = _store(folder)
        token = store.revoke(token_id)
        store.close()
        _audit(folder, "RevokeToken", token)
    print(f"token {token.id} of {token.name} is revoked")


def _folder(given: Path | None) -> Path:
    """The data folder: as told here, or as the server is told."""
    if given is not None:
        return given
    import os

    from server.config import read_config

    return read_config(os.environ, flags={}).data_dir


def _store(folder: Path, *, is_new: bool = False) -> "TokenStore":
    """Open the tokens in a data folder; `is_new`: there may be none yet."""
    from pipeline.errors import InvalidInput
    from server.access.tokens import FILE_NAME, TokenStore

    path = folder / FILE_NAME
    if not is_new and not path.exists():
        raise InvalidInput(
            f"there are no tokens in {folder}; name the server's --data-dir, or make one with "
            "`lodsmith token add`"
        )
    return TokenStore(path, clock=_now_us)


def _audit(folder: Path, rpc: str, token: "Token") -> None:
    """Write down who changed a token."""
    import os

    from pipeline.errors import InvalidInput
    from server.access.audit import AuditEntry, line_of
    from server.access.audit_file import FILE_NAME, AuditFile

    entry = AuditEntry(
        request_id="",
        principal=f"uid {os.getuid()}",
        project=token.project,
        peer="",
        rpc=rpc,
        resource=f"tokens/{token.id}",
        code="OK",
    )
    path = folder / FILE_NAME
    try:
        AuditFile(path).append(line_of(entry, _now_us()))
    except OSError as error:
        raise InvalidInput(
            f"the change of token {token.id} was made, but cannot be written to {path}: "
            f"{error.strerror}"
        ) from error


def _expire_us(text: str, now_us: int) -> int | None:
    from pipeline.errors import InvalidInput
    from server.config.values import Seconds, from_text

    if text == "never":
        return None
    try:
        after_s = from_text(Seconds, text)
        if not isinstance(after_s, float | int) or not 0 < after_s <= _MAX_DAYS * 86_400:
            raise ValueError(f"a time of at most {_MAX_DAYS} d")
    except ValueError as error:
        raise InvalidInput(f"--expires must be {error}, or never; got {text!r}") from error
    return now_us + round(after_s * 1_000_000)


def _document(token: "Token") -> dict[str, Any]:  # Any: JSON
    return {
        "id": token.id,
        "name": token.name,
        "project": token.project,
        "scopes": sorted(token.scopes),
        "state": token.state(_now_us()),
        "create_time": _time(token.create_us),
        "expire_time": _time(token.expire_us),
        "revoke_time": _time(token.revoke_us),
        "last_used_time": _time(token.last_used_us),
    }


def _time(time_us: int | None) -> str | None:
    if time_us is None:
        return None
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).isoformat()


def _minute(time_us: int | None) -> str:
    return (_time(time_us) or "")[:16]


def _now_us() -> int:
    return time.time_ns() // 1000
