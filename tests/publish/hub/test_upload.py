"""Uploading with the real client to the loopback double of the Hub."""

import pytest

from support.hub_client import Uploader, folder_of, planned
from support.hub_server import TOKEN, USER, HubServer
from support.hub_store import large, ordinary

CARD = b"---\nlicense: mit\n---\n# Exa\n"
WEIGHTS = bytes(range(256)) * 4096 * 3
FILES = {"README.md": CARD, "config.json": b"{}", "model.safetensors": WEIGHTS}
OTHERS_TITLE = "Update README.md"


@pytest.fixture(scope="module")
def run_upload(tmp_path_factory):
    """Uploads from a process that this file's tests share."""
    with Uploader(tmp_path_factory.mktemp("uploader")) as uploader:
        yield uploader.run


@pytest.fixture
def hub():
    """A Hub without repositories."""
    with HubServer() as server:
        yield server


@pytest.fixture
def model(tmp_path):
    """A written model folder."""
    return folder_of(tmp_path / "model", FILES)


def ours(repo):
    """The files of a repository without the one that the Hub puts there."""
    return {path: blob for path, blob in repo.contents.items() if path != ".gitattributes"}


@pytest.mark.parametrize("part", ["model", "dataset", "space"])
def test_a_repository_holds_what_its_folder_holds(run_upload, part, hub, model):
    """A model, a dataset and a Space arrive whole, each below its own prefix."""
    done = run_upload(hub, [planned(model, part)])
    assert done.error == ""
    assert ours(hub.store.repo(f"{USER}/exa", part)) == FILES


def test_a_folder_below_a_folder_keeps_its_korean_name(run_upload, hub, tmp_path):
    """Names are taken as they are, with their folders."""
    files = {"README.md": CARD, "자료/대화 하나.jsonl": b"{}\n"}
    run_upload(hub, [planned(folder_of(tmp_path / "data", files), "dataset")])
    assert ours(hub.store.repo(f"{USER}/exa", "dataset")) == files


def test_a_link_in_the_folder_arrives_as_its_file(run_upload, hub, model, tmp_path):
    """Weights may be linked from the run's folder instead of copied."""
    folder = folder_of(tmp_path / "linked", {"README.md": CARD})
    (folder / "model.safetensors").symlink_to(model / "model.safetensors")
    run_upload(hub, [planned(folder)])
    assert ours(hub.store.repo(f"{USER}/exa"))["model.safetensors"] == WEIGHTS


def test_the_result_names_commit_files_bytes_and_address(run_upload, hub, model):
    """What was done is told in full."""
    done = run_upload(hub, [planned(model, "dataset")])
    [repo] = done.published["repos"]
    assert repo == {
        "part": "dataset",
        "repo": f"{USER}/exa",
        "kind": "dataset",
        "url": f"{hub.url}/datasets/{USER}/exa",
        "commit": hub.store.repo(f"{USER}/exa", "dataset").head.oid,
        "tag": "run-1",
        "files": sorted(FILES),
        "size": sum(map(len, FILES.values())),
        "deleted": [],
        "is_tag_moved": False,
    }


def test_the_watcher_is_told_every_byte_once(run_upload, hub, model):
    """The bar's total is the bytes that differ, and it is reached exactly."""
    done = run_upload(hub, [planned(model)])
    assert done.total == done.advanced == sum(map(len, FILES.values()))


def test_no_bar_of_the_library_is_drawn(run_upload, hub, model):
    """Only our watcher shows how far it is."""
    done = run_upload(hub, [planned(model)])
    assert "%|" not in done.output


def test_a_large_file_goes_in_the_parts_that_the_hub_asks_for(run_upload, model):
    """The Hub takes huge files in pieces; together they are the file."""
    with HubServer(part_bytes=1_000_000) as hub:
        done = run_upload(hub, [planned(model)])
        assert hub.count("put") == 4
        assert done.advanced == done.total
        assert ours(hub.store.repo(f"{USER}/exa")) == FILES


