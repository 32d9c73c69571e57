"""The workers of a Dask scheduler, and of this machine alone."""

import contextlib
import logging
import os
import pathlib
import subprocess
import sys

from lab.errors import InputError
from lab.faults import KEPT, Fault
from lab.worker import ROOT


class Cluster:
    """The workers of a scheduler, and the processes of those that were started for this command alone, if any."""

    def __init__(self, client, processes):
        self.client, self.processes, self.address = client, processes, client.scheduler.address

    def is_lost(self, error):
        """Whether an error of what was asked came of a scheduler that does not answer, or has not for some time."""
        return (isinstance(error, OSError) and error.errno is None) or self.client.status != "running"

    def workers(self):
        """Dict from the addresses of the workers to the names of their hosts.

        Raises:
            Fault: If there will be none any more.
        """
        try:  # Not by `scheduler_info`: what the client asks of itself now and then comes between, and has no workers.
            found = self.client.sync(self.client.scheduler.identity, n_workers=-1)["workers"]
        except Exception as error:
            if not self.is_lost(error):
                raise
            raise Fault(f"the scheduler at {self.address} is gone. {KEPT}") from None
        if self.processes and all(process.poll() is not None for process in self.processes):
            raise Fault(f"every worker of this command has died. {KEPT}")
        return {address: each["host"] for address, each in found.items()}


@contextlib.contextmanager
def connected(address):
    """The `Cluster` at the address of a scheduler, or of `local` workers, or of so many, as `local:3`.

    Raises:
        InputError: If no scheduler answers.
    """
    import dask

    dask.config.set({"logging": {"distributed": "critical"}, "distributed.comm.timeouts.connect": "10s"})
    import distributed

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    kind, _, count = address.partition(":")
    with contextlib.ExitStack() as stack:
        processes = []
        if kind == "local":
            local = distributed.LocalCluster(
                n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
            )
            address = stack.enter_context(local).scheduler_address
            processes = stack.enter_context(_workers(address, int(count or 0)))
        try:
            client = stack.enter_context(distributed.Client(address))
        except OSError:
            raise InputError(
                f"--cluster {address}: no scheduler answers there. Start one, by python -m dask scheduler"
            ) from None
        except TypeError:  # Dask has no certificates.
            raise InputError(
                f"--cluster {address}: it wants certificates. Name them in Dask's configuration, distributed.comm.tls"
            ) from None
        yield Cluster(client, processes)


@contextlib.contextmanager
def _workers(address, count):
    """Processes of workers on this machine, which share its cores and its GPUs."""
    from dask.system import CPU_COUNT
    from distributed.deploy.utils import nprocesses_nthreads

    gpus = _gpus()
    count = count or len(gpus) or nprocesses_nthreads(CPU_COUNT)[0]
    options = ("--no-nanny", "--no-dashboard", "--nthreads", str(max(1, CPU_COUNT // count)))
    processes = []
    try:
        for number in range(count):
            of_gpu = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {}
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_worker", address, "--name", str(number), *options],
                env=os.environ | of_gpu | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this command.
            )
            processes.append(process)
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _gpus():
    """The numbers of NVIDIA's GPUs that this process may use."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.replace(" ", "").split(",") if name and name != "-1"]  # That stands for none.
    return [str(number) for number, _ in enumerate(pathlib.Path("/proc/driver/nvidia/gpus").glob("*"))]
