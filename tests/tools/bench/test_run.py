"""Tests of a benchmark's run: each context must arrive exactly once."""

from pathlib import Path

import pytest

from tools.bench.run import running


def test_a_context_that_arrives_twice_is_an_error(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.add("bare", "bare")
        run.wait_until_ready("bare")
        (samples,) = run.probe(["bare"], 1, 0.01).values()
        assert len(samples) == 1
        (records,) = (tmp_path / "bare" / "arrivals").iterdir()
        records.write_bytes(2 * records.read_bytes())
        with pytest.raises(RuntimeError, match="bare: context 0 has arrived twice"):
            run.probe(["bare"], 1, 0.01)
