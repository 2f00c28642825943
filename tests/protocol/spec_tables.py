"""What SPEC.md says of a struct, told from the struct itself: a row for each member with its type and default."""

import msgspec
from msgspec import inspect

from protocol.authorise import Refusal
from protocol.entries import CardStep, Kind

_TYPE_COLUMNS = 3


def members_of(struct: type[msgspec.Struct]) -> list[tuple[str, str, str]]:
    """Member, type and default in the order of the wire; of the body of a step, those behind `CardStep`'s own."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    is_step = issubclass(struct, CardStep) and struct is not CardStep
    inherited = CardStep.__struct_encode_fields__ if is_step else ()
    rows = [
        (f"`{field.encode_name}`", type_text(field.type), _default_text(field))
        for field in info.fields
        if field.encode_name not in inherited
    ]
    if info.tag is not None:
        rows.insert(0, (f"`{info.tag_field}`", f'`"{info.tag}"`', "required"))
    return rows


def tables_in(text: str) -> dict[str, list[tuple[str, str, str]]]:
    """The first three columns of each table of members in a page, by the struct its caption names."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("Members of `"):
            name = line.split("`")[1]
            assert name not in found, f"{name} is described twice"
            found[name] = []
        elif line.startswith("| `") and name:
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            found[name].append((cells[0], cells[1], cells[2]))
            assert len(cells) == _TYPE_COLUMNS + 1 and cells[-1], f"{name}.{cells[0]} says nothing of its meaning"
        elif name and found[name] and not line.startswith("|"):
            name = ""
    return found


def type_text(info: inspect.Type) -> str:  # noqa: C901
    """A type in words."""
    match info:
        case inspect.Metadata():
            return type_text(info.type)
        case inspect.IntType():
            return f"integer {_number(info.ge)} to {_number(info.le)}"
        case inspect.StrType(pattern=str(pattern)):
            return f"text `{pattern.removeprefix('^').removesuffix(chr(92) + 'Z')}`"
        case inspect.StrType(max_length=int(most)):
            return f"text of {info.min_length or 0} to {most} characters"
        case inspect.StrType():
            return "text"
        case inspect.EnumType():
            values = [member.value for member in info.cls]
            names = {Kind: "a kind", Refusal: "a refusal code"}
            return names[info.cls] if info.cls in names else "one of " + ", ".join(f"`{value}`" for value in values)
        case inspect.LiteralType():
            return " or ".join(f'`"{value}"`' for value in info.values)
        case inspect.StructType():
            return f"`{info.cls.__name__}`"
        case inspect.VarTupleType(max_length=None):
            return f"array of {type_text(info.item_type)}"
        case inspect.VarTupleType():
            return f"array of {type_text(info.item_type)}, at most {info.max_length}"
        case inspect.DictType():
            return f"object: {type_text(info.key_type)} to {type_text(info.value_type)}"
        case inspect.UnionType():
            return " or ".join(type_text(inner) for inner in info.types if not isinstance(inner, inspect.NoneType))
        case _:
            raise AssertionError(f"no words for {info}")


def _number(value: int | None) -> str:
    assert value is not None, "every integer on the wire has bounds"
    size = abs(value)
    if size > 1_000 and (size + 1).bit_count() == 1:
        power = f"2^{(size + 1).bit_length() - 1} − 1"
        return power if value > 0 else f"−({power})"
    return str(value)


def _default_text(field: inspect.Field) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return "none"
    return "`[]`" if field.default == () else f"`{msgspec.json.encode(field.default).decode()}`"
