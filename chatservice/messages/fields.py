"""What fields of messages may hold: the types are the schema, by which messages are read."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, cast

from msgspec import Meta, Struct

SEQ_MOST: Final = (1 << 53) - 1
"""The largest integer that every JSON reader keeps whole (RFC 8259, section 6)."""

REF_LONGEST: Final = 64
"""Characters of a ``ref``."""

FIELD_LONGEST: Final = 1024
"""Characters of what else a program gives, but for a ``text``."""

LIST_LONGEST: Final = 256
"""Items of a list that a program gives."""

Number = Annotated[int, Meta(ge=0, le=SEQ_MOST)]
Ref = Annotated[str, Meta(max_length=REF_LONGEST)] | Number | None
Short = Annotated[str, Meta(max_length=FIELD_LONGEST)]
Few = Annotated[list[str], Meta(max_length=LIST_LONGEST)]


class _Tag:
    """The word by which the kind of a message is told."""

    def __get__(self, message: object, kind: type[Struct]) -> str:
        return cast("str", kind.__struct_config__.tag)


class Message(Struct, frozen=True, omit_defaults=True, tag_field="type", gc=False):
    """Something that goes over the wire. What is at its default is left out."""

    type: ClassVar[_Tag] = _Tag()
