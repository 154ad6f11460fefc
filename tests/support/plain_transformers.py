"""What plain transformers, of whichever version is found first, makes of a model folder.

Run: PYTHONPATH=FOLDER_WITH_TRANSFORMERS python plain_transformers.py OUT.json MODEL_FOLDER...
Nothing of this project is imported, so that the folder alone is judged.
"""

import json
import sys

MESSAGES = [
    {"role": "user", "content": "안녕! 오늘 뭐 했어?"},
    {"role": "assistant", "content": "*안경을 고쳐 쓰며* 책을 읽고 있었어."},
    {"role": "user", "content": "무슨 책?"},
]
SYSTEM = {"role": "system", "content": "너는 '다른' 사람이다."}
IDS = [[10 + (7 * place * place + 3 * place) % 580 for place in range(120)]]


def look(folder):
    """Logits, tokens of two conversations, and how a reply ends."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
    rendered = [
        tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        for messages in (MESSAGES, [SYSTEM, *MESSAGES])
    ]
    with torch.no_grad():
        logits = model(torch.tensor(IDS)).logits[0]
    return {
        "logits": logits.float().tolist(),
        "dtype": str(model.dtype),
        "rendered": rendered,
        "tokens": [tokenizer(text, add_special_tokens=False)["input_ids"] for text in rendered],
        "plain": tokenizer.decode(tokenizer(rendered[0])["input_ids"], skip_special_tokens=True),
        "stops": model.generation_config.eos_token_id,
        "temperature": model.generation_config.temperature,
    }


if __name__ == "__main__":
    import transformers

    found = {folder: look(folder) for folder in sys.argv[2:]}
    with open(sys.argv[1], "w", encoding="utf-8") as stream:  # noqa: PTH123 (paths come as text)
        json.dump({"version": transformers.__version__, "models": found}, stream)
