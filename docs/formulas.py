r"""The formulas of docstrings as MathML, which browsers set by themselves: no script, no fonts.

Docstrings write formulas in LaTeX (``.. math::`` and ``:math:``).  MkDocs knows neither, and
Markdown would take their underscores for emphasis, so they are translated as docstrings are
read.  Only what the docstrings use is known; anything else is an error that names it.

Examples
--------
>>> to_mathml(r"\frac{a}{2}")
'<math><mfrac><mi>a</mi><mn>2</mn></mfrac></math>'
>>> to_mathml("x_i^2")
'<math><msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup></math>'
>>> to_mathml(r"\cot x")
Traceback (most recent call last):
    ...
ValueError: there is no translation of \cot in '\\cot x'
"""

# ruff: noqa: RUF001 - the characters are meant
from __future__ import annotations

import re
from typing import Any

from griffe import Extension

BLOCK = re.compile(r"^( *)\.\. math::([^\n]*(?:\n(?:[ \t]*\n)?\1 +\S[^\n]*)*)", re.MULTILINE)
INLINE = re.compile(r":math:`([^`]+)`")
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε",
    "zeta": "ζ", "eta": "η", "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "ϕ", "varphi": "φ",
    "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ",
    "Lambda": "Λ", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "ell": "ℓ",
}  # fmt: skip
OPERATORS = {
    "in": "∈", "le": "≤", "ge": "≥", "ne": "≠", "approx": "≈", "leftarrow": "←", "to": "→",
    "mid": "∣", "pm": "±", "times": "×", "cdot": "·", "propto": "∝", "partial": "∂",
    "nabla": "∇", "sim": "∼", "top": "⊤", "infty": "∞", "ldots": "…", "dots": "…",
    "cup": "∪", "cap": "∩", "subset": "⊂", "setminus": "∖", "{": "{", "}": "}", "|": "‖",
}  # fmt: skip
FUNCTIONS = {"cos", "sin", "tanh", "exp", "ln", "log", "max", "min"}
LARGE = {"sum": "∑", "prod": "∏"}
SPACES = {"quad": 1.0, "qquad": 2.0, ",": 0.17, "!": -0.17, " ": 0.25}
ACCENTS = {"bar": "¯", "overline": "‾", "tilde": "~", "hat": "^"}
SIZES = {"big": "1.2em", "Big": "1.8em", "bigg": "2.4em"}
FENCES = "()[]|{}"
WORD = re.compile(r"([A-Za-z]{3,})\}")
"""A script of three letters and more is a word, set upright; of fewer, as many indices."""


def to_mathml(formula: str, *, block: bool = False) -> str:
    """Translate a formula; a block stands on a line of its own.

    Raises
    ------
    ValueError
        If it uses what is not known here.
    """
    reader = Reader(formula)
    parts = reader.row(end=None)
    attribute = ' display="block"' if block else ""
    return f"<math{attribute}>{''.join(parts)}</math>"


