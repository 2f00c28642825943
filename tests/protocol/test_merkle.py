"""The tree against the definitions of RFC 9162 as they stand there, its example, and hashes that others published."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.merkle import (
    EMPTY_ROOT,
    Frontier,
    Range,
    consistency_ranges,
    continues,
    covering,
    includes,
    inclusion_ranges,
    joined,
    leaf_hash,
    node_hash,
)
from protocol.signing import sha256_of

SIZES = st.integers(1, 70)


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(f"leaf {number}".encode()) for number in range(size)]


def split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of section 2.1.1, over the hashes of leaves."""
    if not leaves:
        return sha256_of(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    return [*path(m, leaves[:k]), mth(leaves[k:])] if m < k else [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], b: bool) -> list[bytes]:
    """SUBPROOF of section 2.1.4.1."""
    if m == len(leaves):
        return [] if b else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], b), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def answered(leaves: Sequence[bytes], ranges: Sequence[Range]) -> list[bytes]:
    """What a keeper of complete subtrees alone can tell of these ranges."""
    return [
        joined([mth(leaves[place << level : (place + 1) << level]) for level, place in covering(each)])
        for each in ranges
    ]


def grown(leaves: Sequence[bytes]) -> Frontier:
    frontier = Frontier()
    for leaf in leaves:
        frontier.push(leaf)
    return frontier


def altered(raw: bytes) -> bytes:
    return bytes([raw[0] ^ 1]) + raw[1:]


DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Eight leaves and the roots of the first n of them, as the logs of Certificate Transparency test themselves."""


def test_the_published_roots() -> None:
    leaves = [leaf_hash(bytes.fromhex(text)) for text in DATA]
    assert [grown(leaves[:size]).root().hex() for size in range(9)] == ROOTS


def test_the_example_of_the_rfc() -> None:
    """Section 2.1.5: seven leaves, a to f and j; the letters of its drawing."""
    a, b, c, d, e, f, j = leaves = leaves_of(7)
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, m = node_hash(g, h), node_hash(i, j)
    assert grown(leaves).root() == node_hash(k, m)
    paths = {0: [b, h, m], 3: [c, g, m], 4: [f, j, k], 6: [i, k]}
    assert {at: answered(leaves, inclusion_ranges(at, 7)) for at in paths} == paths
    proofs = {3: [c, d, g, m], 4: [m], 6: [i, j, k]}
    assert {size: answered(leaves, consistency_ranges(size, 7)) for size in proofs} == proofs


@given(st.integers(0, 300))
def test_pushing_leaves_gives_the_root_of_the_definition(size: int) -> None:
    leaves, frontier = leaves_of(size), Frontier()
    for position, leaf in enumerate(leaves):
        for (level, place), found in frontier.push(leaf):
            assert (place + 1) << level == position + 1
            assert found == mth(leaves[place << level : position + 1])
    assert frontier.root() == mth(leaves) and frontier.size == size
    parts = [mth(leaves[place << level : (place + 1) << level]) for level, place in covering((0, size))]
    assert frontier.hashes == tuple(parts) and len(parts) <= size.bit_length()


@given(SIZES, st.data())
def test_a_frontier_that_was_kept_goes_on(size: int, data: st.DataObject) -> None:
    leaves, at = leaves_of(size), data.draw(st.integers(0, size))
    before = grown(leaves[:at])
    again = Frontier(at, before.hashes)
    for leaf in leaves[at:]:
        again.push(leaf)
    assert again.root() == mth(leaves)


@given(SIZES, st.data())
def test_a_leaf_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    leaves, position = leaves_of(size), data.draw(st.integers(0, size - 1))
    proof, root = answered(leaves, inclusion_ranges(position, size)), mth(leaves)
    assert proof == path(position, leaves)
    assert includes(root, size, position, leaves[position], proof)
    assert not includes(root, size, position, altered(leaves[position]), proof)
    assert not includes(altered(root), size, position, leaves[position], proof)
    assert not any(
        includes(root, size, other, leaves[position], proof) for other in range(-1, size + 2) if other != position
    )
    assert not includes(root, size, position, leaves[position], [*proof, root])
    for number in range(len(proof)):
        assert not includes(root, size, position, leaves[position], proof[:number] + proof[number + 1 :])
        wrong = [*proof[:number], altered(proof[number]), *proof[number + 1 :]]
        assert not includes(root, size, position, leaves[position], wrong)


@given(SIZES, st.data())
def test_an_older_tree_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    leaves, older = leaves_of(size), data.draw(st.integers(1, size))
    proof, before, root = answered(leaves, consistency_ranges(older, size)), mth(leaves[:older]), mth(leaves)
    assert proof == subproof(older, leaves, True)
    assert continues(before, older, root, size, proof)
    assert not continues(altered(before), older, root, size, proof)
    assert not continues(before, older, altered(root), size, proof)
    assert not continues(before, older, root, size, [*proof, root])
    changed = leaves_of(size)
    at = data.draw(st.integers(0, older - 1))
    changed[at] = altered(changed[at])
    assert not continues(before, older, mth(changed), size, answered(changed, consistency_ranges(older, size)))
    for number in range(len(proof)):
        assert not continues(before, older, root, size, proof[:number] + proof[number + 1 :])
        wrong = [*proof[:number], altered(proof[number]), *proof[number + 1 :]]
        assert not continues(before, older, root, size, wrong)


def test_every_tree_goes_on_from_the_empty_one_and_none_from_a_larger() -> None:
    root = mth(leaves_of(5))
    assert consistency_ranges(0, 5) == []
    assert continues(EMPTY_ROOT, 0, root, 5, []) and continues(EMPTY_ROOT, 0, EMPTY_ROOT, 0, [])
    assert not continues(root, 0, root, 5, []) and not continues(EMPTY_ROOT, 0, root, 5, [root])
    assert not continues(root, 5, root, 4, []) and not continues(root, 4, root, 5, [])


@pytest.mark.parametrize(("size", "hashes"), [(-1, []), (1, []), (3, [bytes(32)]), (1, [bytes(31)]), (0, [bytes(32)])])
def test_a_frontier_has_as_many_hashes_as_its_size_says(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(ValueError, match="frontier"):
        Frontier(size, hashes)
