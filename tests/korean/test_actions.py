"""Spoken and acted parts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.korean.action_checks import action_findings
from exagirl.korean.actions import has_action, join_parts, split_actions
from exagirl.korean.rules import Rules


@settings(deadline=None)
@given(
    st.text(alphabet=st.sampled_from("*가나 \n\\`{유저}3.ㅋ"), max_size=40) | st.text(max_size=80)
)
def test_parts_join_to_the_turn_they_were_cut_from(turn):
    """split_actions and join_parts are inverses, and parts leave no gap."""
    parts = split_actions(turn)
    assert join_parts(parts) == turn
    assert [part.start for part in parts] == [0, *(part.end for part in parts[:-1])][: len(parts)]


def test_actions_and_speech_alternate():
    """An action's text has no asterisks, its place holds them."""
    turn = "*웃으며* 왔어? *손을 흔든다*"
    assert [(part.kind, part.text) for part in split_actions(turn)] == [
        ("action", "웃으며"),
        ("speech", " 왔어? "),
        ("action", "손을 흔든다"),
    ]
    assert turn[split_actions(turn)[0].start : split_actions(turn)[0].end] == "*웃으며*"


@pytest.mark.parametrize(
    "turn",
    [
        "",
        "안녕",
        "5*3*2=30",
        "(*^▽^*) 안녕",
        "**굵게**",
        "* 사과\n* 배",
        "`a*b*c`",
        "\\*안녕\\*",
        "* *",
    ],
)
def test_asterisks_that_are_no_action_are_speech(turn):
    """Sums, faces, bold, bullets, code and escapes."""
    assert not has_action(turn)


@pytest.mark.parametrize(
    ("turn", "code"),
    [
        ("*손을 흔들며 안녕!", "action.unbalanced"),
        ("안녕! * *", "action.empty"),
        ("안녕 **", "action.empty"),
        ("*손을 *천천히* 흔든다*", "action.nested"),
        ("이건 **정말** 중요해", "action.bold"),
        ("(손을 흔들며) 안녕", "action.brackets"),
    ],
)
def test_faulty_markers_are_found(turn, code):
    """One code for each kind."""
    assert [found.code for found in action_findings(turn)] == [code]


@pytest.mark.parametrize(
    "turn",
    [
        "*웃는다* 안녕 *손*",
        "*{유저}의 어깨를 살짝 토닥이며* 응",
        "5*3=15",
        "(*^▽^*)",
        "^*^",
        "안녕 *^^*",
    ],
)
def test_sound_markers_give_no_findings(turn):
    """False alarms cost a reply."""
    assert action_findings(turn) == []


def test_rules_require_forbid_and_limit_actions():
    """Each rule has its code."""
    assert [one.code for one in action_findings("응", Rules(actions="require"))] == [
        "action.missing"
    ]
    assert [one.code for one in action_findings("*응* 응", Rules(actions="forbid"))] == [
        "action.forbidden"
    ]
    assert [one.code for one in action_findings("*느릿느릿* 응", Rules(max_action_share=0.5))] == [
        "action.share"
    ]
