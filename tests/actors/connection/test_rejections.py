"""Rejected input, folded by kind."""

from actors.connection.rejections import KINDS, Rejections


def test_the_first_of_a_kind_is_told_and_the_rest_are_counted() -> None:
    rejections = Rejections()
    first = rejections.add("not JSON: line 1 column 7", b"a", 1)
    assert first is not None
    assert (first.count, first.raw, first.size) == (1, b"a", 1)
    assert [rejections.add(f"not JSON: line 1 column {number}", b"b", 2) for number in range(99)] == [
        None
    ] * 99
    # And another kind is another
    other = rejections.add("'x' is no event", b"c", 3)
    assert other is not None
    assert rejections.add("'y' is no event", b"c", 3) is None
    counts = {each.reason: each.count for each in rejections.take_repeated()}
    assert counts == {"not JSON: line 1 column 98": 99, "'y' is no event": 1}
    # And from then on they are counted anew
    assert rejections.take_repeated() == []
    rejections.add("not JSON: line 3 column 7", b"a", 1)
    assert [each.count for each in rejections.take_repeated()] == [1]


def test_a_backend_that_has_a_reason_for_each_is_bounded_too() -> None:
    rejections = Rejections()
    told = [rejections.add("x" * number, b"", 0) for number in range(1, 10 * KINDS + 1)]
    assert sum(each is not None for each in told) == KINDS + 1
    assert sum(each.count for each in rejections.take_repeated()) == 9 * KINDS - 1