def test_a_second_upload_of_the_same_makes_no_commit(run_upload, hub, model):
    """Where nothing differs, nothing is sent and nothing is committed."""
    run_upload(hub, [planned(model)])
    commits = len(hub.store.repo(f"{USER}/exa").commits)
    hub.met.clear()
    done = run_upload(hub, [planned(model)])
    assert done.published["repos"][0]["files"] == []
    assert "커밋하지 않은 저장소 1개" in done.summary
    assert len(hub.store.repo(f"{USER}/exa").commits) == commits
    assert {met.route for met in hub.met} == {"create", "info", "tree", "refs"}


def test_a_second_upload_sends_only_the_file_that_changed(run_upload, hub, model):
    """One changed file of many: it alone goes over the line."""
    run_upload(hub, [planned(model)])
    hub.met.clear()
    (model / "config.json").write_bytes(b"[]")
    done = run_upload(hub, [planned(model)])
    assert done.published["repos"][0]["files"] == ["config.json"]
    assert done.total == 2
    assert hub.count("put") == 0
    assert hub.received("commit") < 1000
    assert ours(hub.store.repo(f"{USER}/exa")) == FILES | {"config.json": b"[]"}


def test_a_changed_large_file_of_the_same_size_is_found(run_upload, hub, model):
    """Equal sizes do not hide a difference."""
    run_upload(hub, [planned(model)])
    changed = b"\1" + WEIGHTS[1:]
    (model / "model.safetensors").write_bytes(changed)
    done = run_upload(hub, [planned(model)])
    assert done.published["repos"][0]["files"] == ["model.safetensors"]
    assert hub.store.repo(f"{USER}/exa").contents["model.safetensors"] == changed


def test_a_file_of_ours_that_is_gone_here_is_deleted_there(run_upload, hub, model):
    """What an earlier upload wrote and the folder no longer has leaves the repository."""
    run_upload(hub, [planned(model)])
    (model / "config.json").unlink()
    done = run_upload(hub, [planned(model)])
    assert done.published["repos"][0]["deleted"] == ["config.json"]
    assert sorted(ours(hub.store.repo(f"{USER}/exa"))) == ["README.md", "model.safetensors"]


def test_a_file_that_somebody_else_put_there_stays(run_upload, hub, model):
    """A picture that a person added on the Hub is not ours to delete."""
    run_upload(hub, [planned(model)])
    repo = hub.store.repo(f"{USER}/exa")
    repo.commit("Upload 그림.png", {"그림.png": large(b"picture")})
    (model / "config.json").write_bytes(b"[]")
    done = run_upload(hub, [planned(model)])
    assert done.published["repos"][0]["deleted"] == []
    assert repo.contents["그림.png"] == b"picture"


def test_a_card_that_somebody_edited_on_the_hub_is_not_overwritten(run_upload, hub, model):
    """Other people's words are never lost silently: the upload stops and names the file."""
    run_upload(hub, [planned(model)])
    repo = hub.store.repo(f"{USER}/exa")
    edited = repo.commit(OTHERS_TITLE, {"README.md": ordinary(CARD + b"by hand\n")})
    done = run_upload(hub, [planned(model)])
    assert done.kind == "PublishError"
    assert "누군가 고친 파일이 있어 덮어쓰지 않았습니다: README.md" in done.error
    assert repo.head.oid == edited


def test_a_card_is_replaced_after_it_was_deleted_on_the_hub(run_upload, hub, model):
    """The way out that the refusal names works."""
    run_upload(hub, [planned(model)])
    repo = hub.store.repo(f"{USER}/exa")
    repo.commit(OTHERS_TITLE, {"README.md": ordinary(CARD + b"by hand\n")})
    repo.commit("Delete README.md", {}, {"README.md"})
    done = run_upload(hub, [planned(model)])
    assert done.published["repos"][0]["files"] == ["README.md"]
    assert repo.contents["README.md"] == CARD


