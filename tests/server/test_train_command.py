"""`lodsmith train`: what the arguments become, and how it ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pipeline.errors import InvalidInput, ModelUnavailable
from pipeline.training import fine_tune as training
from pipeline.training.fine_tune import FineTuning, Say
from pipeline.types import Progress
from server.cli.train_command import register

Work = Callable[[FineTuning, Progress, Say], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command in an empty environment, with something else than a training inside."""
    for name in ("LODSMITH_MODELS", "LODSMITH_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LODSMITH_MODELS_DIR", str(tmp_path / "home"))
    app = typer.Typer(pretty_exceptions_enable=False)
    register(app)
    app.command()(lambda: None)  # with one command alone, typer takes no name

    def invoke(*arguments: str, work: Work = lambda *_: None) -> Result:
        monkeypatch.setattr(training, "fine_tune", work)
        return CliRunner().invoke(app, ["train", *arguments])

    return invoke


def asked_by(run: Callable[..., Result], *arguments: str) -> FineTuning:
    asked: list[FineTuning] = []
    result = run(*arguments, work=lambda a, *_: asked.append(a))
    assert result.exit_code == 0, result.output
    return asked[0]


def test_defaults(run: Callable[..., Result], tmp_path: Path) -> None:
    asked = asked_by(run, "--lora", str(tmp_path))
    assert asked.folder == tmp_path
    assert asked.out == Path("adapter.safetensors")
    assert (asked.model, asked.device, asked.name) == ("starter", "auto", "adapter")
    assert asked.home == str(tmp_path / "home")
    assert (asked.options.steps, asked.options.params.rank, asked.options.seed) == (300, 8, 0)
    assert asked.options.params.alpha == 8
    assert asked.wanted.licenses is None


def test_every_option_arrives(run: Callable[..., Result], tmp_path: Path) -> None:
    asked = asked_by(
        run, "--lora", str(tmp_path), "-o", "x/candy.safetensors", "--models", "large",
        "--steps", "7", "--rank", "4", "--learning-rate", "0.01", "--batch", "2", "--seed", "9",
        "--caption", "in candy style", "--name", "Candy", "--max-file-mb", "1.5",
        "--min-aesthetic-score", "5.5", "--allow-license", "cc0", "--allow-license", "by",
        "--device", "cpu",
    )  # fmt: skip
    assert asked.out == Path("x/candy.safetensors")
    assert (asked.model, asked.device, asked.name) == ("large", "cpu", "Candy")
    assert asked.caption == "in candy style"
    options = asked.options
    assert (options.steps, options.learning_rate, options.batch, options.seed) == (7, 0.01, 2, 9)
    assert (options.params.rank, options.params.alpha) == (4, 4)
    assert asked.wanted.max_file_bytes == 1_500_000
    assert asked.wanted.min_aesthetic_score == 5.5
    assert asked.wanted.licenses == {"cc0", "by"}


def test_the_name_is_that_of_the_file(run: Callable[..., Result], tmp_path: Path) -> None:
    assert asked_by(run, "--lora", str(tmp_path), "-o", "candy.safetensors").name == "candy"


def speaking(asked: FineTuning, progress: Progress, say: Say) -> None:
    say("step 1")


def test_progress_goes_to_stderr_and_the_file_to_stdout(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    result = run("--lora", str(tmp_path), "-o", "a.safetensors", work=speaking)
    assert result.stdout == "a.safetensors\n"
    assert result.stderr == "step 1\n"
    assert run("--lora", str(tmp_path), "--quiet", work=speaking).stderr == ""


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (InvalidInput("no mesh in it"), 2, "no mesh in it"),
        (ModelUnavailable("the model x has no encoders"), 2, "no encoders"),
        (KeyboardInterrupt(), 130, "the same command goes on"),
    ],
)
def test_how_it_ends_when_it_does_not(
    run: Callable[..., Result], tmp_path: Path, error: BaseException, code: int, says: str
) -> None:
    def failing(*_: object) -> None:
        raise error

    result = run("--lora", str(tmp_path), work=failing)
    assert result.exit_code == code
    assert says in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--steps", "0"), "steps must be from 1"),
        (("--rank", "0"), "rank must be from 1"),
        (("--learning-rate", "5"), "learning_rate must be"),
        (("--out", "adapter.bin"), "must end in .safetensors"),
        (("--max-file-mb", "0"), "max_file_bytes must be above 0"),
    ],
)
def test_values_out_of_range_are_refused(
    run: Callable[..., Result], tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    result = run("--lora", str(tmp_path), *arguments, work=lambda *_: pytest.fail("it ran"))
    assert result.exit_code == 2
    assert says in result.stderr


def test_the_folder_must_be_there(run: Callable[..., Result], tmp_path: Path) -> None:
    assert run("--lora", str(tmp_path / "gone")).exit_code == 2
    assert run().exit_code == 2
