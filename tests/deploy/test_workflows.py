"""The workflows of GitHub and GitLab: their shell steps, executed end to end with real training and real Git."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from deploy.pull_models import main as pull_models
from predictor import FolderRepository, load_bytes
from tests.deploy.forge import RECIPE, ROOT, Forge, Ran, found_forge
from tests.training.retrain.conftest import rows_of
from training.cookbook import load_recipe

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MORE_ROWS = rows_of(0) + rows_of(1, 200).partition("\n")[2]


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    """Return a team's repository whose first retraining has made a champion: version 1, on the branch of the models."""
    forge = found_forge(tmp_path_factory.mktemp("founded"))
    first, published = forge.github(vars={"RETRAIN_PROMOTE": "if-better"})
    assert first.code == 0, first.printed
    assert published is not None
    assert published.code == 0, published.printed
    assert forge.shown("flowers/aliases.json") == {"challenger": 1, "champion": 1}
    assert "pr create" not in forge.calls
    return forge


@pytest.fixture
def forge(founded: Forge, tmp_path: Path) -> Forge:
    """Return a copy of that repository for one test."""
    return copied(founded, tmp_path)


@pytest.fixture(scope="module")
def challenged(founded: Forge, tmp_path_factory: pytest.TempPathFactory) -> tuple[Forge, Ran, Ran]:
    """Return such a repository after a drift alert has made a challenger, and what its two jobs said."""
    forge = copied(founded, tmp_path_factory.mktemp("challenged"))
    forge.commit({"data/flowers.csv": MORE_ROWS})
    first, published = forge.github(github={"token": "t0ken", "event": {"client_payload": {"model": "flowers"}}})
    assert published is not None
    return forge, first, published


def copied(forge: Forge, folder: Path) -> Forge:
    for entry in ("origin.git", "bin"):
        shutil.copytree(forge.folder / entry, folder / entry)
    return Forge(folder)


def test_a_challenger_that_passes_becomes_a_pull_request(challenged: tuple[Forge, Ran, Ran]) -> None:
    forge, first, published = challenged
    assert (first.code, first.outputs) == (0, {"verdict": "passed"}), first.printed
    assert first.summary.startswith("# flowers: passed, not promoted\n")
    artefacts = forge.folder / "artefacts/retrained"
    assert (artefacts / "versions/flowers/2/report.html").is_file()
    assert not (artefacts / "models").exists()
    assert published.code == 0, published.printed
    assert "gh pr create --base models --head challenger/flowers --title Promote flowers 2 --body-file" in forge.calls
    assert first.summary.strip() in forge.calls
    assert forge.shown("flowers/aliases.json") == {"challenger": 2, "champion": 1}
    assert forge.shown("flowers/aliases.json", "challenger/flowers")["champion"] == 2


def test_the_machine_that_serves_follows_the_branch_but_not_back_to_what_it_rolled_back(
    challenged: tuple[Forge, Ran, Ran], tmp_path: Path
) -> None:
    forge = copied(challenged[0], tmp_path)
    models = forge.folder / "models"
    repository = FolderRepository(models)

    def pulled() -> dict[str, int]:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.pull_models", str(forge.origin), str(models)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return repository.aliases("flowers")

    assert pulled() == {"challenger": 2, "champion": 1}
    assert load_bytes(repository.read("flowers", 2), "2").lineage["parent"] == "flowers@1"
    forge.merge("challenger/flowers")
    assert pulled() == {"challenger": 2, "champion": 2, "previous": 1}
    decided = repository.promotion("flowers")
    assert decided is not None
    assert (decided.note, decided.is_watched) == ("merged: challenger/flowers", True)
    repository.rollback("flowers", note="bad live")
    assert pulled()["champion"] == 1
    clone = forge.clone("operator", "models")
    FolderRepository(clone).set_alias("flowers", "challenger", 1)
    forge.git("commit", "--all", "--quiet", "--message", "Another challenger", folder=clone)
    forge.git("push", "--quiet", "origin", "HEAD:models", folder=clone)
    assert pulled() == {"challenger": 1, "champion": 1, "previous": 2}
    FolderRepository(clone).promote("flowers", 2)
    forge.git("commit", "--all", "--quiet", "--message", "Once more", folder=clone)
    forge.git("push", "--quiet", "origin", "HEAD:models", folder=clone)
    assert pulled()["champion"] == 2
    FolderRepository(clone).rollback("flowers")
    forge.git("commit", "--all", "--quiet", "--message", "Back", folder=clone)
    forge.git("push", "--quiet", "origin", "HEAD:models", folder=clone)
    assert pulled()["champion"] == 1
    decided = repository.promotion("flowers")
    assert decided is not None
    assert not decided.is_watched  # a way back is not


def test_a_branch_that_cannot_be_pulled_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pull_models([str(tmp_path / "no-such.git"), str(tmp_path / "models")]) == 2
    assert "error: git fetch: " in capsys.readouterr().err
    assert pull_models(["--upload-pack=touch hit", str(tmp_path / "models")]) == 64


