"""`attain demo`: load a sample district or a response log, fold it, and show what happened."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from deploy.local import stack
from deploy.local.client import counting
from deploy.local.client.loaded import Loaded, check_taken, refused_only, result_of
from deploy.local.client.progress import Progress, bar
from deploy.local.client.sending import send
from deploy.local.commands.drain import wait_until_drained
from deploy.local.commands.framework import publish
from deploy.local.commands.policy import PolicyFile, put_into_force, read_policy
from deploy.local.files.responses import ResponseLog
from deploy.local.options import Context, command_name, command_options

DEFAULT_POLICY = (
    b'{"id": "streak-3", "method": {"type": "streak", "n": 3}, "decision": {"at_least": 1, "latch": "first_crossing"}}'
)


@click.command()
@click.option(
    "--responses",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Response log to load instead: CSV with student,seq,skill,correct; may be zipped.",
)
@click.option(
    "--small",
    is_flag=True,
    help="300 learners of 3 schools in one year, instead of 2,000 of 5 in two.",
)
@click.option("--policy", "policy_file", type=PolicyFile, help="Policy to use instead of the one that comes with it.")
@click.option("--exit", "exit_", is_flag=True, help="Stop the stack in the end.")
@command_options
def demo(context: Context, responses: Path | None, small: bool, policy_file: Path | None, exit_: bool) -> None:
    """
    Load a sample district into a stack, which is started if none runs, and show it being folded: 2,000 learners of 5 schools
    over two years, which takes some minutes.

    The same again changes nothing and tells the same counts. A tenant has one of them: where the other was loaded before,
    choose another (--tenant).
    """
    if small and responses is not None:
        raise click.UsageError("--small is of the sample district, which --responses replaces")
    policy = None if policy_file is None else read_policy(policy_file)
    log = None if responses is None else ResponseLog(responses)
    if log is not None and not context.tenant_given:
        context.tenant = log.tenant
    if log is not None:
        with _started(context, exit_):
            _show_responses(context, log, DEFAULT_POLICY if policy is None else policy)
        return
    # Imported here: only this needs the sample.
    from deploy.local.commands.demo_district import Coming, show_district
    from deploy.local.sample.district import read_policy as own_policy
    from deploy.local.sample.people import SMALL, WHOLE

    with Coming(SMALL if small else WHOLE) as coming, _started(context, exit_):
        show_district(context, coming.district(), own_policy() if policy is None else policy)


@contextlib.contextmanager
def _started(context: Context, exit_: bool) -> Iterator[None]:
    """Have a stack, which is started if none runs; a local one is stopped in the end where that is asked."""
    if context.remote:
        context.token()
        yield
        return
    stack.start(context.home, say=context.say)
    try:
        yield
    except KeyboardInterrupt:
        if not exit_:
            context.say("\nthe stack goes on; `attain down` stops it")
        raise
    finally:
        if exit_:
            stack.stop(context.home)


def load_responses(context: Context, log: ResponseLog, policy: bytes) -> Loaded:
    """
    Import a response log's framework, put a policy into force, send every row and wait until all is folded.

    Raises:
        StackError: the file is not of its form, or the stack refuses it.
    """
    survey = log.survey()
    context.say(f"{survey.rows:,} responses, {len(survey.skills):,} skills → tenant {context.tenant}")
    publish(context, log.framework, log.stem, survey.nodes_csv(), "")
    put_into_force(context, policy)
    progress, tally = Progress(), refused_only()
    started = time.monotonic()
    send(context, log.evidence(), tally, sent=_show(progress, survey.rows, started))
    wait_until_drained(context, progress=progress)
    progress.clear()
    return Loaded(tally, time.monotonic() - started)


def _show_responses(context: Context, log: ResponseLog, policy: bytes) -> None:
    loaded = load_responses(context, log, policy)
    check_taken(loaded)
    result = result_of(context, loaded, counting.count(context))
    lines = [
        f"{result['evidence']:,} responses of {result['learners']:,} learners folded in {loaded.seconds:.1f} s "
        f"({result['events_per_second']:,.0f} a second)",
        f"{result['mastered_pairs']:,} of {result['pairs']:,} learner–skill pairs are mastered; "
        f"{result['mastered_events']:,} events say so",
        "",
        "what to try next:",
        f"  {command_name()} learner {log.source} STUDENT --tenant {context.tenant}",
        f"  {command_name()} policy set FILE --tenant {context.tenant}",
    ]
    context.emit(result, "\n".join(lines))


def _show(progress: Progress, rows: int, started: float) -> Callable[[int], None]:
    def show(count: int) -> None:
        rate = count / max(time.monotonic() - started, 0.001)
        progress.show(f"sending: {bar(count / max(rows, 1))} {count:,} of {rows:,}, {rate:,.0f} a second")

    return show
