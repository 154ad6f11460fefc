"""A recipe that goes the whole way in seconds: real dialogues, a tiny random base."""

from pathlib import Path

RECIPE = """
name: tiny
character: exa
seed: 7
teacher: {{kind: bundled}}
generation:
  subsets:
    gf-persona-data: {{plan: corpus, dialogues: 6}}
    exa-data: {{plan: corpus, dialogues: 8}}
dataset: {{system_prompt: brief, heldout: {heldout}}}
training:
  base: {base}
  dtype: float32
  max_length: 2048
  lora: {{rank: 4, alpha: 8, targets: attention}}
  stages:
    - name: general
      data: gf-persona-data
      epochs: 1
      learning_rate: 1.0e-3
      gradient_accumulation: 2
    - name: character
      data: exa-data
      epochs: {epochs}
      learning_rate: 1.0e-3
      gradient_accumulation: 2
export: {{dtype: keep}}
evaluation:
  data: exa-data
  replies: 3
  probes: 2
  facts: 1
  fact_turns: [1, 2]
  drift_turns: 2
  plain_texts: 2
  max_new_tokens: 8
"""


def write_recipe(folder: Path, base: Path, *, epochs: int = 1, heldout: str = "bundled") -> Path:
    """Write the recipe into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(base=base, epochs=epochs, heldout=heldout), encoding="utf-8")
    return path