def test_rows_that_have_been_trained_on_make_no_other_version(forge: Forge) -> None:
    before = forge.git("rev-parse", "models")
    first, published = forge.github(vars={"RETRAIN_PROMOTE": "always"})
    assert (first.code, first.outputs) == (0, {"verdict": "passed"}), first.printed
    assert first.summary == "# flowers: nothing new\n\nflowers\\@1 was made of the same data and recipe.\n\n"
    assert published is not None
    assert (published.code, forge.calls, forge.git("rev-parse", "models")) == (0, "", before)


def test_what_is_wrong_with_one_model_keeps_no_other_from_being_pulled(
    founded: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forge = copied(founded, tmp_path)
    clone = forge.clone("operator", "models")
    shutil.copytree(clone / "flowers", clone / "beds")
    (clone / "beds/aliases.json").write_text('{"champion": 1, "next": 9}')
    (clone / "flowers/2").symlink_to("1")
    (clone / "flowers/1/link.npz").symlink_to("/etc/passwd")
    (clone / "-x").mkdir()
    (clone / "-x/model.npz").write_text("")
    forge.git("add", "--all", folder=clone)
    forge.git("commit", "--quiet", "--message", "Odd things", folder=clone)
    forge.git("push", "--quiet", "origin", "HEAD:models", folder=clone)
    models = tmp_path / "pulled"
    assert pull_models([str(forge.origin), str(models)]) == 2
    assert "error: beds: aliases.json of the branch: 'next' cannot mean 9" in capsys.readouterr().err
    repository = FolderRepository(models)
    assert repository.aliases("beds") == {}
    assert (repository.names(), repository.versions("flowers")) == (["beds", "flowers"], [1])
    assert repository.aliases("flowers") == {"challenger": 1, "champion": 1}
    assert not (models / "flowers/1/link.npz").exists()


def test_a_refused_challenger_fails_the_job_by_its_own_code_and_is_kept(forge: Forge) -> None:
    (forge.folder / "pull-request").write_text("7\n")
    weak = (forge.clone("reader") / "recipes/flowers.toml").read_text().replace("epochs = 60", "epochs = 1")
    forge.commit({"recipes/flowers.toml": weak})
    first, published = forge.github(inputs={"promote": "always", "model": "flowers"})
    assert (first.code, first.outputs) == (3, {"verdict": "refused"})
    assert "::error title=Retraining::the gate refused a challenger" in first.printed
    assert first.summary.startswith("# flowers: refused\n\n- accuracy on all")
    assert published is not None
    assert published.code == 0, published.printed
    assert forge.shown("flowers/aliases.json") == {"challenger": 1, "champion": 1}
    assert "flowers/2/retrain.md" in forge.git("ls-tree", "-r", "--name-only", "models")
    assert "gh pr comment 7 --body-file" in forge.calls
    assert "pr create" not in forge.calls


def test_data_that_break_a_limit_end_the_job_before_training(forge: Forge) -> None:
    before = forge.git("rev-parse", "models")
    (forge.folder / "pull-request").write_text("7\n")
    weeds = {"recipes/weeds.toml": RECIPE.replace("flowers", "weeds"), "data/weeds.csv": rows_of(2, 40)}
    forge.commit({"data/flowers.csv": rows_of(1, shift=9.0), **weeds})
    first, published = forge.github()
    assert (first.code, first.outputs) == (2, {"verdict": "data"})
    assert "::error title=Retraining::the data broke a limit" in first.printed
    assert first.summary.startswith("# flowers: the data broke a limit\n\n- 'length': ")
    assert "# weeds: the data broke a limit\n\n- rows: 40, expected at least 50" in first.summary
    assert forge.calls.count("gh pr comment 7 --body-file") == 2  # the stand-in has one number for all
    assert published is not None
    assert published.code == 0, published.printed
    assert forge.git("rev-parse", "models") == before
    assert not (forge.folder / "artefacts/retrained/versions").exists()


def test_a_champion_that_changed_meanwhile_is_not_overwritten(forge: Forge, challenged: tuple[Forge, Ran, Ran]) -> None:
    folder = forge.clone("reviewer", "models")
    forge.git("commit", "--quiet", "--allow-empty", "--message", "Decided otherwise", folder=folder)
    forge.git("push", "--quiet", "origin", "HEAD:models", folder=folder)
    runner = forge.clone("slow")
    shutil.copytree(challenged[0].folder / "artefacts/retrained", runner / "retrained")
    said, code = forge.bash("deploy/retrain publish", runner, {"GH_TOKEN": "t0ken"})
    assert code == 1
    assert "run again: the champion may be another" in said
    assert forge.shown("flowers/aliases.json") == {"challenger": 1, "champion": 1}
    assert "challenger/flowers" not in forge.git("branch", "--list")


def test_a_report_that_is_too_long_for_a_comment_is_cut_between_lines(forge: Forge) -> None:
    (forge.folder / "pull-request").write_text("7\n")
    runner = forge.clone("runner")
    (runner / "retrained").mkdir()
    (runner / "retrained/verdicts").write_text("flowers data -\n")
    (runner / "retrained/flowers.md").write_text("".join(f"| fact {i} | é |\n" for i in range(9000)))
    said, code = forge.bash("deploy/retrain publish", runner, {"GH_TOKEN": "t0ken"})
    assert code == 0, said
    told = forge.calls.splitlines()
    assert told[-1] == "The rest is in the artefact `retrained`, in flowers.md."
    assert re.fullmatch(r"\| fact \d+ \| é \|", told[-3])
    assert 50_000 < len(forge.calls) < 65_536


def test_a_job_that_dies_is_no_verdict_on_data_or_challenger(forge: Forge) -> None:
    runner = forge.clone("runner")
    (runner / "retrained/models").mkdir(parents=True)
    said, code = forge.bash("deploy/retrain fit", runner, {"PY": "false", "GITHUB_ACTIONS": "true"})
    assert (code, (runner / "retrained/verdict").read_text()) == (0, "failed\n")
    assert (runner / "retrained/summary.md").read_text().startswith("# flowers: the job failed\n\nIt ended with 1;")
    silenced, heard, _ = said.splitlines()
    assert heard == f"::{silenced.removeprefix('::stop-commands::')}::"
    assert forge.bash("deploy/retrain verdict", runner, {})[1] == 1


@pytest.mark.parametrize("name", ["../flowers", "a b", "$(touch hit)", "::set-output", "no-such"])
def test_a_dispatch_names_nothing_but_a_recipe(forge: Forge, name: str) -> None:
    runner = forge.clone("runner")
    (runner / "retrained/models").mkdir(parents=True)
    said, code = forge.bash("deploy/retrain fit", runner, {"MODEL": name})
    assert code == 1
    assert said.startswith("retrain: ")
    assert not (runner / "hit").exists()
    assert not (runner / "retrained/verdict").exists()


def test_gitlab_runs_the_same_steps(forge: Forge) -> None:
    forge.commit({"data/flowers.csv": MORE_ROWS})
    payload = forge.folder / "payload"
    payload.write_text('{"event_type": "ganglion-drift", "client_payload": {"model": "flowers"}}')
    first, folder = forge.gitlab("retrain", {"TRIGGER_PAYLOAD": str(payload)})
    assert first.code == 0, first.printed
    published, _ = forge.gitlab("publish", {"GANGLION_PUSH_TOKEN": "s3cret"}, after=folder)
    assert published.code == 0, published.printed
    assert forge.shown("flowers/aliases.json") == {"challenger": 2, "champion": 1}
    assert forge.shown("flowers/aliases.json", "challenger/flowers")["champion"] == 2
    assert "title=Promote flowers 2" in forge.calls
    assert "# flowers: passed, not promoted" in forge.calls
    assert "PRIVATE-TOKEN: s3cret" in forge.calls  # through the pipe
    assert not [line for line in forge.calls.splitlines() if line.startswith("curl") and "s3cret" in line]
    jobs = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    assert jobs["retrain"]["allow_failure"] == {"exit_codes": 3}  # so that what was refused is published, too


def test_the_schedule_calls_the_workflow_with_the_rights_that_its_jobs_ask_for() -> None:
    caller = yaml.safe_load((ROOT / ".github/workflows/retrain-schedule.yml").read_text())["jobs"]["retrain"]
    called = yaml.safe_load((ROOT / caller["uses"]).read_text())
    asked = {right: level for job in called["jobs"].values() for right, level in job["permissions"].items()}
    assert caller["permissions"] == asked
    assert set(caller["secrets"]) == set(called[True]["workflow_call"]["secrets"])  # YAML reads "on" as true


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_few_rights_pinned_actions_and_no_foreign_text_in_shell(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 120
        for step in job.get("steps", []):
            assert "${{" not in step.get("run", "")
            if "uses" in step:
                assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_the_page_of_the_loop_names_what_there_is(tmp_path: Path) -> None:
    """Follows docs/retraining.md as far as that goes without a forge: its recipe, its settings, its commands."""
    page = (ROOT / "docs/retraining.md").read_text()
    blocks = re.findall(r"^( *)```(\w+)\n(.*?)^ *```$", page, re.DOTALL | re.MULTILINE)
    recipes = [textwrap.dedent(text) for _, kind, text in blocks if kind == "toml"]
    assert len(recipes) == 1
    (tmp_path / "churn.toml").write_text(recipes[0])
    assert load_recipe(str(tmp_path / "churn.toml")).source == "data/churn.csv"
    settings = (ROOT / "docs/settings.md").read_text()
    named = set(re.findall(r"GANGLION_\w+", page)) - {"GANGLION_PUSH_TOKEN"}
    assert named
    assert {name for name in named if f"| `{name}` |" not in settings} == set()
    options = set(re.findall(r"(?<!-)--[a-z]+(?:-[a-z]+)*", page))
    helps = "".join(
        subprocess.run(
            [sys.executable, "-m", *words, "--help"], capture_output=True, text=True, cwd=ROOT, check=True
        ).stdout
        for words in (("training", "retrain"), ("training", "fetch-feedback"), ("predictor", "rollback"))
    )
    assert options - set(re.findall(r"--[a-z]+(?:-[a-z]+)*", helps)) == {"--branch", "--all", "--message"}  # Git's
