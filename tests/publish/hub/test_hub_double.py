"""The loopback double of the Hub answers the real client as the Hub would."""

import json

import pytest

from support.hub_client import folder_of, planned, run_python
from support.hub_server import TOKEN, USER, HubServer
from support.hub_store import ordinary

LARGE = bytes(range(256)) * 100
PROGRAM = f"""
import json
from huggingface_hub import HfApi, HfFileSystem
from huggingface_hub.errors import HfHubHTTPError

def status_of(call, *args, **named):
    try:
        call(*args, **named)
    except HfHubHTTPError as error:
        return [type(error).__name__, error.response.status_code]

api, repo = HfApi(), "{USER}/exa"
files = HfFileSystem()
told = dict(
    who=api.whoami()["name"],
    commits=[commit.title for commit in api.list_repo_commits(repo)],
    paths=[path.path for path in api.get_paths_info(repo, ["a/b.txt", "nothing"])],
    top=[entry.path for entry in api.list_repo_tree(repo)],
    below=[entry.path for entry in api.list_repo_tree(repo, "a")],
    last=[f.last_commit.title for f in api.list_repo_tree(repo, "a", expand=True)],
    exists=[api.file_exists(repo, "a/b.txt"), api.file_exists(repo, "nothing")],
    middle=list(files.read_block(repo + "/model.safetensors", 300, 4)),
    no_repo=status_of(api.repo_info, "{USER}/none"),
    no_revision=status_of(api.repo_info, repo, revision="none"),
    no_file=status_of(api.hf_hub_download, repo, "nothing"),
    hidden=status_of(HfApi(token=False).repo_info, "{USER}/hidden"),
    twice=status_of(api.create_repo, repo),
    foreign=status_of(api.create_repo, "somebody/exa"),
    stranger=status_of(HfApi(token="hf_stranger").create_repo, "{USER}/new"),
)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the client saw of a repository with three commits."""
    work = tmp_path_factory.mktemp("double")
    with HubServer() as hub:
        hub.store.create("model", f"{USER}/hidden", is_private=True)
        repo = hub.store.create("model", f"{USER}/exa", is_private=False)
        repo.commit("first", {"a/b.txt": ordinary(b"b")})
        repo.commit("second", {"model.safetensors": hub.store.keep(LARGE)})
        return json.loads(run_python(PROGRAM, hub, work, HF_TOKEN=TOKEN))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("who", USER),
        ("commits", ["second", "first", "initial commit"]),
        ("paths", ["a/b.txt"]),
        ("top", [".gitattributes", "a", "model.safetensors"]),
        ("below", ["a/b.txt"]),
        ("last", ["first"]),
        ("exists", [True, False]),
        ("middle", list(LARGE[300:304])),
    ],
)
def test_the_client_reads_what_the_double_holds(what, expected, told):
    """Owner, history, listings and pieces of files."""
    assert told[what] == expected


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("no_repo", ["RepositoryNotFoundError", 404]),
        ("no_revision", ["RevisionNotFoundError", 404]),
        ("no_file", ["RemoteEntryNotFoundError", 404]),
        ("hidden", ["RepositoryNotFoundError", 401]),
        ("twice", ["HfHubHTTPError", 409]),
        ("foreign", ["HfHubHTTPError", 403]),
        ("stranger", ["HfHubHTTPError", 401]),
    ],
)
def test_the_client_recognises_the_doubles_refusals(what, expected, told):
    """Each refusal becomes the client's own error."""
    assert told[what] == expected


def test_a_commit_with_an_object_that_never_came_is_refused(tmp_path):
    """The double commits no large file whose bytes it does not hold."""
    folder = folder_of(tmp_path / "model", {"model.safetensors": LARGE})
    program = f"""
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError
api = HfApi()
api.create_repo("{USER}/exa")
file = CommitOperationAdd("model.safetensors", {str(folder / "model.safetensors")!r})
file._upload_mode, file._should_ignore, file._is_uploaded = "lfs", False, True
try:
    api.create_commit("{USER}/exa", [file], commit_message="none")
except HfHubHTTPError as error:
    print(error.response.status_code)
"""
    with HubServer() as hub:
        assert run_python(program, hub, tmp_path / "work", HF_TOKEN=TOKEN) == "400\n"
        assert len(hub.store.repo(planned(folder).repo).commits) == 1
