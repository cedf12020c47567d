"""Prints the rules of a policy as text again, without comments and without the values of parameters.

A comment or a parameter's value may hold anything, a password too; what is kept of a policy is this print. Reading it
gives the same rules but for those values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vault.policy_text import Rule

ORDER = ("create", "read", "update", "patch", "delete", "list", "scan", "sudo", "subscribe", "recover", "deny")


def printed(rules: Iterable[Rule]) -> str:
    """Return the text of the rules, one `path` each."""
    return "\n".join("\n".join(_lines(rule)) for rule in rules) + "\n"


def _lines(rule: Rule) -> Iterator[str]:
    yield f"path {_quoted(rule.pattern)} {{"
    yield f"  capabilities = [{', '.join(_quoted(one) for one in ORDER if one in rule.capabilities)}]"
    yield from _parameters("allowed_parameters", rule.allowed)
    yield from _parameters("denied_parameters", rule.denied)
    if rule.required:
        yield f"  required_parameters = [{', '.join(map(_quoted, rule.required))}]"
    for name, value in (("min_wrapping_ttl", rule.min_wrap), ("max_wrapping_ttl", rule.max_wrap)):
        if value:
            yield f'  {name} = "{_seconds(value)}"'
    if rule.pagination_limit:
        yield f"  pagination_limit = {rule.pagination_limit}"
    if rule.mfa_methods:
        yield f"  mfa_methods = [{', '.join(map(_quoted, rule.mfa_methods))}]"
    if rule.keys_filter:
        yield f"  list_scan_response_keys_filter_path = {_quoted(rule.keys_filter)}"
    if rule.control_group:
        yield "  control_group = { }"
    if rule.expires is not None:
        yield f'  expiration = "{rule.expires.isoformat()}"'
    for name in rule.unknown:
        yield f'  {_quoted(name)} = "not known to Keybook"'
    yield "}"


def _seconds(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s"


def _parameters(name: str, values: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if values:
        inside = ", ".join(f"{_quoted(one)} = [{_count(values[one])}]" for one in values)
        yield f"  {name} = {{ {inside} }}"


def _count(values: tuple[str, ...]) -> str:
    return _quoted(f"<{len(values)} value{'s' if len(values) > 1 else ''}>") if values else ""


def _quoted(text: str) -> str:
    return '"' + "".join(map(_letter, text)).replace("${", "\\x24{") + '"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return f"\\x{number:02x}" if number < 32 or number == 127 else f"\\u{number:04x}" if number == 0xE123 else letter
