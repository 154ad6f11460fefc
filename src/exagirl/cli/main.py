"""The command ``exagirl``: one file a verb, and the only place that prints."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from exagirl.cli import (
    card,
    chat,
    check,
    demo,
    doctor,
    evaluate,
    export,
    generate,
    init,
    inspect,
    plan,
    publish,
    run,
    serve,
    stages,
)
from exagirl.cli.screen import make_console
from exagirl.errors import ExagirlError
from exagirl.training.launched import is_follower

FELL_SHORT = 1
INTERRUPTED = 130

app = typer.Typer(
    name="exagirl",
    help="한국어 롤플레잉 캐릭터 만들기: 캐릭터 → 대화 → 두 단계 LoRA → 모델 → 점수 → 대화.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("generate")(generate.generate)
app.command("inspect")(inspect.inspect)
app.command("train")(stages.train)
app.command("merge")(stages.merge)
app.command("export")(export.export)
app.command("evaluate")(evaluate.evaluate)
app.command("publish")(publish.publish)
app.command("chat")(chat.chat)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.add_typer(card.app, name="card")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        make_console().print(f"exagirl {version('exagirl')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="버전을 보인다."),
    ] = False,
) -> None:
    """Options of the command itself."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done; 1 the work fell short; 2 the user's input is wrong; 130 interrupted.
    """
    console = make_console(stderr=True)
    try:
        app(args=arguments)
    except ExagirlError as error:
        which = f"(프로세스 {os.environ['RANK']})" if is_follower() else ""
        console.print(f"[bold red]오류{which}[/]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        # The last net: a fault of ours, told without a traceback.
        if os.environ.get("EXAGIRL_DEBUG"):
            raise
        console.print(f"[bold red]뜻밖의 오류[/] {type(error).__name__}:", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        console.print("EXAGIRL_DEBUG=1을 앞에 붙여 다시 실행하면 자세히 나옵니다.")
        return FELL_SHORT
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
        return _interrupted() if code == INTERRUPTED else code
    return 0


def _interrupted() -> int:
    make_console(stderr=True).print(
        "\n멈췄습니다. 같은 명령을 다시 실행하면 이어 갑니다. 끝난 것은 다시 하지 않습니다."
    )
    return INTERRUPTED
