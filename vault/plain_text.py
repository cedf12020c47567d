"""Masks what free text may give away: tokens, user information in URLs, quoted values, the name of a failed login."""

from __future__ import annotations

import re

# Vault >= 1.10 and Vault Enterprise: hvs. hvb. hvr. and 24 or more of base64url; before, and OpenBao: s. b. r. and
# 24 characters (batch tokens more); in a namespace followed by `.` and its id.
TOKEN = re.compile(r"(?:(?<![A-Za-z0-9_])hv|(?<![A-Za-z0-9_-]))[sbr]\.[A-Za-z0-9_-]{24,}(?:\.[A-Za-z0-9]{3,})?")
_LONG_WORD = re.compile(rb"\.[A-Za-z0-9_-]{24}")
_TOKEN_BYTES = re.compile(TOKEN.pattern.encode())
_WORD = re.compile(r"\S+")
_DSN = re.compile(r"(?<!\S)[^\s/@:]+:(?!//)\S*@(?=[\w(\[])")
_PASSWORD = re.compile(r"(?i)passw(?:or)?d|passphrase|pwd")
_NAME = re.compile(r"(?i)(?:passw(?:or)?d|passphrase|pwd|secret|token|key|credential)[\w-]*+")
_VALUE = re.compile(r"(?P<sign>\s*+[=:]\s*+)(?![\"'`])(?P<value>[^\s,;&)]++)")
_QUOTES = "\"'`"
_LOGIN = re.compile(r"^(auth/.+?/login/)(?!<name, \d+>\Z)(.+)$", re.DOTALL | re.IGNORECASE)


def find_plain_token(raw: bytes) -> bool:
    """Whether something that looks like a token stands anywhere in `raw`; under 1 µs for a line that has none."""
    return _LONG_WORD.search(raw) is not None and _TOKEN_BYTES.search(raw) is not None


def scrub_tokens(text: str) -> str:
    """The text without tokens: each becomes `<token, length>`."""
    if "." not in text:
        return text
    return TOKEN.sub(lambda found: f"<token, {len(found[0])}>", text)


def mask_error(text: str) -> str:
    """An `error` or warning without user information, quoted values and tokens; hosts and the words stay."""
    text = scrub_tokens(text)
    text = _without_userinfo(text)
    text = _DSN.sub(lambda found: f"{_quotes_of(found[0])}***@", text)
    text = _without_named_values(text)
    return "\n".join(_unquote(line) for line in text.split("\n"))


def _without_userinfo(text: str) -> str:
    """The text without what stands between `://` and the last `@` of a word.

    Whoever makes a vault complain chooses such texts, so their masking takes time in proportion to their length.
    """
    return _WORD.sub(_masked_userinfo, text) if "://" in text else text


def _masked_userinfo(word: re.Match[str]) -> str:
    head, mark, rest = word[0].partition("://")
    _, at, host = rest.rpartition("@")
    return f"{head}://***@{host}" if at else f"{head}{mark}{rest}"


def _without_named_values(text: str) -> str:
    """The text without the values of `password: x`, `api_key=x` and their like."""
    parts: list[str] = []
    at = 0
    while (name := _NAME.search(text, at)) is not None:
        value = _VALUE.match(text, name.end())
        parts.append(text[at : name.end()])
        at = name.end()
        if value is not None and (value["sign"] == "=" or _PASSWORD.search(name[0])):
            parts.append(f"{value['sign']}<string, {len(value['value'])}>")
            at = value.end()
    return "".join(parts) + text[at:]


def _quotes_of(text: str) -> str:
    """The quotes in it: who takes a text away leaves them, or a quoted value beside it would seem unquoted."""
    return "".join(letter for letter in text if letter in _QUOTES)


def _unquote(line: str) -> str:
    """One line of text with each quoted value replaced by its length, to the line's end where a quote stays open."""
    parts: list[str] = []
    at = 0
    while (start := _opening(line, at)) != -1:
        end = _closing(line, start)
        value = line[start + 1 : end]
        parts += [line[at:start], line[start], f"string, {len(value)}", line[start]]
        at = end + 1
    rest = line[at:]
    if any(quote in rest for quote in '"`'):  # a quote is left over, so the pairs were not what they seemed
        first = min(line.find(quote) for quote in _QUOTES if quote in line)
        return f"{line[:first]}<string, {len(line) - first}>"
    return "".join(parts) + rest


def _opening(line: str, at: int) -> int:
    """The next quote that can open: not an apostrophe within or after a word."""
    for index in range(at, len(line)):
        if line[index] in _QUOTES and not (index and line[index - 1].isalnum()):
            return index
    return -1


def _closing(line: str, start: int) -> int:
    """The quote that closes the one at `start`: unescaped, not before a word; the line's end if there is none."""
    index = start + 1
    while index < len(line):
        if line[index] == "\\":
            index += 2
            continue
        if line[index] == line[start] and not line[index + 1 : index + 2].isalnum():
            return index
        index += 1
    return len(line)


def mask_login_path(path: str) -> str:
    """The path of a failed login without the name, which may be a password: `auth/userpass/login/<name, 8>`.

    A path that was masked stays as it is.
    """
    return _LOGIN.sub(lambda found: f"{found[1]}<name, {len(found[2])}>", path)


def mask_url(text: str) -> str:
    """A URL or path without user information and without its query's values."""
    head, mark, query = _without_userinfo(scrub_tokens(text)).partition("?")
    return f"{head}?<string, {len(query)}>" if mark else head
