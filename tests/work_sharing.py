"""How pytest-xdist shares the tests out to its processes: a file at a time, but for what is said here."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/scattering/correlation/",)
"""Folders that one process runs, as their tests use the same kernels: two would compile each of them twice."""

APART = ("tests/integration/test_how_to_lines.py",)
"""Files whose tests take long enough to be shared out by themselves."""

FIRST = (
    "tests/scattering/correlation/",
    "tests/integration/test_agent_page.py",
    "tests/integration/test_how_to_lines.py",
    "tests/integration/test_train.py",
)
"""What takes longest, and would otherwise be left over at the end, for one process alone."""


def share_of(test: str) -> str:
    """What a test, by its node id, is handed out with."""
    file = test.partition("::")[0]
    if file in APART:
        return test
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


class FileScheduling(LoadFileScheduling):
    """Files in the order of xdist, most tests first, except for `TOGETHER`, `APART` and `FIRST`."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)

    def _assign_work_unit(self, node: object) -> None:
        waiting = [share for beginning in FIRST for share in self.workqueue if share.startswith(beginning)]
        if waiting:
            self.workqueue.move_to_end(waiting[0], last=False)
        super()._assign_work_unit(node)
