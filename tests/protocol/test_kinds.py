"""The kinds of entries: names that never change, and the sixteen that an operation and a stage make."""

from protocol.kinds import Kind, Operation, Stage, kind_of, stage_of


def test_every_operation_has_every_stage() -> None:
    made = {kind_of(operation, stage) for operation in Operation for stage in Stage}
    assert len(made) == 20
    assert {kind for kind in Kind if stage_of(kind) is not None} == made
    for operation in Operation:
        for stage in Stage:
            assert stage_of(kind_of(operation, stage)) == (operation, stage)


def test_a_kind_is_written_as_its_own_name_in_lower_case() -> None:
    assert all(kind.value == kind.name.lower() for kind in Kind)
