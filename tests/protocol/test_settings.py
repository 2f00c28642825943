"""What is wrong with a settings file is said by its key, with what is expected there, and without the value."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from protocol.settings import SettingsWrong, decode_settings


class _Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    secret: Annotated[str, Meta(pattern="^[a-f]+$", description="letters a to f")]
    shape: Annotated[str, Meta(pattern="^x+$")] = "x"
    port: Annotated[int, Meta(ge=1, le=9)] = 1
    least: Annotated[int, Meta(ge=3)] = 3


class _Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    flag: bool = False
    inner: _Inner | None = None
    rows: tuple[_Inner, ...] = ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the key 'name' is missing: text in quotes"),
        ("name = 1", "name: expected text in quotes, not a number"),
        ('name = ["a"]', "name: expected text in quotes, not a list"),
        ('name = "a"\nflag = "yes"', "flag: expected true or false, not text"),
        ('name = "a"\ncolour = 1', "there is no key 'colour' here, only name, flag, inner, rows"),
        ('name = "a"\ninner = 1', "inner: expected a table with secret, shape, port, least, not a number"),
        ('name = "a"\nrows = 1', "rows: expected a list of a table with secret, shape, port, least, not a number"),
        ('name = "a"\n[inner]\nport = 2', "inner: the key 'secret' is missing: text in quotes: letters a to f"),
        ('name = "a"\n[inner]\nsecret = "hush"', "inner.secret: expected text in quotes: letters a to f"),
        ('name = "a"\n[inner]\nsecret = "a"\nshape = "y"', "inner.shape: expected text in quotes: ^x+$"),
        ('name = "a"\n[inner]\nsecret = "a"\nport = 0', "inner.port: expected a whole number from 1 to 9"),
        ('name = "a"\n[[rows]]\nsecret = "a"\n[[rows]]\nleast = 1\nsecret = "a"', "rows 2.least: expected a whole"),
        ('name = "a"\n[[rows]]\nsecret = "a"\nextra = 1', "rows 1: there is no key 'extra' here, only secret, "),
    ],
)  # fmt: skip
def test_each_mistake_has_its_sentence(text: str, told: str) -> None:
    with pytest.raises(SettingsWrong) as wrong:
        decode_settings(text.encode(), _Outer)
    assert str(wrong.value).startswith(told) and "hush" not in str(wrong.value)


def test_text_that_is_no_settings_file_is_told() -> None:
    with pytest.raises(SettingsWrong, match=r"not TOML: .*\(at end of document\)"):
        decode_settings(b'name = "a"\n[inner', _Outer)
    with pytest.raises(SettingsWrong, match="not UTF-8"):
        decode_settings(b"\xff", _Outer)
    with pytest.raises(SettingsWrong, match="not TOML"):
        decode_settings(b"name = 1" + 5_000 * b"0", _Outer)
    with pytest.raises(SettingsWrong, match="at most 65536 bytes"):
        decode_settings(b"a." * 500_000 + b"a = 1", _Outer)
    with pytest.raises(SettingsWrong, match="nest too deep"):
        decode_settings(b"name = " + 5_000 * b"[", _Outer)
    assert decode_settings(b'name = "a"', _Outer) == _Outer("a")
