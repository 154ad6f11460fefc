"""Particles that do not agree."""

import pytest

from exagirl.korean.check import check_turn

pytest.importorskip("kiwipiepy", reason="weighing a suspicion takes kiwipiepy")

_WRONG = [
    ("나는 이 책를 정말 좋아해.", "책를", "책을"),
    ("어제 친구과 영화를 봤어.", "친구과", "친구와"),
    ("지금 학교으로 가는 중이야.", "학교으로", "학교로"),
    ("지하철으로 갈까?", "지하철으로", "지하철로"),
    ("저 학생가 나를 봤어.", "학생가", "학생이"),
    ("내 마음는 늘 그대로야.", "마음는", "마음은"),
    ("오늘 날씨이 정말 좋다.", "날씨이", "날씨가"),
    ("너의 목소리을 듣고 싶어.", "목소리을", "목소리를"),
    ("그 노래은 내가 제일 아껴.", "노래은", "노래는"),
    ("동생와 같이 갔어.", "동생와", "동생과"),
    ("연필로 말고 펜로 써.", "펜로", "펜으로"),
    ("엄마이랑 시장에 갔어.", "엄마이랑", "엄마랑"),
    ("저는 학생예요.", "학생예요", "학생이에요"),
    ("그게 뭐에요?", "뭐에요", "뭐예요"),
]


@pytest.mark.parametrize(("turn", "found", "fix"), _WRONG)
def test_a_wrong_particle_is_found_with_the_right_one(turn, found, fix):
    """By the final consonant, confirmed by the analyser."""
    findings = [one for one in check_turn(turn) if one.code == "particle.wrong"]
    assert [turn[one.start : one.end] for one in findings] == [found]
    assert f"'{fix}'" in findings[0].message


@pytest.mark.parametrize(
    "turn",
    [
        "가을 노을이 마을을 물들였어.",
        "아이가 고양이랑 놀이터에서 놀아.",
        "유명한 작가가 쓴 책이래. 전문가라던데?",
        "있는 거 없는 거 다 먹는 너, 멋있는데?",
        "사과 하나랑 배 하나 먹을까?",
        "지은은 착한 아이야. 다은이도!",
        "서울로 갈까, 시골로 갈까?",
        "뭔가 이상한데 누군가 온 것 같아.",
        "별로 안 추워. 바로 나갈게. 스스로 할 수 있어.",
        "{유저}가 {캐릭터}를 불렀어. {{user}}은 어디야?",
        '"사랑해"는 참 좋은 말이야.',
        "아니에요, 저는 괜찮아요. 고양이예요.",
        "신랑이랑 신부가 입장한대!",
        "물가가 올라서 큰일이야.",
        "걔 목소리 진짜 좋은 거 알지?",
    ],
)
def test_words_that_only_look_like_a_wrong_particle_are_left_alone(turn):
    """Nouns, verbs and placeholders."""
    assert [one for one in check_turn(turn) if one.code == "particle.wrong"] == []
