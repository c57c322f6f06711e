"""Tokens: made, kept as hashes, checked, revoked.

They are in a SQLite file of their own, so that the `lodsmith token` command can change them while
the server runs. The server keeps no copy: each check reads one row by its key (8 microseconds), so
a token that was revoked is refused from the next call on.
"""

import base64
import hashlib
import hmac
import logging
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import InvalidInput
from server.access.principal import Principal, Scope, is_name
from server.refusals import TokenInvalid

logger = logging.getLogger(__name__)

FILE_NAME = "access.sqlite3"
"""In the data folder."""

Clock = Callable[[], int]
"""Returns microseconds since 1970."""

_TEXT = re.compile(r"lodsmith_(?P<id>[0-9a-f]{12})_(?P<secret>[a-z2-7]{52})")
_SECRET_BYTES = 32  # 52 digits of base 32, which survive every shell, URL and double-click
_NO_HASH = bytes(32)  # what the secret of an unknown id is compared with, to take as long
_NOTE_USE_EVERY_US = 3600 * 1_000_000
_SCHEMA_VERSION = 1
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS tokens (
        id TEXT PRIMARY KEY,
        secret_sha256 BLOB NOT NULL,
        name TEXT NOT NULL,
        project TEXT NOT NULL,
        scopes TEXT NOT NULL,           -- with spaces between
        create_us INTEGER NOT NULL,
        expire_us INTEGER,              -- NULL: never
        revoke_us INTEGER,
        last_used_us INTEGER
    ) WITHOUT ROWID;
"""
_COLUMNS = "id, name, project, scopes, create_us, expire_us, revoke_us, last_used_us"


@dataclass(frozen=True, kw_only=True)
class Token:
    """What is known of a token: all but its secret.

    Times are microseconds since 1970.

    expire_us, revoke_us: None: not so far, or never.
    last_used_us: to the hour; None: never used.
    """

    id: str
    name: str
    project: str
    scopes: frozenset[Scope]
    create_us: int
    expire_us: int | None
    revoke_us: int | None = None
    last_used_us: int | None = None

    def state(self, now_us: int) -> Literal["active", "expired", "revoked"]:
        """Return whether it opens anything at `now_us`."""
        if self.revoke_us is not None:
            return "revoked"
        is_expired = self.expire_us is not None and self.expire_us <= now_us
        return "expired" if is_expired else "active"

    def principal(self) -> Principal:
        """Return who calls with it."""
        return Principal(name=self.name, project=self.project, scopes=self.scopes)


class TokenStore:
    """The tokens of a server. Several processes may have one open; each on one thread."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        """Open the file at `path`, or make it and its folder; only its owner may read it.

        Raises:
            InvalidInput: If it cannot be read and written, or is another program's.
        """
        self._path = path
        self._clock = clock
        _make_private(path)
        try:
            self._database = _connect(path)
        except sqlite3.DatabaseError as error:
            raise InvalidInput(
                f"cannot use the file of tokens {path}: {error}; restore it from a backup, or move "
                "it away and add the tokens again"
            ) from error
        self._noted_us: dict[str, int] = {}  # when a use was last written, by id
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokens")

    def close(self) -> None:
        """Write what is still to be written, and close the file."""
        self._writer.shutdown()
        self._database.close()

    def add(
        self, *, name: str, project: str, scopes: Iterable[Scope], expire_us: int | None
    ) -> tuple[Token, str]:
        """Make a token. Returns what is kept, and its text, which cannot be had again.

        Args:
            name: Whose it is; several tokens may have one name, so that they can be replaced.
            project: What it gives access to.
            scopes: What it allows, at least one.
            expire_us: When it ends; None: never.

        Raises:
            InvalidInput: If a value does not fit.
        """
        token = Token(
            id=secrets.token_hex(6),
            name=_checked_name("name", name),
            project=_checked_name("project", project),
            scopes=frozenset(scopes),
            create_us=self._clock(),
            expire_us=expire_us,
        )
        if not token.scopes:
            raise InvalidInput(f"a token needs at least one scope of {', '.join(Scope)}")
        if expire_us is not None and expire_us <= token.create_us:
            raise InvalidInput("a token must expire in the future")
        secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("=").lower()
        self._database.execute(
            f"INSERT INTO tokens ({_COLUMNS}, secret_sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                token.id,
                token.name,
                token.project,
                " ".join(sorted(token.scopes)),
                token.create_us,
                token.expire_us,
                None,
                None,
                _hash(secret),
            ),
        )
        return token, f"lodsmith_{token.id}_{secret}"

    def tokens(self) -> list[Token]:
        """Return all tokens, oldest first."""
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM tokens ORDER BY create_us, id")
        return [_token_of(row) for row in rows]

    def revoke(self, token_id: str) -> Token:
        """End a token for good; one that is revoked already stays as it is.

        Raises:
            InvalidInput: If there is no token of this id.
        """
        self._database.execute(
            "UPDATE tokens SET revoke_us = coalesce(revoke_us, ?) WHERE id = ?",
            (self._clock(), token_id),
        )
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM tokens WHERE id = ?", (token_id,)
        ).fetchone()
        if row is None:
            raise InvalidInput(f"there is no token {token_id!r}; `lodsmith token list` names them")
        return _token_of(row)

    def verify(self, text: str) -> Principal:
        """Return who calls with the token `text`.

        Raises:
            TokenInvalid: Unless it is a token of this server that is in force. The log says why it
                is not; the caller does not hear it.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            logger.info("a token was refused: malformed")
            raise TokenInvalid
        row = self._database.execute(
            f"SELECT {_COLUMNS}, secret_sha256 FROM tokens WHERE id = ?", (match["id"],)
        ).fetchone()
        is_secret = hmac.compare_digest(_hash(match["secret"]), row[-1] if row else _NO_HASH)
        if row is None or not is_secret:
            logger.info("token %s was refused: unknown", match["id"])
            raise TokenInvalid
        token, now_us = _token_of(row[:-1]), self._clock()
        if (state := token.state(now_us)) != "active":
            logger.info("token %s of %s was refused: %s", token.id, token.name, state)
            raise TokenInvalid
        self._note_use(token, now_us)
        return token.principal()

    def _note_use(self, token: Token, now_us: int) -> None:
        """Write down that a token is in use: seldom, and on a thread, because it is an fsync."""
        noted_us = max(token.last_used_us or 0, self._noted_us.get(token.id, 0))
        if now_us - noted_us >= _NOTE_USE_EVERY_US:
            self._noted_us[token.id] = now_us
            self._writer.submit(self._write_use, token.id, now_us)

    def _write_use(self, token_id: str, now_us: int) -> None:
        try:
            database = _connect(self._path)
            database.execute("UPDATE tokens SET last_used_us = ? WHERE id = ?", (now_us, token_id))
            database.close()
        except sqlite3.Error as error:  # of no concern to the call that used it
            logger.warning("the last use of token %s was not written: %s", token_id, error)