def test_the_first_card_of_a_repository_made_by_hand_is_replaced(run_upload, hub, model):
    """A repository made on the web page brings a card that nobody wrote."""
    repo = hub.store.create("model", f"{USER}/exa", is_private=False)
    repo.commits.clear()
    repo.commit("initial commit", {"README.md": ordinary(b"---\nlicense: mit\n---\n")})
    run_upload(hub, [planned(model)])
    assert repo.contents["README.md"] == CARD


def test_nothing_is_sent_where_one_of_several_repositories_is_refused(run_upload, hub, model):
    """All repositories are looked at before the first file leaves."""
    run_upload(hub, [planned(model, "dataset", "exa-data")])
    data = hub.store.repo(f"{USER}/exa-data", "dataset")
    data.commit(OTHERS_TITLE, {"README.md": ordinary(CARD + b"by hand\n")})
    hub.met.clear()
    repos = [planned(model), planned(model, "dataset", "exa-data")]
    assert run_upload(hub, repos).kind == "PublishError"
    assert hub.count("put") == hub.count("commit") == 0


def test_a_listing_of_many_pages_is_read_to_its_end(run_upload, model):
    """The Hub lists files page by page."""
    with HubServer(page=2) as hub:
        run_upload(hub, [planned(model)])
        hub.met.clear()
        done = run_upload(hub, [planned(model)])
        assert hub.count("tree") == 2
        assert done.published["repos"][0]["files"] == []


def test_every_repository_has_a_tag_of_the_run(run_upload, hub, model):
    """The run's tag names the commit that holds its files."""
    repos = [planned(model), planned(model, "adapter", "exa-adapter")]
    run_upload(hub, repos, tag="run-7f3a")
    for planned_repo in repos:
        repo = hub.store.repo(planned_repo.repo)
        assert repo.tags == {"run-7f3a": repo.head.oid}


def test_the_tag_follows_a_new_commit_of_the_same_run(run_upload, hub, model):
    """A run published again with another card has its tag on the newer commit, and it is told."""
    run_upload(hub, [planned(model)])
    (model / "README.md").write_bytes(CARD + b"more\n")
    done = run_upload(hub, [planned(model)])
    repo = hub.store.repo(f"{USER}/exa")
    assert repo.tags == {"run-1": repo.head.oid}
    assert done.published["repos"][0]["is_tag_moved"]
    assert any("꼬리표 'run-1'" in line for line in done.said)


def test_the_tag_stays_where_nothing_was_committed(run_upload, hub, model):
    """Somebody's later commit does not take the run's tag along."""
    run_upload(hub, [planned(model)])
    repo = hub.store.repo(f"{USER}/exa")
    tagged = repo.tags["run-1"]
    repo.commit("Upload note.txt", {"note.txt": ordinary(b"note")})
    done = run_upload(hub, [planned(model)])
    assert repo.tags == {"run-1": tagged}
    assert not done.published["repos"][0]["is_tag_moved"]


def test_the_next_run_leaves_the_tag_of_the_last_one(run_upload, hub, model):
    """Each run stays findable."""
    run_upload(hub, [planned(model)], tag="run-1")
    repo = hub.store.repo(f"{USER}/exa")
    first = repo.head.oid
    (model / "config.json").write_bytes(b"[]")
    run_upload(hub, [planned(model)], tag="run-2")
    assert repo.tags == {"run-1": first, "run-2": repo.head.oid}


def test_several_repositories_are_linked_in_a_collection(run_upload, hub, model):
    """The collection holds every repository, once, also after a second upload."""
    repos = [
        planned(model),
        planned(model, "gguf", "exa-GGUF"),
        planned(model, "dataset", "exa-data"),
        planned(model, "space", "exa-demo"),
    ]
    for _ in range(2):
        done = run_upload(hub, repos, title="엑사 (RP)")
    [shelf] = hub.store.shelves.values()
    assert shelf.title == "엑사 (RP)"
    assert shelf.items == [(repo.kind, repo.repo) for repo in repos]
    assert done.published["collection"] == f"{hub.url}/collections/{shelf.slug}"
    assert hub.count("item") == len(repos)


