"""Settings files: read strictly, and what is wrong with one said in words that a technician can act on.

What a pattern means is its type's description (`Meta(description=...)`); without one the pattern itself is shown.
"""

import re
from typing import Any, TypeVar

import msgspec

SETTINGS_BYTES_MAX = 64 * 1_024
"""Far more than anybody writes. The reader takes time that grows with the square of a key's length."""

_T = TypeVar("_T", bound=msgspec.Struct)
_Schema = dict[str, Any]
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_NAMES = {"string": "text in quotes", "integer": "a whole number", "boolean": "true or false"}
_KINDS = {"str": "text", "int": "a number", "float": "a number", "bool": "true or false", "array": "a list"}


class SettingsWrong(ValueError):
    """The text of a settings file cannot be used; says which key, and what is expected there."""


def decode_settings(raw: bytes, kind: type[_T]) -> _T:
    """Read TOML as this kind of settings. Raises SettingsWrong."""
    if len(raw) > SETTINGS_BYTES_MAX:
        raise SettingsWrong(f"a settings file has at most {SETTINGS_BYTES_MAX} bytes, this one has {len(raw)}")
    try:
        return msgspec.toml.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise SettingsWrong(explained(error, kind, show=True)) from error
    except UnicodeDecodeError as error:
        raise SettingsWrong("this is not UTF-8 text") from error
    except ValueError as error:
        raise SettingsWrong(f"this is not TOML: {error}") from error
    except RecursionError as error:
        raise SettingsWrong("this is not TOML that anybody would write: brackets nest too deep") from error


def explained(error: msgspec.ValidationError, kind: Any, *, show: bool = False) -> str:
    """What is wrong with a value of this kind, and where. `show`: with the wrong word itself, where few are allowed."""
    return _explained(str(error), msgspec.json.schema(kind), is_rule=error.__cause__ is not None, show=show)


def _explained(said: str, root: _Schema, *, is_rule: bool, show: bool) -> str:
    found = _PLACE.fullmatch(said)
    assert found is not None, "matches anything"
    what, path, node = found["what"], found["path"] or "", _resolved(root, root)
    for part in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path):
        node = _member(node, part, root)
    # People count tables from 1.
    where = re.sub(r"\[(\d+)\]", lambda index: f" {int(index[1]) + 1}", path).strip()
    inside = f"{where}: " if where else ""
    if is_rule:
        return f"{inside}{what}"
    name = re.search(r"field `([^`]*)`", what)
    if name is None:
        got = re.search(r"got `([^`]*)`|enum value (.*)", what)
        word = (got[2] if show else None) or _KINDS.get(got[1], got[1]) if got else None
        return f"{inside}expected {_expected(node, root)}{f', not {word}' if word else ''}"
    if "missing" in what:
        return f"{inside}the key {name[1]!r} is missing: {_expected(_member(node, name[1], root), root)}"
    return f"{inside}there is no key {name[1]!r} here, only {', '.join(node['properties'])}"


def _member(node: _Schema, part: str, root: _Schema) -> _Schema:
    found = node.get("items", {}) if part.startswith("[") else node.get("properties", {}).get(part, {})
    return _resolved(found, root)


def _resolved(node: _Schema, root: _Schema) -> _Schema:
    """Through references, and past the `null` of what may be left out."""
    node = next((one for one in node.get("anyOf", []) if one.get("type") != "null"), node)
    return root["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _expected(node: _Schema, root: _Schema) -> str:
    if "enum" in node:
        return f"one of {', '.join(map(repr, node['enum']))}"
    if node.get("type") == "array":
        return f"a list of {_expected(_resolved(node['items'], root), root)}"
    if node.get("type") == "object":
        return f"a table with {', '.join(node['properties'])}" if "properties" in node else "a table"
    name = _NAMES.get(node.get("type", ""), "another value")
    least, most = node.get("minimum"), node.get("maximum")
    if least is not None:
        return f"{name} of at least {least}" if most is None else f"{name} from {least} to {most}"
    means = node.get("description") or node.get("pattern") or _length(node)
    return f"{name}: {means}" if means else name


def _length(node: _Schema) -> str:
    if "maxLength" not in node:
        return ""
    return f"{node.get('minLength', 0)} to {node['maxLength']} characters"
