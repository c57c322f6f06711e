"""Lets calls in, or not."""

import logging

from server.access.peer import network_of
from server.access.principal import ALL_BUT_ADMIN, LOCAL, Principal, is_name
from server.access.rate_limit import MonotonicClock, RateLimit
from server.access.tokens import TokenStore
from server.refusals import TokenInvalid

logger = logging.getLogger(__name__)

FAILURES_PER_MINUTE = 10


class Gate:
    """Knows who calls."""

    def __init__(self, tokens: TokenStore | None, *, clock: MonotonicClock) -> None:
        """Ask for one of `tokens`. None: let everyone in who can connect, as `LOCAL`."""
        self._tokens = tokens
        self._failures = RateLimit(
            rate_per_s=FAILURES_PER_MINUTE / 60,
            burst=FAILURES_PER_MINUTE,
            clock=clock,
            of="calls without a valid token from one address",
        )

    def admit(
        self, authorization: str | None, *, peer_common_name: str | None, peer_host: str
    ) -> Principal:
        """Return who calls.

        A token decides where there is one. Without it, whoever has a client certificate of the CA
        that the server trusts is a principal and a project of the certificate's common name, with
        all scopes but admin.

        A valid token is let in however often others fail: many people may share an address, and
        256 bits are not guessed anyway. The limit is for clients that go on with a dead token.

        Args:
            authorization: The call's metadata of this name.
            peer_common_name: From a client certificate that was verified in the handshake.
            peer_host: The address the call comes from, without the port.

        Raises:
            TokenInvalid: Unless the call has something that opens.
            RateLimited: In its place, after more than 10 of them in a minute from one address.
        """
        if self._tokens is None:
            return LOCAL
        try:
            if authorization is not None:
                return self._tokens.verify(_bearer(authorization))
            return _certified(peer_common_name)
        except TokenInvalid:
            self._failures.take(network_of(peer_host))
            raise


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":  # any case: RFC 7235, section 2.1
        raise TokenInvalid
    return token.strip()


def _certified(common_name: str | None) -> Principal:
    if common_name is None:
        raise TokenInvalid
    if not is_name(common_name):
        logger.warning(
            "a certificate was refused: its common name %r is no name for a project; issue one of "
            "1 to 64 letters, digits or . _ @ -",
            common_name[:80],
        )
        raise TokenInvalid
    return Principal(name=common_name, project=common_name, scopes=ALL_BUT_ADMIN)
