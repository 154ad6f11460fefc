"""A made-up evaluation that has everything that a report can show."""

from exagirl.dialogue.records import Turn
from exagirl.evaluation.scores import (
    ArenaResult,
    Change,
    Drift,
    Evaluation,
    Finding,
    JudgeCertificate,
    Measure,
    ModelScores,
    Quote,
    Ranking,
    Reply,
    Trouble,
)

# name, layer, unit, better, base, tuned, half the interval, count, reference
_ROWS = (
    ("level", "rules", "share", "higher", 0.41, 0.94, 0.06, 412, None),
    ("level_replies", "rules", "share", "higher", 0.36, 0.91, 0.07, 180, None),
    ("violations", "rules", "share", "lower", 0.63, 0.17, 0.07, 180, None),
    ("hangul", "rules", "share", "higher", 0.93, 0.99, 0.01, 180, None),
    ("script_leaks", "rules", "share", "lower", 0.06, 0.0, 0.03, 180, None),
    ("action_form", "rules", "share", "higher", 0.04, 0.72, 0.08, 180, None),
    ("action_rate", "rules", "share", "range", 0.05, 0.74, 0.08, 180, (0.55, 0.85)),
    ("assistant_speak", "rules", "share", "lower", 0.31, 0.02, 0.05, 180, None),
    ("disclosure", "rules", "share", "lower", 0.12, 0.11, 0.05, 180, None),
    ("josa", "rules", "share", "lower", 0.05, 0.03, 0.03, 180, None),
    ("rep4", "rules", "share", "lower", 0.08, 0.02, 0.02, 180, None),
    ("length", "rules", "count", "range", 142.3, 61.7, 9.0, 180, (38.0, 82.0)),
    ("distinct2", "rules", "ratio", "higher", 0.71, 0.66, 0.03, 180, None),
    ("voice", "rules", "ratio", "higher", 0.21, 0.44, 0.03, 180, None),
    ("fact_recall", "facts", "share", "higher", 0.38, 0.55, 0.13, 48, None),
    ("fact_contradiction", "facts", "share", "lower", 0.22, 0.2, 0.11, 48, None),
    ("probe_right.ai", "facts", "share", "higher", 0.3, 0.8, 0.2, 12, None),
    ("bits_per_character", "likelihood", "bits", "lower", 3.42, 2.18, 0.09, 60, None),
    ("persona_gain", "likelihood", "bits", "higher", 0.02, 0.11, 0.03, 60, None),
    ("plain_bits", "likelihood", "bits", "lower", 2.61, 2.69, 0.04, 40, None),
    ("interview.in_role", "interview", "points", "higher", 2.4, 4.1, 0.4, 30, None),
    ("interview.speech", "interview", "points", "higher", 1.9, 4.4, 0.4, 30, None),
    ("interview.naturalness", "interview", "points", "higher", 3.1, 3.6, 0.4, 30, None),
    ("interview.warmth", "interview", "points", "higher", 2.8, 4.2, 0.4, 30, None),
    ("interview.helpfulness", "interview", "points", "higher", 3.6, 3.0, 0.4, 30, None),
    ("interview.safety", "interview", "points", "higher", 4.6, 4.5, 0.3, 30, None),
)


def measure(name="level", value=0.5, **changes):
    """A share with an interval of a tenth to each side."""
    facts = {"layer": "rules", "unit": "share", "better": "higher", "count": 100}
    if value is not None:
        facts |= {"low": max(0.0, value - 0.1), "high": min(1.0, value + 0.1)}
    return Measure(name=name, value=value, **(facts | changes))


def _measures(at, names=None):
    found = []
    for name, layer, unit, better, *values, half, count, reference in _ROWS:
        if names is not None and name not in names:
            continue
        value = values[at]
        low, high = value - half, value + half
        if unit == "share":
            low, high = max(0.0, low), min(1.0, high)
        found.append(
            Measure(
                name=name,
                layer=layer,
                unit=unit,
                better=better,
                value=value,
                low=low,
                high=high,
                count=count,
                reference=reference,
            )
        )
    found.append(
        Measure(
            name="self_bleu",
            layer="rules",
            unit="ratio",
            better="lower",
            value=None,
            note="답이 열 개보다 적어 재지 않았습니다.",
        )
    )
    return tuple(found)


def _drifts(at):
    recall = ((0.5, 0.41, 0.3, 0.25), (0.62, 0.6, 0.55, 0.44))[at]
    level = ((0.55, 0.44, 0.36, 0.3), (0.97, 0.95, 0.93, 0.9))[at]
    return tuple(
        Drift(
            name=name,
            at=(1, 5, 10, 20),
            measures=tuple(measure(name, value, count=24) for value in values),
        )
        for name, values in (("fact_recall", recall), ("level", level))
    )


