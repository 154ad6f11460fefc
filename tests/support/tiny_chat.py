"""A tokenizer with a chat template that marks the replies, for tiny models that talk."""

from transformers import AutoTokenizer

from support.tiny_models import save_tokenizer

TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'assistant' %}[|assistant|]"
    "{% generation %}{{ message.content }}[|endofturn|]{% endgeneration %}"
    "{% else %}[|{{ message.role }}|]{{ message.content }}[|endofturn|]{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}[|assistant|]{% endif %}"
)


def chat_tokenizer(folder):
    """The tokenizer, saved below a folder."""
    save_tokenizer(folder / "tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    tokenizer.chat_template = TEMPLATE
    return tokenizer
