"""What can be configured, from the environment with the prefix GANGLION_, read once and typed."""

import difflib
import os
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from feedback import Place, PlaceError, Store, place_of
from service.keys import KeyRing, KeysError
from service.platforms import platform_settings
from service.sharing.memory import Memory
from service.versions.splitting import Rule, read_rules
from service.versions.verdicts import Limits

__all__ = ["Settings", "SettingsError", "load_settings", "settings_table"]

PREFIX = "GANGLION_"
TOKEN_BYTES = 32
SECRET_LIMIT = 4096
LOOPBACK = ("localhost", "127.0.0.1", "::1")
NEAR = 0.8
OF_KUBERNETES = re.compile(r"(.+_)?(SERVICE_(HOST|PORT)\w*|PORT(_\d+_\w+)?)", re.ASCII)
"""What pods get, by themselves, for a service that is called ganglion, or ganglion-models."""

Seconds = Annotated[float, Field(gt=0, le=86400)]
Count = Annotated[int, Field(ge=1)]
UrlPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~:@!$&'()*+,;=/-]{1,255}$")]


class SettingsError(ValueError):
    """A setting that cannot be used; the message is one sentence for each, for the person who starts the service."""


class Settings(BaseModel):
    """Every setting of the service. Secrets are named by file, never by value."""

    model_config = ConfigDict(frozen=True)

    models: Path = Field(
        default=Path("models"), description="Folder of the model repository, or one model file (or the folder it is in)"
    )
    default_model: str | None = Field(
        default=None, description="Model that `POST /predict` means; unset: the only one there is"
    )
    bind: str = Field(default="127.0.0.1:8000", description="Address and port to listen on")
    workers: Count = Field(default=2, description="Worker processes")
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = Field(
        default=8 * 2**20, description="Largest request body, before and after decompression; beyond it 413"
    )
    max_rows: Count = Field(default=10_000, description="Most rows in one request; beyond it 422")
    max_rows_waiting: Count = Field(
        default=50_000, description="Rows a worker holds unanswered; beyond it 429 with `Retry-After`"
    )
    max_wait_s: Seconds = Field(
        default=1.0, description="Longest wait that is expected of new work; beyond it 429 with `Retry-After`"
    )
    thread_rows: Count = Field(default=2048, description="Batches of more rows than this are computed in a thread")
    thread_bytes: Count = Field(
        default=65536,
        description="Bodies longer than this, rows of plain numbers twice as long, are read and answered in a thread",
    )
    deadline_s: Seconds = Field(
        default=10.0,
        description="Time to answer once a request is read; beyond it 504; `X-Request-Timeout-Ms` may ask for less",
    )
    body_timeout_s: Seconds = Field(default=30.0, description="Time for a body to arrive; beyond it 408")
    header_timeout_s: Seconds = Field(default=10.0, description="Time for a header section to arrive; beyond it 408")
    keep_alive_s: Seconds = Field(default=65.0, description="Idle time before a kept connection is closed")
    graceful_timeout_s: Seconds = Field(default=25.0, description="Time for running requests to end after SIGTERM")
    max_header_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=16384, description="Largest header section; beyond it 431"
    )
    max_uri_bytes: Annotated[int, Field(ge=256)] = Field(default=8192, description="Longest URI; beyond it 414")
    max_connections: Count = Field(default=4096, description="Connections a worker keeps open")
    backlog: Count = Field(default=2048, description="Connections that may wait to be accepted")
    reload_interval_s: Seconds = Field(default=1.0, description="How often the repository is looked at for changes")
    batch_invariant: bool = Field(
        default=True,
        description="Whether an answer has the same bits whatever shares its product; off, a row alone costs less",
    )
    drift: bool = Field(default=True, description="Whether a sample of the rows is compared with those of training")
    drift_webhook: str | None = Field(
        default=None, pattern=r"^https?://[^/]", description="URL that drift of a champion is posted to; see observing"
    )
    drift_webhook_token_file: Path | None = Field(
        default=None, description="File of its token: sent as `Authorization: Bearer`, or where the URL says `{token}`"
    )
    drift_webhook_secret_file: Path | None = Field(
        default=None, description="File of the secret that signs what is posted, in `X-Hub-Signature-256`"
    )
    drift_webhook_interval_s: Seconds = Field(
        default=3600.0, description="Least time between two posts about one model"
    )
    drift_webhook_rows: Count = Field(
        default=500, description="Rows of the last hour that there must be before drift is posted"
    )
    state: Path | None = Field(
        default=None, description="Folder of what outlives a restart: versions held back, when drift was posted"
    )
    predict_route: UrlPath | None = Field(
        default=None, description="One more path that predicts, as Vertex AI asks for it"
    )
    health_route: UrlPath | None = Field(
        default=None, description="One more path that tells whether the service is ready"
    )
    canary: tuple[Rule, ...] = Field(
        default=(), description="Requests for a champion that an alias answers: `MODEL:ALIAS:PERCENT%`, by comma"
    )
    shadow: tuple[Rule, ...] = Field(
        default=(), description="Requests for a champion that an alias computes, too, to be compared; as for a canary"
    )
    log_store: str | None = Field(
        default=None,
        description="Where predictions and feedback are kept: `sqlite:////data/log.db` or `postgresql://user@host/db`",
    )
    log_store_password_file: Path | None = Field(
        default=None, description="File that holds the password of the log store"
    )
    log_sample: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Part of the requests that is kept, by a hash of their ids"
    )
    log_keep_days: Annotated[float, Field(gt=0, le=36500)] = Field(
        default=90.0, description="Days after which what was kept is deleted"
    )
    log_keep_requests: Count = Field(
        default=1_000_000, description="About how many requests, and as many feedbacks, are kept; the oldest go first"
    )
    feedback_scope: Literal["predict", "feedback"] = Field(
        default="predict",
        description="Whether keys with the scope `predict` may give feedback, too, or only those with `feedback`",
    )
    watch_window_s: Seconds | None = Field(
        default=None,
        description="Time that a new champion is compared with the one before, and rolled back when it breaks a limit",
    )
    watch_answers: Count = Field(default=100, description="Answers to the same requests by both before it is judged")
    watch_error_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.02, description="Limit: share of errors that it may have beyond those of the other"
    )
    watch_latency: Annotated[float, Field(gt=1)] = Field(
        default=3.0, description="Limit: multiple of the other's processor time, in half of the requests"
    )
    watch_shift: Annotated[float, Field(gt=0)] = Field(
        default=0.25, description="Limit: stability index of its predictions against the other's, and against training"
    )
    watch_difference: Annotated[float, Field(gt=0)] = Field(
        default=0.75, description="Limit: mean distance of a prediction from the other's, in probability or scales"
    )
    watch_live: Annotated[float, Field(gt=0)] = Field(
        default=0.1, description="Limit: more wrong answers, or a larger part of the error, than the other by feedback"
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="Addresses, by comma, whose `X-Forwarded-*` headers are believed"
    )
    traces_endpoint: str | None = Field(
        default=None, pattern=r"^https?://", description="URL of an OTLP/HTTP collector that spans are sent to"
    )
    traces_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.01, description="Part of the requests without a trace of their own that one is begun for"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged")
    log_format: Literal["json", "text"] = Field(default="json", description="Shape of a log line")
    admin: bool = Field(default=False, description="Whether the administrative routes exist; needs a token")
    admin_token_file: Path | None = Field(
        default=None, description=f"File that holds the administrator's token, at least {TOKEN_BYTES} bytes"
    )
    api_key_file: Path | None = Field(
        default=None, description="File of the API keys that predictions and metrics then need; read again when changed"
    )
    tls_cert: Path | None = Field(default=None, description="Certificate chain in PEM: serve HTTPS, and nothing else")
    tls_key: Path | None = Field(default=None, description="Private key of the certificate, in PEM")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("canary", "shadow", mode="before")
    @classmethod
    def _rules(cls, value: object) -> object:
        return read_rules(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _files_can_be_used(self) -> Self:
        if self.admin and self.admin_token_file is None:
            raise ValueError(
                f"{PREFIX}ADMIN is on but {PREFIX}ADMIN_TOKEN_FILE names no file: "
                f"administrative routes need a token of at least {TOKEN_BYTES} bytes"
            )
        if self.admin:
            self.admin_token()
        if self.api_key_file is not None:
            try:
                KeyRing(self.api_key_file)
            except KeysError as error:
                raise ValueError(f"{PREFIX}API_KEY_FILE: {error}") from error
        self.log_place()
        self.webhook_secrets()
        self._check_state()
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError(f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY go together: a certificate needs its key")
        if self.tls_cert is not None:
            self.tls()
        return self

    def log_place(self) -> Place | None:
        """Return where the log store is, None without one; ValueError for what names none."""
        if self.log_store is None:
            return None
        try:
            place = place_of(self.log_store, self.log_store_password_file)
            Store(place)  # connects to nothing yet; tells whether what it needs is installed
        except PlaceError as error:
            raise ValueError(f"{PREFIX}LOG_STORE: {error}") from error
        return place

    def limits(self) -> Limits | None:
        """Return what new champions are watched by, None when they are not."""
        if self.watch_window_s is None:
            return None
        return Limits(
            self.watch_window_s,
            self.watch_answers,
            self.watch_error_rate,
            self.watch_latency,
            self.watch_shift,
            self.watch_difference,
            self.watch_live,
        )

    def webhook_secrets(self) -> tuple[str | None, bytes | None]:
        """Read the token and the secret of the webhook; ValueError when they, or its URL, cannot be used."""
        token_file, secret_file = self.drift_webhook_token_file, self.drift_webhook_secret_file
        token = None if token_file is None else _secret(token_file, "DRIFT_WEBHOOK_TOKEN_FILE").strip()
        secret = None if secret_file is None else _secret(secret_file, "DRIFT_WEBHOOK_SECRET_FILE").strip()
        for name, value in (("TOKEN", token), ("SECRET", secret)):
            if value is not None and not (value and value.isascii() and value.decode("ascii", "replace").isprintable()):
                raise ValueError(f"{PREFIX}DRIFT_WEBHOOK_{name}_FILE holds no line of printable ASCII")
        url = urlsplit(self.drift_webhook or "")
        is_open = url.scheme == "http" and url.hostname not in LOOPBACK
        if token is not None and is_open:
            raise ValueError(f"{PREFIX}DRIFT_WEBHOOK: a token is sent over https only, or to this machine")
        if self.drift_webhook is not None and not self.drift:
            raise ValueError(f"{PREFIX}DRIFT_WEBHOOK is set but {PREFIX}DRIFT is off: there is nothing to tell")
        return None if token is None else token.decode("ascii"), secret

    def _check_state(self) -> None:
        if self.state is not None:
            try:
                Memory(self.state)
            except OSError as error:
                reason = error.strerror or error
                raise ValueError(f"{PREFIX}STATE names a folder that cannot be written: {reason}") from error

    def tls(self) -> ssl.SSLContext | None:
        """Read the certificate, None without one; ValueError when it cannot be used."""
        if self.tls_cert is None or self.tls_key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        except OSError as error:
            raise ValueError(f"{PREFIX}TLS_CERT, {PREFIX}TLS_KEY: {error.strerror or error}") from error
        return context

    def admin_token(self) -> bytes | None:
        """Read the administrator's token, None while the administrative routes are off; ValueError when too short."""
        if not self.admin or self.admin_token_file is None:
            return None
        token = _secret(self.admin_token_file, "ADMIN_TOKEN_FILE").strip()
        if len(token) < TOKEN_BYTES:
            raise ValueError(
                f"{PREFIX}ADMIN_TOKEN_FILE holds {len(token)} bytes: a token needs at least {TOKEN_BYTES}, "
                "for example from `openssl rand -hex 32`"
            )
        return token


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment, with what a hosting platform says and then `overrides` on top.

    SettingsError says what cannot be used, also a variable that must have meant one of them: ignored, it would leave
    the service without the key or the limit that somebody believes it has.
    """
    if slips := list(_slips(os.environ)):
        raise SettingsError("\n".join(slips))
    try:
        return Settings(**_given(os.environ) | platform_settings(os.environ) | overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(map(_sentence, error.errors()))) from error


def _given(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that variables name in letters of any case; an empty one is as good as none."""
    variables = {variable.upper(): text for variable, text in environment.items() if text}
    named = ((name, variables.get(PREFIX + name.upper())) for name in Settings.model_fields)
    return {name: text for name, text in named if text is not None}


def _slips(variables: Iterable[str]) -> Iterator[str]:
    """Name the variables that are no setting but look like one, with the setting that they must have meant."""
    known = [name.upper() for name in Settings.model_fields]
    for variable in variables:
        name = variable.upper().removeprefix(PREFIX)
        if name == variable.upper() or name in known or OF_KUBERNETES.fullmatch(name):
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=NEAR)
        near += [one for one in known if name.startswith(f"{one}_") or one.startswith(f"{name.removesuffix('S')}_")]
        if near:
            yield f"{variable} is no setting; did you mean {PREFIX}{near[0]}?"


def settings_table() -> str:
    """Return the Markdown table of all settings."""
    lines = ["| variable | default | what |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _secret(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(SECRET_LIMIT)
    except OSError as error:
        raise ValueError(f"{PREFIX}{name} names a file that cannot be read: {error.strerror}") from error


def _sentence(fault: Any) -> str:
    place = ".".join(map(str, fault["loc"])).upper()
    message = fault["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{place}: {message}" if place else message


def _default(value: object) -> str:
    if value is None or value == ():
        return "-"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"
