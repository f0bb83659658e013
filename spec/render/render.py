#!/usr/bin/env python3
"""Renders the documents as one, in the form of an RFC: text and HTML.

    spec/render/render.py [DIRECTORY]

writes dchat.md, dchat.xml, dchat.txt and dchat.html to DIRECTORY (target/spec when none is named). It
needs `kramdown-rfc` (Debian: ruby-kramdown-rfc2629) and `xml2rfc` (PyPI), fetches nothing, and fails
when one of them warns about anything.

Each document becomes a section of its own, its sections become subsections, and what is cited in the
documents' way (a document and `§4.1`, an id of a requirement, an RFC) becomes a cross reference: a
section by its number, a requirement by its id. Names of documents in figures become numbers, too.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPEC = HERE.parent
# The width of a line of text in an RFC, less the indentation of a figure.
WIDTH = 69


class Stop(Exception):
    """What is wrong with the documents, or with a tool."""


def documents() -> list[Path]:
    """The documents in their order: by number, and the registry last."""
    named = [path for path in SPEC.glob("*.md") if re.match(r"[0-9]|registry", path.stem)]
    return sorted(named, key=lambda path: path.stem)


def anchor(document: str, section: str) -> str:
    """The name of a section, of a document as a whole without one."""
    base = re.sub(r"^[0-9]+-", "", document)
    return f"{base}-{section.replace('.', '-')}" if section else base


def abstract(overview: str) -> str:
    """The first section of the overview says what this is. An abstract refers to nothing."""
    first = overview.split("## 1. ", 1)[1].split("\n", 1)[1].split("\n## ", 1)[0].strip()
    return re.sub(r"\s*\(\[[^\]]*\]\([^)]*\)\)", "", first)


class Text:
    """One document on its way to a section of the rendering."""

    def __init__(self, path: Path, names: dict[str, set[str]]):
        self.name = path.stem
        self.names = names
        # The number of each document's section.
        self.numbers = {name: at for at, name in enumerate(names, 1)}
        self.source = path.read_text(encoding="utf-8")

    def render(self) -> str:
        """The section, in the Markdown of kramdown-rfc."""
        parts = re.split(r"^```([^\n]*)\n(.*?)^```$", self.source, flags=re.M | re.S)
        done = []
        for at, part in enumerate(parts):
            if at % 3 == 0:
                done.append(self.prose(part))
            elif at % 3 == 2:
                done.append(figure(self.numbered(part), named(parts[at - 1])))
        return "".join(done)

    def prose(self, text: str) -> str:
        """Headings, requirements, citations and tables of what stands between figures."""
        # The table of the document's name and revision is for those who read one file.
        text = re.sub(r"^\| \| \|\n\|---\|---\|\n\| Document .*?\n\n", "", text, flags=re.M | re.S)
        text = re.sub(r"^# (?:DChat: )?(.*)$", self.title, text, flags=re.M)
        text = re.sub(r"^(##+) ([0-9.]+) (.*)$", self.heading, text, flags=re.M)
        text = re.sub(r"^\*\*\[(DC-[A-Z]+-\d{3})\]\*\*", r"{: #\1}\n**\\[\1\\]**", text, flags=re.M)
        pieces = re.split(r"(`[^`]*`(?:\]\([^)]*\))?)", text)
        text = "".join(self.cite(piece) if at % 2 == 0 else piece for at, piece in enumerate(pieces))
        text = self.links(text)
        return headed(text)

    def numbered(self, content: str) -> str:
        """A figure in which documents and sections are named by the numbers they have here."""

        def place(found: re.Match[str]) -> str:
            number = self.numbers[found["document"] or self.name]
            section = found["section"]
            return f"Section {number}.{section}" if section else f"Section {number}"

        names = "|".join(re.escape(name) for name in self.names if "-" in name)
        section = r"§(?P<section>[0-9.]*[0-9])"
        content = re.sub(rf"\b(?P<document>{names})(?: {section})?(?![-\w])", place, content)
        # What an RFC calls so stays.
        return re.sub(rf"(?<!RFC \d\d\d\d )(?P<document>){section}", place, content)

    def title(self, found: re.Match[str]) -> str:
        words = found[1][0].upper() + found[1][1:]
        return f"# {words} {{#{anchor(self.name, '')}}}"

    def heading(self, found: re.Match[str]) -> str:
        number = found[2].rstrip(".")
        return f"{found[1]} {found[3]} {{#{anchor(self.name, number)}}}"

    def cite(self, text: str) -> str:
        """Citations of RFCs and of requirements."""
        text = re.sub(r"RFC (\d+),?\s+§([0-9.]*[0-9])", r"{{Section \2 of RFC\1}}", text)
        text = re.sub(r"\bRFC (\d{4})\b", r"{{RFC\1}}", text)
        text = re.sub(r"\bFIPS (\d+)\b", r"{{FIPS\1}}", text)
        # A list from one id to another is of whole ids. An id is its own name: where it stands has a
        # number of a section, but none of a paragraph.
        text = re.sub(r"\b(DC-[A-Z]+-)(\d{3}) to (\d{3})\b", r"\1\2 to \1\3", text)
        name = r'<xref target="\1" format="none">\1</xref>'
        return re.sub(r"(?<![\[#])\b(DC-[A-Z]+-\d{3})\b", name, text)

    def links(self, text: str) -> str:
        """Links to documents and files, and sections with and without them."""

        # [`registry`](registry.md) §6 and §7
        section = r"§[0-9][0-9.]*[0-9]|§[0-9]"

        def linked(found: re.Match[str]) -> str:
            document, rest = found[1], found[2] or ""
            if document not in self.names:
                return found[0]
            numbers = re.findall(r"[0-9][0-9.]*[0-9]|[0-9]", rest)
            if not numbers:
                return f"{{{{{anchor(document, '')}}}}}"
            for number in numbers:
                if number not in self.names[document]:
                    raise Stop(f"{self.name}: no section {number} in {document}")
            return re.sub(section, lambda one: f"{{{{{anchor(document, one[0][1:])}}}}}", rest.lstrip())

        def named_document(found: re.Match[str]) -> str:
            known = found[1] in self.names
            return f"{{{{{anchor(found[1], '')}}}}}" if known else found[0]

        more = rf"((?:\s+(?:and\s+|to\s+)?(?:{section}),?(?=\s|[.,;:)|]|$))*)"
        text = re.sub(rf"\[`?([0-9a-z-]+)`?\]\([0-9a-z-]+\.md\){more}", linked, text)
        text = re.sub(r"\[([^\]]+)\]\((?!#)[^)]*\)", r"\1", text)
        text = re.sub(r"`([0-9]+-[a-z]+)`", named_document, text)
        # What is left is of this document.
        own = lambda found: f"{{{{{anchor(self.name, found[1])}}}}}"
        return re.sub(r"§([0-9][0-9.]*[0-9]|[0-9])", own, text)


def headed(text: str) -> str:
    """Tables without words in their head get some: a table of an RFC has a head."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if re.fullmatch(r"\|[-| ]+\|", line) and at > 0:
            # And a head has no names set in another type.
            lines[at - 1] = lines[at - 1].replace("`", "")
            cells = lines[at - 1].strip("|").split("|")
            if not any(cell.strip() for cell in cells):
                lines[at - 1] = "| " + " | ".join("What" if not n else "Value" for n in range(len(cells))) + " |"
    return "\n".join(lines)


