"""Many runs: over seeds, sizes and parameters, on all cores, or on the machines of a Dask cluster.

Each run is a process's whole business, so what is swept over is spread by an executor of `concurrent.futures`: one of
processes here, or what Dask gives as one. The scenario's text goes along; the workers of a cluster need p2pstack.
"""

import itertools
import multiprocessing
import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any

from p2pstack.errors import LocalProtocolError
from p2pstack.sim.record import Case
from p2pstack.sim.scenario import Script, first_cause
from p2pstack.sim.summary import Outcome

__all__ = ["cases", "dask_executor", "play_case", "process_executor", "sweep"]


def cases(
    script: Script, *, nodes: Sequence[int], seeds: Sequence[int], parameters: Mapping[str, Sequence[Any]]
) -> list[Case]:
    """Every seed with every size and every combination of parameters.

    :param parameters: values of each
    """
    combinations = [dict(zip(parameters, values, strict=True)) for values in itertools.product(*parameters.values())]
    return [
        Case(script=script, nodes=size, seed=seed, parameters=chosen)
        for size in nodes
        for chosen in combinations
        for seed in seeds
    ]


def play_case(case: Case) -> Outcome:
    """Play it here. An error of the scenario is told as its failure: the other runs go on."""
    try:
        return case.script.load().play(nodes=case.nodes, seed=case.seed, parameters=case.parameters)
    except LocalProtocolError:
        raise  # the call is wrong, and all others will be
    except Exception as error:  # noqa: BLE001 - of a user's code, which may raise what it likes
        cause = first_cause(error)
        failure = f"{type(cause).__name__}: {cause}"
        return Outcome(
            scenario=case.script.path, nodes=case.nodes, seed=case.seed, parameters=case.parameters, failure=failure
        )


def sweep(runs: Sequence[Case], executor: Executor) -> Iterator[Outcome]:
    """Play them all; what comes out of each, as soon as it is known."""
    with _deaf_to_interrupts():
        futures = [executor.submit(play_case, case) for case in runs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def process_executor(processes: int | None = None) -> Generator[Executor]:
    """Processes of this machine.

    :param processes: how many; as many as there are cores, unless given
    """
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as executor:
        try:
            yield executor
        except BaseException:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()  # what they play nobody wants to know any longer
            raise


@contextmanager
def _deaf_to_interrupts() -> Generator[None]:
    """Processes that are started inside never hear of an interrupt; this one does, afterwards, and ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def dask_executor(address: str, *, processes: int | None = None) -> Generator[Executor]:
    """The workers of a Dask cluster.

    :param address: of its scheduler, such as "tcp://10.0.0.1:8786"; "local" for one on this machine
    :param processes: workers of one on this machine; as many as there are cores, unless given
    :raises LocalProtocolError: Dask is not installed
    """
    try:
        distributed: Any = import_module("distributed")
    except ModuleNotFoundError:
        raise LocalProtocolError("Dask is not installed: pip install 'p2pstack[sweep]'") from None
    if address == "local":
        # A run is a process's whole business: one thread each.
        cluster = distributed.LocalCluster(n_workers=processes, threads_per_worker=1, dashboard_address=None)
    else:
        cluster = nullcontext(address)
    with cluster as where, distributed.Client(where) as client:
        yield client.get_executor(pure=False)