def model(name, label, digest, at, **changes):
    """One model's scores: 0 as the base has them, 1 as the tuned one."""
    facts = {
        "measures": _measures(at),
        "drift": _drifts(at),
        "findings": ({"speech.level": 96, "assistant.speak": 56}, {"speech.level": 11, "josa": 5})[
            at
        ],
        "replies": 180,
        "empty_replies": (3, 0)[at],
    }
    return ModelScores(name=name, label=label, digest=digest * 16, **(facts | changes))


def changes(of="tuned", against="base"):
    """What changed from one to the other, in every measure that both have."""
    found = []
    for name, _, _, better, base, tuned, half, _, _ in _ROWS:
        difference = tuned - base
        if abs(difference) <= half:
            verdict = "same"
        elif better == "range":
            verdict = "better"
        else:
            verdict = "better" if (difference > 0) == (better == "higher") else "worse"
        found.append(
            Change(
                name=name,
                of=of,
                against=against,
                difference=difference,
                low=difference - half,
                high=difference + half,
                verdict=verdict,
            )
        )
    found.append(
        Change(name="self_bleu", of=of, against=against, difference=None, verdict="unknown")
    )
    return tuple(found)


def reply(text, of="tuned", scenario="exa-0007", asked="오늘 너무 힘들었어.", **changes):
    """A reply after three turns."""
    before = (
        Turn(role="user", content="나 왔어!"),
        Turn(role="assistant", content="*두 팔을 벌리며* 왔어? 기다렸잖아!"),
        Turn(role="user", content=asked),
    )
    facts = {"kind": "heldout", "position": 2, "before": before}
    return Reply(model=of, scenario=scenario, text=text, **(facts | changes))


def quotes():
    """Best and worst replies of both models."""
    polite = Finding(
        code="speech.level",
        message="반말을 쓰는 캐릭터인데 존댓말로 끝납니다.",
        excerpt="도와드릴까요?",
        severity="error",
    )
    speak = Finding(code="assistant.speak", message="도우미의 말투입니다.", excerpt="무엇을")
    return (
        Quote(
            why="worst",
            reply=reply(
                "무엇을 도와드릴까요? 저는 인공지능입니다.", "base", findings=(polite, speak)
            ),
            score=-3.0,
        ),
        Quote(
            why="worst",
            reply=reply("*창밖을 본다* 그렇습니까. 힘내세요.", findings=(polite,), kind="comfort"),
            score=-1.0,
        ),
        Quote(
            why="best",
            reply=reply("*살며시 손을 잡으며* 고생했어. 오늘은 내가 다 들어 줄게."),
            score=0.97,
        ),
    )


def certificate(*, is_trusted=True):
    """A judge that is, or is not, to be trusted."""
    found = 0.92 if is_trusted else 0.48
    return JudgeCertificate(
        judge="gpt-4.1-mini",
        is_trusted=is_trusted,
        reason="심은 흠을 고루 찾았습니다."
        if is_trusted
        else "심은 흠을 절반도 찾지 못했습니다(0.48, 있어야 할 값 0.80).",
        detection={
            kind: measure(f"detection.{kind}", found - at / 50, layer="arena", count=20)
            for at, kind in enumerate(("polite", "chinese", "fact", "josa", "loop"))
        },
        false_alarms=measure("false_alarms", 0.05, layer="arena", better="lower", count=20),
        flip_rate=measure("flip_rate", 0.1, layer="arena", better="lower", count=40),
        length_preference=measure("length_preference", 0.55, layer="arena", count=20),
        unreadable=2,
        refused=1,
        asked=180,
    )


def evaluation(*, run="quickstart", trusted=True, **changed):
    """Base against tuned, with everything."""
    facts = {
        "run": run,
        "character": "엑사",
        "level": "banmal",
        "models": (
            model("base", "학습 전", "b4se", 0),
            model("tuned", "학습 후", "7a9e", 1),
        ),
        "changes": changes(),
        "arena": (
            ArenaResult(
                one="tuned",
                other="base",
                win_rate=measure("win_rate", 0.78, layer="arena", count=60),
                length_controlled=measure("length_controlled", 0.71, layer="arena", count=60),
                flip_rate=measure("flip_rate", 0.12, layer="arena", better="lower", count=60),
                wins=43,
                ties=8,
                losses=9,
                unreadable=1,
                refused=0,
            ),
        ),
        "ranking": Ranking(
            names=("tuned", "base"),
            strengths=(
                measure("strength", 0.6, unit="points", layer="arena"),
                measure("strength", -0.6, unit="points", layer="arena", low=-0.8, high=-0.4),
            ),
        ),
        "certificate": certificate(is_trusted=trusted),
        "quotes": quotes(),
        "troubles": (
            Trouble(part="facts", message="사실 네 개는 물을 수 없었습니다. 카드에 답을 적으세요."),
        ),
        "repeat": {
            "seed": 7,
            "heldout": "9f2c" * 16,
            "versions": {"exagirl": "0.1.0", "torch": "2.13.0"},
            "options": {"replies": 180, "max_new_tokens": 64},
            "prompts": {"judge": "당신은 심사위원입니다.\n두 답을 읽고 고르세요."},
        },
    }
    return Evaluation(**(facts | changed))
