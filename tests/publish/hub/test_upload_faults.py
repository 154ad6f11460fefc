"""What an upload makes of a Hub that refuses, fails or falls silent."""

import random

import pytest

from exagirl.publish.hub.telling import LONGEST_QUOTE
from support.hub_client import (
    QUICK,
    Uploader,
    folder_of,
    planned,
)
from support.hub_server import TOKEN, USER, Fault, HubServer

CARD = b"---\nlicense: mit\n---\n# Exa\n"
WEIGHTS = bytes(range(256)) * 4096 * 2
FILES = {"README.md": CARD, "model.safetensors": WEIGHTS}
BIG = 50_000_000


@pytest.fixture(scope="module")
def run_upload(tmp_path_factory):
    """Uploads from a process that this file's tests share."""
    with Uploader(tmp_path_factory.mktemp("uploader")) as uploader:
        yield uploader.run


@pytest.fixture
def model(tmp_path):
    """A written model folder."""
    return folder_of(tmp_path / "model", FILES)


def standing(hub):
    """The files of the repository without the one that the Hub puts there."""
    contents = hub.store.repo(f"{USER}/exa").contents
    return {path: content for path, content in contents.items() if path != ".gitattributes"}


def test_no_token_at_all_says_how_to_get_one(run_upload, model):
    """Nobody is logged in: the two ways in are named, and nothing is asked of the Hub."""
    with HubServer() as hub:
        done = run_upload(hub, [planned(model)], token=None)
        assert done.kind == "PublishError"
        assert "'hf auth login'" in done.error
        assert "HF_TOKEN" in done.error
        assert hub.met == []


def test_a_token_that_the_hub_does_not_know_says_so(run_upload, model):
    """401: wrong or expired, and where a new one is made."""
    with HubServer() as hub:
        done = run_upload(hub, [planned(model)], token="hf_stale")
        assert "토큰이 틀렸거나 기한이 지났습니다" in done.error
        assert f"{hub.url}/settings/tokens" in done.error


def test_no_right_to_write_names_the_owner(run_upload, model):
    """403: somebody else's name."""
    with HubServer() as hub:
        repo = planned(model).model_copy(update={"repo": "somebody/exa"})
        done = run_upload(hub, [repo])
        assert "'somebody' 아래에 쓸 수 없습니다" in done.error


@pytest.mark.parametrize(
    ("route", "status", "words"),
    [
        ("create", 402, "--parts에서 빼고"),
        ("commit", 403, f"'{USER}' 아래에 쓸 수 없습니다"),
        ("info", 404, "저장소를 찾을 수 없습니다"),
        ("commit", 409, "이름이 이미 다른 데 쓰이거나"),
        ("commit", 413, "너무 큽니다"),
        ("batch", 413, "너무 큽니다"),
        ("put", 403, f"'{USER}' 아래에 쓸 수 없습니다"),
        ("collection", 403, "저장소는 모두 올렸으나 컬렉션을"),
    ],
)
def test_a_refusal_says_what_to_do(run_upload, route, status, words, model):
    """Each refusal is told with the status and the way out, without a second try."""
    with HubServer({route: [Fault(status)] * 3}) as hub:
        repos = [planned(model), planned(model, "adapter", "exa-adapter")]
        done = run_upload(hub, repos)
        assert done.kind == "PublishError"
        assert str(status) in done.error
        assert words in done.error
        assert hub.count(route) == 1


@pytest.mark.parametrize(
    "route",
    ["create", "info", "tree", "validate", "preupload", "batch", "put", "verify", "commit", "tag"],
)
@pytest.mark.parametrize("status", [500, 503])
def test_one_failure_of_the_hub_is_survived(run_upload, route, status, model):
    """Whatever step the Hub fails at once, the upload tries again and arrives."""
    with HubServer({route: [Fault(status)]}) as hub:
        done = run_upload(hub, [planned(model)], patience={"first_wait_s": 0.05})
        assert done.error == ""
        assert any(f"허브가 {status}으로 답했습니다" in line for line in done.said)
        assert standing(hub) == FILES


@pytest.mark.parametrize("route", ["create", "commit", "put"])
def test_a_hub_that_keeps_failing_is_given_up(run_upload, route, model):
    """As many tries as patience allows, not their square, then a word on what to do."""
    with HubServer({route: [Fault(500)] * 20}) as hub:
        done = run_upload(hub, [planned(model)], patience=QUICK)
        assert done.kind == "PublishError"
        assert "허브가 500으로 답했습니다. 허브에 탈이 났습니다" in done.error
        assert hub.count(route) == QUICK["tries"]


