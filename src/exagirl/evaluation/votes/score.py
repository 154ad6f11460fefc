"""Count what people voted, and how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from exagirl.errors import ArtifactError
from exagirl.evaluation.intervals import wilson
from exagirl.evaluation.votes.agreement import krippendorff_alpha
from exagirl.evaluation.votes.records import FORMAT, Ballot, SheetKey, VoterCount, VoteResult
from exagirl.record import explain

MOST_BYTES = 1_000_000
"""Of one vote file; a sheet of 1,000 pairs makes one of 30 kB."""
_WIN, _TIE, _LOSS = "win", "tie", "loss"


def score_votes(paths: Sequence[Path], key: Path) -> VoteResult:
    """Count vote files against the key of their sheet.

    The win rate is over pairs, not votes: a pair goes to the model that more people chose, and
    votes on one pair depend on one another. Pairs that the people did not decide are left out of
    it, and told. Its interval is Wilson's.

    Args:
        paths: Files that the sheet's page saved, one a voter.
        key: ``voting-key.json``, beside the sheet.

    Raises:
        ArtifactError: A file is damaged, of another sheet, holds a pair that the sheet has not or
            no vote at all, or two are of one voter.
    """
    known = _read_key(key)
    ballots = [_read_ballot(path, known) for path in paths]
    if not ballots:
        raise ArtifactError(
            "투표 파일이 없습니다. 'exagirl evaluate RUN --votes 파일.json'처럼 적으세요."
        )
    _need_own_votes(ballots, paths)
    sides = {pair.id: pair for pair in known.pairs}

    def outcome(pair: str, choice: str) -> str:
        if choice == "tie":
            return _TIE
        chosen = sides[pair].left if choice == "left" else sides[pair].right
        return _WIN if chosen == known.one else _LOSS

    units = {
        pair: [outcome(pair, ballot.votes[pair]) for ballot in ballots if pair in ballot.votes]
        for pair in sides
    }
    votes = Counter(value for values in units.values() for value in values)
    leads = [values.count(_WIN) - values.count(_LOSS) for values in units.values()]
    wins, losses = sum(lead > 0 for lead in leads), sum(lead < 0 for lead in leads)
    share = wilson(wins, wins + losses)
    is_decided = share.total > 0
    counts = [
        (ballot.voter, Counter(outcome(*vote) for vote in ballot.votes.items()))
        for ballot in ballots
    ]
    return VoteResult(
        one=known.one,
        other=known.other,
        wins=votes[_WIN],
        ties=votes[_TIE],
        losses=votes[_LOSS],
        pairs=sum(map(bool, units.values())),
        pair_wins=wins,
        pair_losses=losses,
        win_rate=share.value if is_decided else None,
        low=share.low if is_decided else None,
        high=share.high if is_decided else None,
        alpha=krippendorff_alpha(units.values()),
        voters=tuple(
            VoterCount(voter=voter, wins=own[_WIN], ties=own[_TIE], losses=own[_LOSS])
            for voter, own in counts
        ),
    )


def _read_key(path: Path) -> SheetKey:
    text = _read(path, "투표지의 열쇠", "먼저 'exagirl evaluate RUN --sheet'로 투표지를 만드세요.")
    try:
        return SheetKey.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactError(
            explain(SheetKey, error, str(path)) + " 투표지를 만들 때 함께 나온 파일이어야 합니다."
        ) from error


def _read_ballot(path: Path, key: SheetKey) -> Ballot:
    text = _read(path, "투표 파일", "투표지에서 저장한 파일을 다시 받으세요.")
    try:
        ballot = Ballot.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactError(
            explain(Ballot, error, str(path))
            + " 투표지의 '파일로 저장'으로 나온 JSON을 고치지 말고 보내 달라고 하세요."
        ) from error
    if ballot.format != FORMAT:
        raise ArtifactError(f"{path}: 형식 {ballot.format}입니다. 형식 {FORMAT}만 읽습니다.")
    if ballot.sheet != key.sheet:
        raise ArtifactError(
            f"{path}: 다른 투표지({ballot.sheet})의 표입니다. 이 실행의 투표지는 {key.sheet}"
            "입니다. 그 투표지로 투표한 파일만 적으세요."
        )
    strange = sorted(ballot.votes.keys() - {pair.id for pair in key.pairs})
    if strange:
        raise ArtifactError(
            f"{path}: 투표지에 없는 짝 '{strange[0][:40]}'이 있습니다. 파일이 손상되었으니 다시 "
            "받으세요."
        )
    if not ballot.votes or not ballot.voter.strip():
        raise ArtifactError(f"{path}: 표나 이름이 비어 있습니다. 이 파일은 빼고 다시 실행하세요.")
    return ballot


def _need_own_votes(ballots: Sequence[Ballot], paths: Sequence[Path]) -> None:
    first: dict[str, Path] = {}
    for ballot, path in zip(ballots, paths, strict=True):
        voter = " ".join(ballot.voter.split()).casefold()
        if voter in first:
            raise ArtifactError(
                f"{path}: '{ballot.voter}'의 표가 {first[voter]}에도 있습니다. 하나만 남기거나, "
                "다른 사람이라면 voter를 서로 다른 이름으로 고치세요."
            )
        first[voter] = path


def _read(path: Path, what: str, advice: str) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ArtifactError(
                f"{path}: {path.stat().st_size / 1e6:.1f} MB나 되어 {what}이 아닙니다. {advice}"
            )
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path}: {what}을 읽을 수 없습니다({error.strerror}). {advice}"
        ) from error
