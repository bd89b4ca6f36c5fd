"""The command line of the service."""

import argparse
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]

DESCRIPTION = """\
Serves the models of a repository over HTTP, and asks a running service.

  python -m service serve                              serve models/ at http://127.0.0.1:8000
  python -m service serve --bind 0.0.0.0:80 --workers 4
  python -m service key alice >> keys                  draw an API key, and let it in
  python -m service predict flowers.csv                predict every row of a CSV file, CSV to standard output
  python -m service predict flats.csv --model flats --keep id --output prices.csv

Models are published by `python -m training fit`, and are picked up while the service runs.
"""
SETTINGS_HINT = "Every other setting is a variable GANGLION_...: python -m service --help lists them."
UNSET = (None, ())
SETTINGS_TITLE = "settings, from the environment (an option of the command line goes before it):"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when done, 1 when the service answered with a fault, 2 for bad input."""
    options = parser().parse_args(arguments)
    if options.command == "predict":
        from service.predict_file import predict_file  # noqa: PLC0415 - the server needs none of the client

        return predict_file(options)
    return draw_key(options) if options.command == "key" else run_server(options)


def draw_key(options: argparse.Namespace) -> int:
    """Print a new key for people, and the line for the file of keys on standard output."""
    from service.keys import KeysError, new_key  # noqa: PLC0415 - the server is not needed

    try:
        key, line = new_key(options.name, options.scopes.split(","), options.limit)
    except KeysError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(f"The key, which is shown this once: {key}\nThe line for the file of keys:\n")
    sys.stdout.write(f"{line}\n")
    return 0


def run_server(options: argparse.Namespace) -> int:
    """Serve until told to end."""
    # NumPy reads it when it is imported: threads of their own in every worker make all of them slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from service.server import BindError, serve  # noqa: PLC0415
    from service.settings import SettingsError, load_settings  # noqa: PLC0415

    given = {name: getattr(options, name) for name in ("models", "bind", "workers", "tls_cert", "tls_key")}
    try:
        serve(load_settings(**{name: value for name, value in given.items() if value is not None}))
    except (SettingsError, BindError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


class Teaching(argparse.RawDescriptionHelpFormatter):
    """Shows the description as it is written."""


class WithSettings(argparse.ArgumentParser):
    """A parser whose help ends with the table of settings, read only when it is asked for."""

    def format_help(self) -> str:
        """Return the help and the settings."""
        from service.settings import Settings  # noqa: PLC0415

        fields = {f"GANGLION_{name.upper()}": field for name, field in Settings.model_fields.items()}
        width = max(map(len, fields)) + 2
        lines = [
            f"  {name:<{width}}{field.description} [{'unset' if field.default in UNSET else field.default}]\n"
            for name, field in fields.items()
        ]
        return f"{super().format_help()}\n{SETTINGS_TITLE}\n{''.join(lines)}"


def parser() -> argparse.ArgumentParser:
    """Build the parser."""
    top = WithSettings(prog="python -m service", description=DESCRIPTION, formatter_class=Teaching)
    commands = top.add_subparsers(
        dest="command", required=True, metavar="serve|predict|key", parser_class=argparse.ArgumentParser
    )
    _add_serve(commands.add_parser("serve", help="serve the models of a repository over HTTP", epilog=SETTINGS_HINT))
    _add_key(commands.add_parser("key", help="draw an API key"))
    _add_predict(commands.add_parser("predict", help="predict the rows of a CSV file with a running service"))
    return top


def _add_serve(server: argparse.ArgumentParser) -> None:
    server.add_argument("--models", metavar="DIR", help="folder of the model repository")
    server.add_argument("--bind", metavar="HOST:PORT", help="address and port to listen on")
    server.add_argument("--workers", metavar="N", type=int, help="worker processes")
    server.add_argument("--tls-cert", metavar="FILE", help="certificate chain in PEM: serve HTTPS")
    server.add_argument("--tls-key", metavar="FILE", help="private key of the certificate, in PEM")


def _add_key(key: argparse.ArgumentParser) -> None:
    key.add_argument("name", metavar="NAME", help="what the log calls it")
    key.add_argument("--scopes", default="predict", help="predict, feedback, observe, admin, by comma [%(default)s]")
    key.add_argument("--limit", metavar="N/s", help="how many requests it may make: 100/s, 100/min, 100/h [any number]")


def _add_predict(client: argparse.ArgumentParser) -> None:
    client.add_argument(
        "file", metavar="FILE.csv", help="rows to predict, as `training fit` reads it; - reads standard input"
    )
    client.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is [%(default)s]")
    client.add_argument("--model", metavar="NAME", help="model to ask [the default one]")
    client.add_argument("--output", metavar="FILE", help="where the answers go, once all are there [standard output]")
    client.add_argument(
        "--keep", metavar="COLUMN", action="append", default=[], help="a column of the file to write before each answer"
    )
    client.add_argument(
        "--missing", metavar="WORD", action="append", default=[], help="one more word that means a missing cell"
    )
    client.add_argument("--api-key-file", metavar="FILE", help="file that holds the key which the service asks for")
    client.add_argument("--batch", metavar="N", type=int, default=1000, help="rows a request [%(default)s]")
    client.add_argument("--timeout", metavar="SECONDS", type=float, default=30.0, help="for one request [%(default)s]")
