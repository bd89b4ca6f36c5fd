"""A repository of small models, and the application over it."""

from typing import Any

import pytest

from service.application import create_application
from service.settings import load_settings
from tests.service import models


@pytest.fixture
def repository(tmp_path: Any) -> Any:
    return models.filled_repository(tmp_path / "models")


@pytest.fixture(scope="module")
def application(tmp_path_factory: Any) -> Any:
    """One application over a repository of its own for the tests of a module, which change nothing of it."""
    root = tmp_path_factory.mktemp("models")
    models.filled_repository(root)
    application = create_application(load_settings(models=root, default_model="flowers", deadline_s=models.DEADLINE_S))
    yield application
    application.life.stop()


@pytest.fixture
def build(repository: Any, tmp_path: Any) -> Any:
    """Return a function that builds an application over the repository, with settings by name."""
    built = []

    def build(observer: Any = None, **settings: Any) -> Any:
        given = {"models": tmp_path / "models", "default_model": "flowers", "reload_interval_s": 0.02}
        given |= {"deadline_s": models.DEADLINE_S} | settings
        built.append(create_application(load_settings(**given), observer))
        return built[-1]

    yield build
    for application in built:
        application.life.stop()