def test_all_pauses_together_have_an_end(run_upload, model):
    """Many short waits are a long one too."""
    short = {"tries": 10, "first_wait_s": 0.05, "total_wait_s": 0.06}
    with HubServer({"create": [Fault(500)] * 10}) as hub:
        done = run_upload(hub, [planned(model)], patience=short)
        assert done.kind == "PublishError"
        assert hub.count("create") == 2


def test_too_many_requests_waits_as_asked(run_upload, model):
    """429 with Retry-After: the watcher hears how long, then the upload goes on."""
    with HubServer({"create": [Fault(429, retry_after_s=0)]}) as hub:
        done = run_upload(hub, [planned(model)])
        assert done.error == ""
        assert "허브가 429로 답했습니다. 1초 뒤에 다시 보냅니다(2/4번째)." in done.said


@pytest.mark.parametrize("route", ["commit", "put"])
def test_a_wait_of_an_hour_is_not_waited(run_upload, route, model):
    """A pause beyond patience ends the upload and tells how long the Hub asked for."""
    with HubServer({route: [Fault(429, retry_after_s=3600)]}) as hub:
        done = run_upload(hub, [planned(model)])
        assert "3601초 뒤에 다시 실행하세요" in done.error
        assert hub.count(route) == 1


def test_a_commit_whose_answer_was_lost_is_not_made_twice(run_upload, model):
    """The Hub committed and then failed: the next try finds the commit there."""
    with HubServer({"commit": [Fault(500, is_done=True)]}) as hub:
        done = run_upload(hub, [planned(model)], patience=QUICK)
        repo = hub.store.repo(f"{USER}/exa")
        assert len(repo.commits) == 2
        assert done.published["repos"][0]["commit"] == repo.head.oid == repo.tags["run-1"]


def test_a_commit_of_somebody_else_in_between_is_not_overrun(run_upload, model):
    """Our commit goes only where we looked; a foreign one in between ends the upload."""
    with HubServer({"commit": [Fault(412)]}) as hub:
        done = run_upload(hub, [planned(model)])
        assert "그 사이 누군가 저장소에 커밋했습니다" in done.error
        assert len(hub.store.repo(f"{USER}/exa").commits) == 1


def test_nobody_at_the_address_is_told_as_no_connection(run_upload, model):
    """A closed port: the address and what to look at."""
    with HubServer() as hub:
        closed = hub
    done = run_upload(closed, [planned(model)], patience=QUICK)
    assert f"허브({closed.url})와 연결하지 못했습니다" in done.error
    assert any("연결이 끊겼습니다" in line for line in done.said)


def test_a_storage_that_is_gone_is_given_up_after_as_many_tries(run_upload, model):
    """The Hub answers, its storage does not: no more tries than patience allows."""
    with HubServer() as gone:
        pass
    with HubServer(storage=gone.url) as hub:
        done = run_upload(hub, [planned(model)], patience=QUICK)
        assert "연결하지 못했습니다" in done.error
        assert len(done.said) == QUICK["tries"] - 1
        assert standing(hub) == {}


def test_a_name_that_does_not_resolve_is_told_as_no_connection(model, tmp_path):
    """DNS finds nothing."""
    url = "http://hub.invalid"
    with Uploader(tmp_path) as uploader:
        uploader.start(url, [planned(model)], patience={"tries": 1})
        assert f"허브({url})와 연결하지 못했습니다" in uploader.end().error


def test_a_hub_without_xet_is_told_with_the_way_around_it(model, tmp_path):
    """hf_xet sends large files where it is installed; its failure names the switch."""
    pytest.importorskip("hf_xet", reason="without hf_xet no large file goes that way")
    with HubServer() as hub, Uploader(tmp_path, HF_HUB_DISABLE_XET="0") as uploader:
        done = uploader.run(hub, [planned(model)])
        assert "HF_HUB_DISABLE_XET=1을 앞에 붙여" in done.error
        assert TOKEN not in done.error + done.output
        assert standing(hub) == {}


def test_offline_mode_is_told(model, tmp_path):
    """HF_HUB_OFFLINE forbids it; the message names the variable."""
    with HubServer() as hub:
        with Uploader(tmp_path, HF_HUB_OFFLINE="1") as uploader:
            done = uploader.run(hub, [planned(model)])
        assert "HF_HUB_OFFLINE을 지우고" in done.error
        assert hub.met == []


@pytest.mark.parametrize("address", ["huggingface.co", "ftp://hub", "http://me:secret@hub"])
def test_an_address_that_cannot_be_one_is_refused(address, model, tmp_path):
    """A wrong HF_ENDPOINT is told, and a password in it is not shown."""
    with Uploader(tmp_path) as uploader:
        uploader.start(address, [planned(model)])
        done = uploader.end()
    assert "허브의 주소" in done.error
    assert "secret" not in done.output + done.error


