"""After a budget was judged, the model is what it was, also one that keeps tensors of its own."""

import pytest

from tests.plugin.project import Project

CACHING = """
class Caching(nn.Module):
    \"\"\"Like the head of YOLO: keeps a grid in a plain attribute, made in its first forward.\"\"\"

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4, bias=False)
        self.norm = nn.BatchNorm1d(4)
        self.grid = None
        self.seen = []

    def forward(self, x):
        if self.grid is None or self.grid.shape != x.shape:
            self.grid = torch.ones_like(x)
        self.seen.append(x)
        return self.norm(self.linear(x)) + self.grid

def tensors(model):
    return [*model.parameters(), *model.buffers(), model.grid, *model.seen]

@pytest.mark.flop_budget(mode="{mode}", engine="{engine}", metrics="params,gflops,latency")
def test_caching(flop_budget):
    model, x = Caching(), torch.randn(3, 4)
    {first}
    before = {{k: v.clone() for k, v in model.state_dict().items()}}
    ids, grid, seen = list(map(id, model.parameters())), model.grid, list(model.seen)
    flags, state = [m.training for m in model.modules()], torch.get_rng_state()
    profile = flop_budget(model, x)
    assert (profile.params, profile["linear"].flops) == (24, {flops})
    assert profile.latency_ms > 0
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[k], before[k]) for k in before)
    assert list(map(id, model.parameters())) == ids
    assert model.grid is grid
    assert all(a is b for a, b in zip(model.seen, seen, strict=True))
    assert not any(t is not None and t.is_meta for t in tensors(model))
    assert [m.training for m in model.modules()] == flags
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not model._forward_hooks and not model.linear._forward_hooks
    assert model(x).shape == (3, 4) and not model.grid.is_meta
"""


@pytest.mark.parametrize(
    ("mode", "engine", "flops"),
    [
        ("inference", "dispatch", 96),
        ("inference", "thop", 96),
        ("inference", "yolov5", 96),
        ("training", "dispatch", 192),  # the input needs no gradient
    ],
)
@pytest.mark.parametrize("first", ["model.eval()", "model(x)"])
def test_a_model_that_caches_tensors_is_counted_then_timed_then_as_before(
    project: Project, mode: str, engine: str, flops: int, first: str
) -> None:
    project.write(
        "pytest.ini",
        "[pytest]\nflop_budget_time_limit = 0.05\nflop_budget_tolerance = latency=9999999%\n",
    )
    project.write("test_a.py", CACHING.format(mode=mode, engine=engine, flops=flops, first=first))
    project.update().assert_outcomes(passed=1)
    project.judge().assert_outcomes(passed=1)


def test_also_after_its_forward_raised(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        class Raises(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(2, 2)
                self.kept = None

            def forward(self, x):
                self.kept = self.linear(x)
                raise ValueError("the model's own")

        def test_raises(flop_budget):
            model = Raises()
            try:
                flop_budget(model, torch.zeros(1, 2))
            finally:
                assert model.kept is None
                assert model.training and model.linear.training
                assert not any(p.is_meta for p in model.parameters())
                assert not model.linear._forward_hooks
        """,
    )
    result = project.judge()
    result.assert_outcomes(failed=1)
    assert "ValueError: the model's own" in "\n".join(result.outlines)


def test_the_profile_is_returned(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            profile = flop_budget(nn.Sequential(nn.Linear(2, 3)), torch.zeros(1, 2))
            assert profile.params == profile["0"].params == 9
            assert profile.gflops == 12 / 1e9
            assert str(profile).splitlines()[-1] == (
                "Sequential: 2 layers, 9 params, 9 trainable, 0.000000012 GFLOPs"
            )
        """,
    )
    project.update().assert_outcomes(passed=1)


def test_lightnings_example_input_is_used(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        class Example(nn.Linear):
            example_input_array = torch.zeros(5, 2)

        def test_a(flop_budget):
            assert flop_budget(Example(2, 3)).flops == 60
        """,
    )
    project.update().assert_outcomes(passed=1)
