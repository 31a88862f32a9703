"""What a supervisor that was killed left running, and its end."""

from pathlib import Path

import psutil

from deploy.local import processes
from deploy.local.child import Say
from deploy.local.home import Home, State
from deploy.local.services import SERVICES


def end_orphans(home: Home, state: State, say: Say) -> bool:
    """End what a killed supervisor of this home left running: services, then servers. Return whether there was any."""
    run = home.run()
    recorded = {} if run is None else {name: processes.find(pid) for name, pid in run.children.items()}
    found = {process.pid: process for process in recorded.values() if process is not None}
    found |= {process.pid: process for process in processes.marked(state.id)}
    data = Path(state.postgres_folder or home.postgres) / "data"
    found |= {process.pid: process for process in processes.postgres_in(data)}
    if not found:
        return False
    say(f"ending {len(found)} processes that an earlier run left behind")
    servers = {process.pid for name, process in recorded.items() if process is not None and name not in SERVICES}
    servers |= {process.pid for process in found.values() if _name(process) in ("postgres", "java")}
    processes.end(process for process in found.values() if process.pid not in servers)
    processes.end(process for process in found.values() if process.pid in servers)
    return True


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""