def test_a_line_cut_in_the_middle_of_50_mb_is_taken_up_again(run_upload, tmp_path):
    """The file is sent again by itself, and arrives byte for byte."""
    content = random.Random(11).randbytes(BIG)
    folder = folder_of(tmp_path / "model", {"README.md": CARD, "model.safetensors": content})
    with HubServer({"put": [Fault(cut_after=20_000_000)]}) as hub:
        done = run_upload(hub, [planned(folder)])
        assert done.error == ""
        assert hub.received("put") == 20_000_000 + BIG
        assert hub.store.repo(f"{USER}/exa").contents["model.safetensors"] == content
        assert done.advanced == done.total == BIG + len(CARD)
        assert any("연결이 끊겼습니다" in line for line in done.said)


def test_after_a_line_that_stays_cut_the_next_upload_sends_only_the_rest(run_upload, tmp_path):
    """Of two files of 50 MB the second is cut: no commit, and the first is not sent again."""
    contents = [random.Random(seed).randbytes(BIG) for seed in (1, 2)]
    files = {f"model-{n}.safetensors": content for n, content in enumerate(contents)}
    folder = folder_of(tmp_path / "model", files)
    cut = Fault(cut_after=20_000_000)
    with HubServer({"put": [None, cut, cut]}) as hub:
        done = run_upload(hub, [planned(folder)], patience=QUICK)
        assert "연결하지 못했습니다" in done.error
        assert "같은 명령을 다시 실행하면" in done.error
        assert standing(hub) == {}
        hub.met.clear()
        assert run_upload(hub, [planned(folder)]).error == ""
        assert hub.received("put") == BIG
        assert standing(hub) == files


def test_a_part_of_a_file_that_is_cut_is_sent_again_alone(run_upload, tmp_path):
    """Where the Hub takes pieces, the others are not repeated."""
    folder = folder_of(tmp_path / "model", {"model.safetensors": WEIGHTS})
    with HubServer({"put": [None, Fault(cut_after=1000)]}, part_bytes=1_000_000) as hub:
        done = run_upload(hub, [planned(folder)])
        assert done.error == ""
        assert hub.received("put") == len(WEIGHTS) + 1000
        assert standing(hub) == {"model.safetensors": WEIGHTS}


def test_ctrl_c_leaves_whole_repositories_and_says_how_to_go_on(model, tmp_path):
    """Stopped in the second repository: the first stands committed, the second as it was."""
    repos = [planned(model), planned(model, "adapter", "exa-adapter")]
    with HubServer({"commit": [None, Fault(holds=True)]}) as hub:
        with Uploader(tmp_path) as uploader:
            uploader.start(hub.url, repos)
            assert hub.reached.wait(60)
            uploader.interrupt()
            done = uploader.end()
        assert done.kind == "KeyboardInterrupt"
        assert standing(hub) == FILES
        assert len(hub.store.repo(f"{USER}/exa-adapter").commits) == 1
        assert any(f"끝난 저장소: {USER}/exa." in line for line in done.said)


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize("route", ["create", "batch", "commit"])
def test_the_token_never_appears(run_upload, route, status, model):
    """Not even a server that sends the token back brings it into a message, output or log."""
    with HubServer({route: [Fault(status)] * 5}, echoes_token=True) as hub:
        done = run_upload(hub, [planned(model)], patience=QUICK)
        assert "허브의 말: no: Bearer ***" in done.error
        shown = [done.error, done.output, done.summary, *done.said]
        assert not any(TOKEN in text for text in shown)


def test_not_even_half_of_the_token_appears_where_a_long_answer_is_cut(run_upload, model):
    """The quote of a server ends somewhere; a token across the end is hidden whole."""
    fault = Fault(400, message="x" * (LONGEST_QUOTE - len(": Bearer ") - 10))
    with HubServer({"create": [fault]}, echoes_token=True) as hub:
        done = run_upload(hub, [planned(model)])
        assert "xxx: Bearer ***" in done.error
        assert TOKEN[:8] not in done.error


def test_a_token_with_a_line_break_in_it_is_not_shown(run_upload, model):
    """A library would complain of the header with the token in its words."""
    with HubServer() as hub:
        done = run_upload(hub, [planned(model)], token="hf_ab\ncd토큰")
        assert "쓸 수 없는 글자" in done.error
        assert "hf_ab" not in done.error + done.output
        assert hub.met == []
