"""Fixtures: the product with the scripted and with the real claude."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.app.tree import SCRIPTED
from tests.claude import real_claude, real_environment, scripted_environment
from tests.e2e.product import Product
from tools.common.model_api import ModelApi

Make = Callable[..., Product]


@pytest.fixture(scope="session", autouse=True)
def _programs(programs: None) -> None:
    """Make them ready for every test here."""


@pytest.fixture
def api() -> Iterator[ModelApi]:
    """Return a double of the Messages API."""
    with ModelApi() as double:
        yield double


@pytest.fixture
def make_real(tmp_path: Path, api: ModelApi) -> Iterator[Make]:
    """Return a function that starts the product with the real claude."""
    yield from _products(tmp_path, (real_claude(),), real_environment(tmp_path / "home", api.url))


@pytest.fixture
def make_scripted(tmp_path: Path) -> Iterator[Make]:
    """Return a function that starts the product with the scripted stand-in; faults go into its environment."""
    yield from _products(tmp_path, SCRIPTED, scripted_environment(tmp_path / "home"))


def _products(directory: Path, command: tuple[str, ...], environment: dict[str, str]) -> Iterator[Make]:
    (directory / "home").mkdir()
    made: list[Product] = []

    def make(extra: dict[str, str] | None = None, **options: Any) -> Product:
        product = Product(directory, command, environment | (extra or {}), **options)
        product.start()
        made.append(product)
        return product

    yield make
    for product in made:
        product.stop()