def test_one_repository_needs_no_collection(run_upload, hub, model):
    """A collection of one would only be in the way."""
    done = run_upload(hub, [planned(model)])
    assert done.published["collection"] == ""
    assert hub.count("collection") == 0


def test_private_makes_everything_private(run_upload, hub, model):
    """Repositories and collection are hidden."""
    repos = [planned(model), planned(model, "space", "exa-demo")]
    run_upload(hub, repos, private=True)
    assert all(repo.is_private for repo in hub.store.repos.values())
    assert all(shelf.is_private for shelf in hub.store.shelves.values())


def test_private_is_refused_for_a_repository_that_is_public(run_upload, hub, model):
    """Files that were to be private never land in a public repository."""
    repo = hub.store.create("model", f"{USER}/exa", is_private=False)
    done = run_upload(hub, [planned(model)], private=True)
    assert "이미 공개되어" in done.error
    assert len(repo.commits) == 1


def test_a_private_repository_stays_private_and_it_is_told(run_upload, hub, model):
    """An upload opens nothing to the public."""
    repo = hub.store.create("model", f"{USER}/exa", is_private=True)
    done = run_upload(hub, [planned(model)])
    assert repo.is_private
    assert any("비공개로 남습니다" in line for line in done.said)


def test_a_card_that_the_hub_refuses_stops_before_the_first_file(run_upload, hub, tmp_path):
    """The Hub judges the card before gigabytes are sent."""
    folder = folder_of(tmp_path / "bad", FILES | {"README.md": b"---\n- a\n- b\n---\n"})
    done = run_upload(hub, [planned(folder)])
    assert "README.md의 머리글을 받지 않았습니다: the metadata is not a mapping" in done.error
    assert hub.count("put") == hub.count("commit") == 0


def test_what_the_hub_remarks_on_a_card_is_told(run_upload, hub, tmp_path):
    """A warning of the Hub reaches the person."""
    folder = folder_of(tmp_path / "bare", {"README.md": b"# no metadata\n"})
    done = run_upload(hub, [planned(folder)])
    assert any("empty or missing yaml metadata" in line for line in done.said)


def test_the_hub_is_found_by_hf_endpoint_and_the_token_by_hf_token(hub, model, tmp_path):
    """Without arguments, the standard places are looked up."""
    with Uploader(tmp_path, HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN) as uploader:
        uploader.start(None, [planned(model)], token=None)
        assert uploader.end().error == ""
    assert ours(hub.store.repo(f"{USER}/exa")) == FILES


def test_the_token_of_a_login_is_found(hub, model, tmp_path):
    """'hf auth login' leaves a file; it is enough."""
    (tmp_path / "token").write_text(TOKEN)
    with Uploader(tmp_path) as uploader:
        assert uploader.run(hub, [planned(model)], token=None).error == ""
    assert ours(hub.store.repo(f"{USER}/exa")) == FILES


def test_the_token_goes_to_the_hub_only(run_upload, hub, model):
    """The storage that takes the large files is another host; it gets no token."""
    run_upload(hub, [planned(model)])
    assert {met.route for met in hub.met if not met.has_token} == {"put"}


def test_the_library_is_left_as_it_was(run_upload, hub, model):
    """Its client, bars, log level and telemetry setting are its own again afterwards."""
    assert run_upload(hub, [planned(model)]).is_restored


def test_requests_say_nothing_about_the_machine(run_upload, hub, model):
    """No request names the installed libraries or looks anything else up."""
    run_upload(hub, [planned(model)])
    assert {met.agent for met in hub.met if met.route != "put"} == {"exagirl"}
    assert not any("torch" in met.agent for met in hub.met)
    assert hub.count("unknown") == 0
