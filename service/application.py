"""Builds the application: one runtime behind two doors."""

from dataclasses import dataclass

from flask import Flask

from service.flask_app import create_flask
from service.front import Front
from service.observing.observer import Observer
from service.runtime import Runtime
from service.settings import Settings

__all__ = ["Application", "create_application"]


@dataclass(frozen=True)
class Application:
    """The runtime, the ASGI front and the WSGI application over it."""

    runtime: Runtime
    front: Front
    flask: Flask


def create_application(settings: Settings, observer: Observer | None = None) -> Application:
    """Load the models and build both doors; no thread is started, so this may happen before a fork."""
    runtime = Runtime(settings, observer)
    runtime.registry.refresh()
    flask = create_flask(runtime)
    return Application(runtime, Front(runtime, flask), flask)
