"""As much of Go's text/template as the Ollama templates use, to see what Ollama would send.

Values: fields (``.Role``), variables, quoted texts, ``true``/``false``; functions: eq, ne, and, or,
not; actions: if / else if / else, range, assignment, output. Every mark must trim on both sides.
"""

import json
import re

MARK = re.compile(r"\{\{- (.*?) -\}\}", re.S)
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[()]|[^\s()]+')


def render(template, system, messages):
    """What the template makes of a conversation that Ollama has collated."""
    assert not MARK.sub("", template).strip(), "text stands outside of the marks"
    out = []
    _run(
        [mark[1] for mark in MARK.finditer(template)],
        {"System": system, "Messages": messages},
        {},
        out,
    )
    return "".join(out)


def _run(actions, dot, names, out):
    at = 0
    while at < len(actions):
        action = actions[at]
        verb = action.split(" ", 1)[0]
        if verb in ("if", "range"):
            end = _end(actions, at)
            body = actions[at + 1 : end]
            if verb == "range":
                for item in _value(action.split(" ", 1)[1], dot, names):
                    _run(body, item, names, out)
            else:
                _branch(action, body, dot, names, out)
            at = end
        elif match := re.match(r"(\$\w+) :?= (.*)", action, re.S):
            names[match[1]] = _value(match[2], dot, names)
        else:
            out.append(_value(action, dot, names))
        at += 1


def _end(actions, start):
    depth = 0
    for at in range(start, len(actions)):
        depth += actions[at].startswith(("if ", "range "))
        depth -= actions[at] == "end"
        if depth == 0:
            return at
    raise AssertionError("an action has no end")


def _branch(action, body, dot, names, out):
    branches, depth = [(action.removeprefix("if "), [])], 0
    for line in body:
        if depth == 0 and line.startswith("else"):
            branches.append((line.removeprefix("else").removeprefix(" if "), []))
            continue
        depth += line.startswith(("if ", "range "))
        depth -= line == "end"
        branches[-1][1].append(line)
    for condition, lines in branches:
        if not condition or _value(condition, dot, names):
            _run(lines, dot, names, out)
            return


def _value(text, dot, names):
    value, rest = _call(WORD.findall(text), dot, names)
    assert not rest, f"left over: {rest}"
    return value


def _call(words, dot, names):
    functions = {
        "eq": lambda a, b: a == b,
        "ne": lambda a, b: a != b,
        "and": lambda a, b: a and b,
        "or": lambda a, b: a or b,
        "not": lambda a: not a,
    }
    if words[0] not in functions:
        return _atom(words, dot, names)
    name, rest, given = words[0], words[1:], []
    while rest and rest[0] != ")":
        value, rest = _atom(rest, dot, names)
        given.append(value)
    return functions[name](*given), rest


def _atom(words, dot, names):
    word, rest = words[0], words[1:]
    if word == "(":
        value, rest = _call(rest, dot, names)
        return value, rest[1:]
    if word.startswith('"'):
        return json.loads(word), rest
    if word in ("true", "false"):
        return word == "true", rest
    return (names[word] if word.startswith("$") else dot[word.removeprefix(".")]), rest