def named(info: str) -> str:
    """The case of the vectors that a block shows, for its title."""
    found = re.search(r"case=(\S+)", info)
    return f'\n{{: title="Vector {found[1]}"}}' if found else ""


def figure(content: str, title: str) -> str:
    """A block as it is, but for lines that are too long.

    What stands apart at the end of such a line goes below it. Where nothing does, it is folded
    (RFC 8792).
    """
    given = content.rstrip("\n").split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in given if line.strip()), default=0)
    lines, folded = [], False
    for line in (line[margin:] for line in given):
        while len(line) > WIDTH:
            cuts = [found for found in re.finditer(r" {2,}(?=\S)", line.rstrip()) if 0 < found.start() <= WIDTH]
            indent = len(line) - len(line.lstrip())
            cuts = [cut for cut in cuts if line[: cut.start()].strip()]
            if cuts and len(line) - cuts[-1].end() + indent + 4 <= WIDTH:
                lines.append(line[: cuts[-1].start()])
                line = " " * (indent + 4) + line[cuts[-1].end() :]
            else:
                space = line.rfind(" ", indent + 20, WIDTH - 1)
                at = space + 1 or WIDTH - 1
                lines.append(line[:at] + "\\")
                line, folded = " " * (indent + 4) * (space > 0) + line[at:].lstrip(), True
        lines.append(line)
    note = ["NOTE: '\\' line wrapping per RFC 8792", ""] if folded else []
    return "\n".join(["~~~", *note, *lines, "~~~"]) + title


def combined() -> str:
    """All documents as the source of one."""
    paths = documents()
    names = {}
    for path in paths:
        source = path.read_text(encoding="utf-8")
        numbers = re.findall(r"^##+ ([0-9.]*[0-9])\.? ", source, flags=re.M)
        names[path.stem] = set(numbers)
    front = (HERE / "front.yaml").read_text(encoding="utf-8")
    intro = abstract((SPEC / "00-overview.md").read_text(encoding="utf-8"))
    body = "\n\n".join(Text(path, names).render() for path in paths)
    return f"---\n{front}\n--- abstract\n\n{intro}\n\n--- middle\n\n{body}\n\n--- back\n"


def run(command: list[str], output: Path | None = None) -> None:
    """Runs a tool; any word of it on its error output is a failure."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise Stop(f"{command[0]} is not installed") from missing
    said = [line for line in done.stderr.splitlines() if line.strip()]
    said += [line for line in done.stdout.splitlines() if re.match(r".*(?:Warning|Error):", line) and not output]
    if done.returncode or said:
        raise Stop(f"{' '.join(command)}:\n" + "\n".join(said))
    if output:
        output.write_text(done.stdout, encoding="utf-8")


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SPEC.parent / "target" / "spec"
    folder.mkdir(parents=True, exist_ok=True)
    source, xml = folder / "dchat.md", folder / "dchat.xml"
    try:
        source.write_text(combined(), encoding="utf-8")
        run(["kramdown-rfc", "--v3", str(source)], xml)
        for form in ("text", "html"):
            run(["xml2rfc", "--no-network", "--quiet", f"--{form}", str(xml)])
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 1
    print(f"{folder}/dchat.txt and {folder}/dchat.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
