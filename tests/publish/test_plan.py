"""A plan tells every byte that would leave, on one screen."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exagirl.publish.plan import PublishPlan, folded, shown_size
from exagirl.publish.repo import PlannedFile, PlannedRepo

NAMES = st.lists(
    st.one_of(
        st.from_regex(r"[a-z]{1,6}\.json", fullmatch=True),
        st.integers(1, 30).map(lambda at: f"model-{at:05d}-of-00030.safetensors"),
        st.from_regex(r"exagirl/[a-z]{1,4}/[a-z]{1,4}\.py", fullmatch=True),
    ),
    unique=True,
    max_size=60,
)


def files(*names, size=10):
    """Planned files."""
    return tuple(PlannedFile(path=name, size=size) for name in names)


def plan_of(*repos):
    """A plan of some repositories."""
    return PublishPlan(
        run="exa",
        to="hub",
        title="엑사",
        base="org/base",
        licence="some licence",
        tag="run-0123456789ab",
        private=False,
        repos=repos,
    )


def test_shards_and_the_packages_sources_are_one_line_each():
    """With how many they are and what they weigh together."""
    shards = [f"model-{at:05d}-of-00003.safetensors" for at in (1, 2, 3)]
    lines = folded(files("README.md", *shards, "exagirl/a.py", "exagirl/chat/b.py"))
    assert [tuple(line) for line in lines] == [
        ("README.md", 10),
        ("model-*-of-00003.safetensors (3개)", 30),
        ("exagirl/ (2개)", 20),
    ]


@given(NAMES, st.integers(2, 12))
def test_a_folded_list_fits_and_forgets_no_byte(names, most):
    """However many files there are."""
    lines = folded(tuple(PlannedFile(path=n, size=at) for at, n in enumerate(names)), most)
    assert len(lines) <= most
    assert sum(line.size for line in lines) == sum(range(len(names)))


def test_a_plan_counts_all_its_repositories_and_asks_for_the_first_name():
    """The machine-readable form has every file."""
    one = PlannedRepo(
        part="model", repo="me/exa", kind="model", folder=Path("a"), files=files("x", "y")
    )
    two = one.model_copy(update={"part": "dataset", "repo": "me/exa-data", "files": files("z")})
    plan = plan_of(one, two)
    assert (plan.size, plan.count, plan.asked_name) == (30, 3, "exa")
    facts = plan.facts()
    assert [len(repo["files"]) for repo in facts["repos"]] == [2, 1]
    assert (facts["size"], facts["count"], facts["tag"]) == (30, 3, "run-0123456789ab")


def test_sizes_are_told_in_powers_of_ten():
    """As the Hub tells them."""
    assert [shown_size(n) for n in (0, 999, 1500, 2_340_000, 5_000_000_000)] == [
        *("0 B", "999 B", "1.5 kB", "2.3 MB", "5.0 GB"),
    ]
