"""What every object on the wire is built from."""

import msgspec


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Strict both ways: an unknown member is refused, a default is not written."""