def _make_private(path: Path) -> None:
    """Make the file if there is none, readable for its owner alone; SQLite's beside it follow."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0 and (owner := path.parent.stat().st_uid) != 0 and not path.exists():
            raise InvalidInput(
                f"{path.parent} belongs to the user {owner}, whose server could not read what root "
                "makes there; run this command as that user"
            )
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if (mode := path.stat().st_mode & 0o777) != 0o600:
            logger.warning("%s had the mode %03o; it is 600 now", path, mode)
            path.chmod(0o600)
    except OSError as error:
        raise InvalidInput(
            f"cannot use the file of tokens {path}: {error.strerror}; run this as the user of the "
            "server, or name another --data-dir"
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)  # each statement commits by itself
    database.execute("PRAGMA journal_mode = WAL")  # readers never wait for a writer
    database.execute("PRAGMA synchronous = FULL")  # what was revoked stays so
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > _SCHEMA_VERSION:
        raise InvalidInput(
            f"{path} was made by another version of the server (format {version}, this one has "
            f"{_SCHEMA_VERSION}); use that version or another --data-dir"
        )
    if version < _SCHEMA_VERSION:
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    return database


def _token_of(row: tuple[Any, ...]) -> Token:  # Any: SQLite's columns, typed by the schema
    token_id, name, project, scopes, create_us, expire_us, revoke_us, last_used_us = row
    return Token(
        id=token_id,
        name=name,
        project=project,
        scopes=_scopes_of(scopes),
        create_us=create_us,
        expire_us=expire_us,
        revoke_us=revoke_us,
        last_used_us=last_used_us,
    )


@lru_cache(maxsize=64)  # of the 31 there can be; half of what a check costs otherwise
def _scopes_of(text: str) -> frozenset[Scope]:
    return frozenset(map(Scope, text.split()))


def _checked_name(what: str, text: str) -> str:
    if not is_name(text):
        raise InvalidInput(
            f"the {what} of a token must be 1 to 64 letters, digits or . _ @ -, and begin with a "
            f"letter or digit; got {text[:80]!r}"
        )
    return text


def _hash(secret: str) -> bytes:
    """A slow hash would protect nothing more: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).digest()
