"""`{% here %}` in a template: the template's own file and line, for words no rule stands behind."""

from __future__ import annotations

from jinja2.ext import Extension
from jinja2.nodes import Output, TemplateData
from jinja2.parser import Parser

from mqd.publish.markdown import code


class OwnLine(Extension):
    """Puts the place where the tag itself stands, `machine.md.j2:10`, under the templates."""

    tags = {"here"}  # noqa: RUF012  # as the class above declares it

    def parse(self, parser: Parser) -> Output:
        """The tag's file and line as inert text in code type."""
        line = next(parser.stream).lineno
        return Output([TemplateData(code(f"{parser.name}:{line}"))], lineno=line)
