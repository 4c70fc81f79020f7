"""How does Go read a URL?

Contract: pure. Only what connection URLs need: scheme, user, host as written (several hosts with commas too), path, query.
Not obvious: errors never show the URL, it may hold a password.
Source: Go's `net/url.Parse`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(.*)", re.DOTALL)
_USERINFO = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:%@]*")
_HOST = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>\"%\x80-\U0010ffff]*")
_PORT = re.compile(r"(:[0-9]*)?")
# Of a host only bytes beyond ASCII, and %, are written as escapes.
_HOST_ESCAPE = re.compile(r"%(?!25)[0-7][0-9A-Fa-f]")
_ZONE = re.compile(r"%25[^\]]*\]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoURL:
    """A URL in its parts; `password` is None when none is given, `host` includes the port."""

    scheme: str = ""
    password: str | None = field(default=None, repr=False)
    username: str = ""
    host: str = ""
    path: str = ""
    query: str = field(default="", repr=False)

    def query_value(self, name: str) -> str:
        """Return the first value of `name` in the query, or ""; what Go cannot read there (`;`, a bad escape) it leaves out."""
        pairs = (
            pair.partition("=") for pair in self.query.split("&") if ";" not in pair and not _BAD_ESCAPE.search(pair)
        )
        return next((unquote_plus(value) for key, _, value in pairs if unquote_plus(key) == name), "")


def parse_go_url(text: str) -> GoURL:
    """Return the parts of a URL as Go sees them.

    Raises:
        ValueError: Go would refuse it; the text says why, without the URL.
    """
    rest, _, fragment = text.partition("#")
    if re.search(r"[\x00-\x1f\x7f]", rest):
        raise ValueError("invalid control character in URL")
    url = _parse(rest, text)
    _check_escapes(fragment)
    return url


def _parse(rest: str, text: str) -> GoURL:
    """Return the parts of `rest`, which is `text` without its fragment."""
    if rest.startswith(":"):
        raise ValueError("missing protocol scheme")
    match = _SCHEME.fullmatch(rest)
    scheme, rest = (match[1].lower(), match[2]) if match else ("", rest)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return GoURL(scheme=scheme, query=query)  # an opaque URL
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
        return GoURL(path=_unescaped(rest), query=query)
    if not rest.startswith("//") or (not scheme and rest.startswith("///")):
        return GoURL(scheme=scheme, path=_unescaped(rest), query=query)
    authority, slash, path = rest[2:].partition("/")
    if "@" in text and "@" not in authority and not _has_port(authority):
        # What stands where a port should is the beginning of a password.
        raise ValueError("invalid user name or password: write %2F for a /, %3F for a ? and %23 for a # in them")
    username, password, host = _parse_authority(authority)
    return GoURL(
        scheme=scheme, username=username, password=password, host=host, path=_unescaped(slash + path), query=query
    )


def parse_go_int(text: str) -> int:
    """Return the integer as Go's ``strconv.Atoi`` reads it.

    Raises:
        ValueError: It is none, or does not fit 64 bits.
    """
    if not _INTEGER.fullmatch(text) or len(text) > 40 or not -(2**63) <= int(text) < 2**63:
        raise ValueError("not a 64-bit integer")
    return int(text)


def host_without_port(host: str) -> str:
    """Return the host part of ``host:port``, without the brackets of IPv6; a host without port as it is."""
    name, colon, port = host.rpartition(":")
    if name.startswith("[") and name.endswith("]"):
        return name[1:-1]
    return name if colon and ":" not in name and "]" not in port else host


def _parse_authority(authority: str) -> tuple[str, str | None, str]:
    userinfo, at, host = authority.rpartition("@")
    _check_host(host)
    if not at:
        return "", None, _unescaped(host)
    if not _USERINFO.fullmatch(userinfo):
        raise ValueError("invalid userinfo")
    username, colon, password = userinfo.partition(":")
    return _unescaped(username), _unescaped(password) if colon else None, _unescaped(host)


def _has_port(host: str) -> bool:
    _, colon, port = host.rpartition(":")
    return not colon or host.endswith("]") or _PORT.fullmatch(colon + port) is not None


def _check_host(host: str) -> None:
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            raise ValueError("missing ']' in host")
        port = host[end + 1 :]
    else:
        _, colon, number = host.rpartition(":")
        port = colon + number if colon else ""
    if not _PORT.fullmatch(port):
        raise ValueError(f'invalid port "{port}" after host')
    if not _HOST.fullmatch(host):
        raise ValueError("invalid character in host name")
    _check_escapes(host)
    if _HOST_ESCAPE.search(_ZONE.sub("]", host) if host.startswith("[") else host):
        raise ValueError("invalid URL escape: a host name is written without % for letters of ASCII")


def _unescaped(text: str) -> str:
    _check_escapes(text)
    return unquote(text, errors="surrogateescape")


def _check_escapes(text: str) -> None:
    bad = _BAD_ESCAPE.search(text)
    if bad:
        raise ValueError(
            "invalid URL escape: a % must be followed by two hexadecimal digits (write %25 for a % itself)"
        )