class Reader:
    """Reads a formula from its left to its right."""

    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.tokens = TOKEN.findall(formula)[::-1]

    def fail(self, what: str) -> ValueError:
        """An error that says what is wrong, and in which formula."""
        return ValueError(f"{what} in {self.formula!r}")

    def peek(self) -> str:
        """What comes next, spaces left aside; nothing at the end."""
        while self.tokens and self.tokens[-1].isspace():
            self.tokens.pop()
        return self.tokens[-1] if self.tokens else ""

    def next(self) -> str:
        """Take what comes next."""
        if not self.peek():
            raise self.fail("something is missing at the end")
        return self.tokens.pop()

    def row(self, end: str | None) -> list[str]:
        """Everything up to `end`, which is taken away; without it up to the end of all."""
        parts: list[str] = []
        while self.peek():
            if self.peek() == end:
                self.next()
                return parts
            large = self.peek().removeprefix("\\") in LARGE
            parts.append(self.with_scripts(self.atom(), large=large))
        if end is not None:
            raise self.fail(f"there is no {end}")
        return parts

    def with_scripts(self, base: str, *, large: bool) -> str:
        """The atom with what stands below and above it."""
        low = high = ""
        while self.peek() in ("_", "^", "'"):
            mark = self.next()
            if mark == "_":
                low = self.argument()
            else:
                high = "<mo>′</mo>" if mark == "'" else self.argument()
        tags = ("munder", "mover", "munderover") if large else ("msub", "msup", "msubsup")
        if low and high:
            return f"<{tags[2]}>{base}{low}{high}</{tags[2]}>"
        tag = tags[0] if low else tags[1]
        return f"<{tag}>{base}{low}{high}</{tag}>" if low or high else base

    def argument(self) -> str:
        """What a command or a script takes: a group in braces, or the next thing."""
        token = self.peek()
        if token[:1].isdigit() and len(token) > 1:  # \tfrac12 is a half
            self.tokens[-1:] = [token[1:], token[:1]]
        if token != "{":
            return self.atom()
        self.next()
        word = WORD.match("".join(self.tokens[::-1]))
        if word:
            del self.tokens[-len(word[0]) :]
            return f"<mi>{word[1]}</mi>"
        parts = self.row(end="}")
        return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"

    def text(self) -> str:
        """What stands in a group in braces, spaces included."""
        if self.next() != "{":
            raise self.fail("a text must be in braces")
        words = ""
        while (token := self.tokens.pop() if self.tokens else self.next()) != "}":
            words += token
        return words

    def atom(self) -> str:
        """One thing, without its scripts."""
        token = self.next()
        if token.startswith("\\"):
            return self.command(token[1:])
        if token == "{":
            return f"<mrow>{''.join(self.row(end='}'))}</mrow>"
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{token}</mi>"
        if token in FENCES:
            return fence(token)
        return f"<mo>{symbol(token)}</mo>"

    def command(self, name: str) -> str:
        """What a command makes of what follows it."""
        if name in GREEK:
            return f"<mi>{GREEK[name]}</mi>"
        if name in OPERATORS:
            return f"<mo>{OPERATORS[name]}</mo>"
        if name in SPACES:
            return f'<mspace width="{SPACES[name]}em"/>'
        if name in FUNCTIONS:
            apart = "" if self.peek() in ("(", "^", "_", r"\left", r"\!", r"\{") else " "
            return f"<mi>{name}</mi>" + ('<mspace width="0.17em"/>' if apart else "")
        if name in LARGE:
            return f"<mo>{LARGE[name]}</mo>"
        if name in ("frac", "tfrac"):
            halves = self.argument() + self.argument()
            return f"<mfrac>{halves}</mfrac>"
        if name == "sqrt":
            return f"<msqrt>{self.argument()}</msqrt>"
        if name in ACCENTS:
            wide = "true" if name == "overline" else "false"
            over = f'<mo stretchy="{wide}">{ACCENTS[name]}</mo>'
            return f'<mover accent="true">{self.argument()}{over}</mover>'
        if name in ("mathrm", "operatorname"):
            return f'<mi mathvariant="normal">{self.text()}</mi>'
        if name == "text":
            return f"<mtext>{self.text().replace(' ', '&#160;')}</mtext>"
        if name == "mathrel":
            return self.argument()
        if name == "left":
            opening = self.next().removeprefix("\\")
            inside = "".join(self.row(end=r"\right"))
            closing = self.next().removeprefix("\\")
            return (
                f"<mrow>{fence(opening, grows=True)}{inside}{fence(closing, grows=True)}</mrow>"
            )
        size = SIZES.get(name.removesuffix("l").removesuffix("r"))
        if size is not None:
            return fence(self.next().removeprefix("\\"), size=size)
        raise self.fail(f"there is no translation of \\{name}")


def fence(mark: str, *, grows: bool = False, size: str = "") -> str:
    """A bracket or bar; it grows with what it encloses, has a size, or neither."""
    given = f' minsize="{size}" maxsize="{size}"' if size else ""
    stretchy = "true" if grows or size else "false"
    return f'<mo stretchy="{stretchy}"{given} lspace="0" rspace="0">{symbol(mark)}</mo>'


def symbol(mark: str) -> str:
    """A character as HTML writes it, and so that Markdown sees nothing in it."""
    mark = {"-": "−", "*": "∗"}.get(mark, mark)
    return mark if mark.isalnum() or ord(mark) > 127 else f"&#{ord(mark)};"


def translate(docstring: str) -> str:
    """The docstring with all of its formulas in MathML."""

    def block(match: re.Match[str]) -> str:
        formula = " ".join(match[2].split())
        return f'{match[1]}<div class="formula">{to_mathml(formula, block=True)}</div>'

    docstring = BLOCK.sub(block, docstring)
    return INLINE.sub(lambda match: to_mathml(match[1]), docstring)


class Formulas(Extension):
    """Translates the docstring of every object that is read."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Called by Griffe."""
        if obj.docstring is not None:
            try:
                obj.docstring.value = translate(obj.docstring.value)
            except ValueError as error:
                raise ValueError(f"docs/formulas.py: {error}, of {obj.path}") from None
