import io

from retiarii.cli._show_trial import print_trial
from retiarii.space import Architecture
from retiarii.terminal import SafeConsole
from retiarii.trial import Trial


def shown(num_reports):
    trial = Trial(0, Architecture({}), intermediates=tuple({"default": float(step)} for step in range(num_reports)))
    out = io.StringIO()
    print_trial(trial, SafeConsole(file=out, width=100))
    return [line.split() for line in out.getvalue().splitlines() if "default" in line or "more" in line]


def test_all_of_some_reports_are_shown():
    assert [line[0] for line in shown(100)] == [str(step) for step in range(100)]


def test_of_many_reports_the_first_and_the_last_are_shown():
    lines = shown(5_000)
    assert [line[0] for line in lines[:20]] == [str(step) for step in range(20)]
    assert lines[20][:3] == ["...", "4,900", "more"]
    assert [line[0] for line in lines[21:]] == [str(step) for step in range(4_920, 5_000)]
