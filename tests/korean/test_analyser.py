"""Loading the analyser."""

import subprocess
import sys
import threading

import pytest

from exagirl.korean.analyser import KiwiAnalyser, PatternAnalyser, analyser

pytest.importorskip("kiwipiepy", reason="kiwipiepy is not installed here")


def test_kiwi_is_loaded_once_whichever_thread_asks_first():
    """Eight threads get the same analyser."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(analyser())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1


def test_importing_the_checks_does_not_load_kiwi():
    """Kiwi takes seconds; a turn that patterns decide must not wait for it."""
    code = (
        "import sys; from exagirl.korean.check import check_turn, Rules;"
        "check_turn('오늘은 정말 즐거웠어!', Rules(level='banmal'));"
        "sys.exit('kiwipiepy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_patterns_stand_in_where_kiwi_cannot_be_imported():
    """The same interface without kiwipiepy."""
    code = (
        "import sys; sys.modules['kiwipiepy'] = None;"
        "from exagirl.korean.analyser import analyser;"
        "from exagirl.korean.speech import speech_level;"
        "assert analyser().name == 'patterns';"
        "assert speech_level('나 먼저 가') == 'banmal'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("make", [analyser, PatternAnalyser])
def test_both_analysers_judge_plain_clauses_alike(make):
    """Clear clauses need no morphemes."""
    judge = make()
    assert judge.judge("나 지금 집에 가").level == "banmal"
    assert judge.judge("오늘은 일찍 자요").level == "polite"
    assert judge.judge("초록 지붕").level == "none"


def test_patterns_never_confirm_a_suspicion():
    """Without an analysis a suspicious particle stays unproven."""
    assert not PatternAnalyser().prefers("책이 좋아", "책가 좋아")


def test_kiwi_prefers_the_right_particle():
    """A wrong particle costs the analysis more than the right one."""
    judge = analyser()
    assert isinstance(judge, KiwiAnalyser)
    assert judge.prefers("저 학생이 나를 봤어", "저 학생가 나를 봤어")
    assert not judge.prefers("저 학생가 나를 봤어", "저 학생이 나를 봤어")
