# SPDX-License-Identifier: LGPL-2.1-or-later
import pytest


class Labs:
    """Makes labs that end with the test or module; shows the logs of a failed test."""

    def __init__(self):
        self.labs = []
        self.failed = False

    def make(self, start=True, sign_in=True, **options):
        from homeward_lab import Lab
        lab = Lab(**options)
        self.labs.append(lab)
        missing = lab.missing_programs()
        assert not missing, f"not built: {missing}"
        try:
            if start:
                lab.start()
            if start and sign_in:
                lab.sign_in_all()
                lab.wait_all_see()
        except BaseException:
            lab.show_logs()
            raise
        return lab

    def close(self):
        problems = []
        for lab in self.labs:
            if self.failed:
                lab.show_logs()
            try:
                if lab.sanitized:
                    for (host, daemon), status in lab.end_house().items():
                        problems.append(f"{host}: {daemon} ended with {status}")
                lab.close()
            except AssertionError as error:
                problems.append(str(error))
        assert not problems, "\n".join(problems)


@pytest.fixture
def make_lab(namespaces, request):
    """make_lab(start=True, sign_in=True, kinds={"A": "plain"}, ...) -> Lab: by default up to where desktop and laptop
    see each other."""
    labs = Labs()
    yield labs.make
    report = getattr(request.node, "report_call", None)
    labs.failed = report is not None and report.failed
    labs.close()


@pytest.fixture(scope="module")
def module_labs():
    labs = Labs()
    yield labs
    labs.close()


@pytest.fixture
def shared_lab(namespaces, module_labs, request):
    """One lab for the tests of a module that leave it as they found it: hosts signed in, seeing each other."""
    if not module_labs.labs:
        module_labs.make(uplink_mbit={name: 200 for name in "ABCD"})
    lab = module_labs.labs[0]
    yield lab
    if lab.transfer is not None:
        lab.transfer.close()
        lab.transfer = None
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        lab.show_logs()
