"""Workflow files read and their steps executed by bash, as the runners of GitHub and GitLab would, in fresh clones.

The steps are the files' own, the training is real; stand-ins are made for `gh` and `curl`, which would talk to the
forge and here write down what they were asked, and for three actions: checkout, and artefacts to and fro.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.training.retrain.conftest import rows_of

__all__ = ["RECIPE", "ROOT", "Forge", "Ran", "found_forge"]

ROOT = Path(__file__).parents[2]
EXPRESSION = re.compile(r"\$\{\{ *(.+?) *\}\}")
RECIPE = """\
source = "data/flowers.csv"

[data]
target = "kind"

[fit]
epochs = 60

[promotion]
tolerance = 0.2
recent_tolerance = 0.5
legacy_tolerance = 0.5
calibration_loss = 0.5

[[network.hidden]]
units = 8
"""
GH = """\
#!/bin/sh
# Answers as gh would where PULL_REQUEST holds the number of an open pull request, and writes down each call.
echo "gh $*" >>"$CALLS"
[ -n "$GH_TOKEN" ] || exit 4
case "$1 $2" in
"pr list") cat "$PULL_REQUEST" 2>/dev/null || true ;;
"pr create") echo 7 >"$PULL_REQUEST" ;;
"pr close") rm "$PULL_REQUEST" ;;
esac
while [ $# -gt 0 ]; do
  [ "$1" != --body-file ] || cat "$2" >>"$CALLS"
  shift
done
"""
CURL = """\
#!/bin/bash
# Answers as GitLab would: a list of the open merge requests where one is asked for; writes down each call.
echo "curl $*" | sed 's|/dev/fd/[0-9]*|PIPE|' >>"$CALLS"
for word in "$@"; do
  case "$word" in
  @/dev/fd/*) cat "${word#@}" >>"$CALLS" ;;
  body@* | description@*) cat "${word#*@}" >>"$CALLS"; echo 7 >"$PULL_REQUEST" ;;
  *state=opened*) [ -f "$PULL_REQUEST" ] && echo '[{"iid": 7}]' || echo '[]' ;;
  esac
done
"""


@dataclass(frozen=True)
class Ran:
    """What came of a job: its exit code, what it printed, its summary page and its outputs."""

    code: int
    printed: str
    summary: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Forge:
    """A team's repository at a forge, `origin.git` in a folder, and the machines that run its jobs."""

    folder: Path

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    @property
    def calls(self) -> str:
        """What the forge was asked, and the pages that came with it."""
        path = self.folder / "calls"
        return path.read_text() if path.exists() else ""

    def git(self, *words: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=folder or self.origin,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"git {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def clone(self, name: str, branch: str = "main") -> Path:
        """Return a fresh clone, with an environment that `deploy/setup` finds complete."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        self.git("clone", "--quiet", "--branch", branch, str(self.origin), str(folder), folder=self.folder)
        if branch == "main":
            (folder / ".venv/bin").mkdir(parents=True)
            python = folder / ".venv/bin/python"
            python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
            python.chmod(0o755)
            locks = b"".join((folder / f"locks/{lock}.txt").read_bytes() for lock in ("dev", "serve", "train"))
            cksum = subprocess.run(["cksum"], input=locks, capture_output=True, check=True).stdout.decode().strip()
            (folder / ".venv/locked").write_text(f"run {cksum}\n")
        return folder

    def commit(self, files: Mapping[str, str]) -> None:
        """Push a change of files to the main branch."""
        folder = self.clone("developer")
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        self.git("add", "--all", folder=folder)
        self.git("commit", "--quiet", "--message", "A change", folder=folder)
        self.git("push", "--quiet", "origin", "HEAD:main", folder=folder)

    def merge(self, branch: str) -> None:
        """Merge a challenger into the branch of the models, as somebody does with a button."""
        folder = self.clone("reviewer", "models")
        self.git("merge", "--quiet", "--no-ff", "--message", "Merged", f"origin/{branch}", folder=folder)
        self.git("push", "--quiet", "origin", "HEAD:models", folder=folder)

    def shown(self, path: str, branch: str = "models") -> Any:
        """Return a JSON file of a branch."""
        return yaml.safe_load(self.git("show", f"{branch}:{path}"))

    def github(self, workflow: str = "retrain", **context: Any) -> tuple[Ran, Ran | None]:
        """Run both jobs of a workflow: the retraining, and what publishes it where its condition holds."""
        jobs = yaml.safe_load((self.clone("reader") / f".github/workflows/{workflow}.yml").read_text())["jobs"]
        known = {"secrets": {}, "vars": {}, "inputs": {}, "github": {"token": "t0ken", "repository": "team/models"}}
        known |= context
        first = self._job(jobs["retrain"], known)
        assert set(first.outputs) <= set(jobs["retrain"]["outputs"])
        needs = {"needs": {"retrain": {"outputs": first.outputs}}}
        if not holds(jobs["publish"]["if"], known | needs):
            return first, None
        return first, self._job(jobs["publish"], known | needs)

    def _job(self, job: Mapping[str, Any], context: Mapping[str, Any]) -> Ran:
        folder, printed, code = self.folder / "nothing", "", 0
        outputs, summary = self.folder / "outputs", self.folder / "summary"
        for page in (outputs, summary):
            page.write_text("")
        for step in job["steps"]:
            if code and step.get("if") != "always()":
                continue
            if "uses" in step:
                folder = self._action(step, folder)
                continue
            variables = {name: evaluated(value, context) for name, value in step.get("env", {}).items()}
            variables |= {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary)}
            said, ended = self.bash(step["run"], folder, variables)
            printed, code = printed + said, code or ended
        pairs = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        return Ran(code, printed, summary.read_text(), pairs)

    def _action(self, step: Mapping[str, Any], folder: Path) -> Path:
        """Do what the three actions do that the workflows use; they know neither `if` nor other options."""
        action = step["uses"].split("@")[0]
        kept = self.folder / "artefacts" / str(step["with"].get("name"))
        if action == "actions/checkout":
            return self.clone("runner")
        if action == "actions/upload-artifact":
            paths = step["with"]["path"].split()
            assert paths == ["retrained", "!retrained/models/**"]
            shutil.rmtree(kept, ignore_errors=True)
            if (folder / paths[0]).exists():
                shutil.copytree(folder / paths[0], kept, ignore=shutil.ignore_patterns("models", ".*"))
            return folder
        assert action == "actions/download-artifact"
        shutil.copytree(kept, folder / step["with"]["path"])
        return folder

    def gitlab(self, job: str, variables: Mapping[str, str], *, after: Path | None = None) -> tuple[Ran, Path]:
        """Run a job of `.gitlab-ci.yml` in a clone, with the artefacts of the job's folder before it."""
        folder = self.clone(f"gitlab-{job}")
        said = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())[job]
        if after is not None:
            shutil.copytree(after / "retrained", folder / "retrained", ignore=shutil.ignore_patterns("models"))
        own = {
            "GITLAB_CI": "true",
            "CI_SERVER_URL": self.folder.as_uri(),
            "CI_PROJECT_PATH": "origin",
            "CI_PROJECT_ID": "3",
            "CI_API_V4_URL": "https://gitlab.example/api/v4",
        }
        printed, code = self.bash("\n".join(said["script"]), folder, own | dict(variables))
        return Ran(code, printed), folder

    def bash(self, text: str, folder: Path, variables: Mapping[str, str]) -> tuple[str, int]:
        """Execute a step as runners do; returns what it printed and its exit code."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
            cwd=folder,
            env={**self._environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.stdout, done.returncode

    def _environment(self) -> dict[str, str]:
        who = {f"GIT_{role}_{what}": "somebody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return who | {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "OPENBLAS_NUM_THREADS": "1",
            "CALLS": str(self.folder / "calls"),
            "PULL_REQUEST": str(self.folder / "pull-request"),
        }


def found_forge(folder: Path) -> Forge:
    """Make the repository of a team: the project as it is, a recipe, and rows."""
    forge = Forge(folder)
    (folder / "bin").mkdir(parents=True)
    for name, text in (("gh", GH), ("curl", CURL)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    forge.git("init", "--quiet", "--bare", "--initial-branch=main", str(forge.origin), folder=folder)
    team = folder / "team"
    forge.git("clone", "--quiet", str(forge.origin), str(team), folder=folder)
    for entry in (
        ".github",
        "locks",
        *(path.parent.name for path in ROOT.glob("[a-z]*/__init__.py") if path.parent.name != "tests"),
    ):
        shutil.copytree(ROOT / entry, team / entry, ignore=shutil.ignore_patterns("__pycache__"))
    for entry in (".gitlab-ci.yml", ".gitignore"):
        shutil.copy(ROOT / entry, team / entry)
    (team / "recipes").mkdir()
    (team / "data").mkdir()
    (team / "recipes/flowers.toml").write_text(RECIPE)
    (team / "data/flowers.csv").write_text(rows_of(0))
    forge.git("add", "--all", folder=team)
    forge.git("commit", "--quiet", "--message", "From an empty repository", folder=team)
    forge.git("push", "--quiet", "origin", "HEAD:main", folder=team)
    return forge


def evaluated(text: object, context: Mapping[str, Any]) -> str:
    """Replace the expressions of a value: names, literals, and the first of several that is not empty."""
    return EXPRESSION.sub(lambda found: _first(found[1], context), str(text))


def holds(condition: str, context: Mapping[str, Any]) -> bool:
    """Tell whether a condition holds: terms joined by &&, which are `!cancelled()` or `a.b.c != ''`."""
    terms = [term.strip() for term in EXPRESSION.sub(r"\1", condition).split("&&")]
    return all(term == "!cancelled()" or _first(term.removesuffix(" != ''"), context) for term in terms)


def _first(expression: str, context: Mapping[str, Any]) -> str:
    for term in expression.split(" || "):
        value: Any = term[1:-1] if term.startswith("'") else context
        for part in [] if term.startswith("'") else term.split("."):
            value = value.get(part, {}) if isinstance(value, Mapping) else {}
        if value:
            return str(value)
    return ""
