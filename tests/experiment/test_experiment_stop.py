import os
import signal
import threading

import pytest

from retiarii.experiment._control.stop_signal import StopSignal


def test_one_request_stops_softly_two_at_once():
    stop = StopSignal()
    assert not stop.is_set
    stop.request()
    assert (stop.is_set, stop.is_immediate) == (True, False)
    stop.request()
    assert stop.is_immediate


def test_another_process_may_ask():
    assert StopSignal(asked_elsewhere=lambda: True).is_set


def test_ctrl_c_counts_and_the_old_handler_comes_back():
    before = signal.getsignal(signal.SIGINT)
    stop = StopSignal()
    requests = []
    stop.on_request = requests.append
    with stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.is_set, stop.interrupted) == (True, False)
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.is_immediate, stop.interrupted) == (True, True)
    assert requests == [1, 2]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_trial_in_this_process_is_interrupted_the_second_time():
    stop = StopSignal(raises=True)
    with stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_sigterm_stops_at_once():
    stop = StopSignal()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.is_immediate
    assert stop.interrupted


def test_other_threads_leave_signals_alone():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with StopSignal().listening():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
