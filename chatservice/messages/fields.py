"""The types of the fields of messages, with their bounds, and the base of all messages."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, cast

from msgspec import Meta, Struct

SEQ_MOST: Final = (1 << 53) - 1
"""The largest integer that every JSON reader reads exactly (RFC 8259, section 6)."""

REF_LONGEST: Final = 64
"""The most characters of a ``ref``."""

FIELD_LONGEST: Final = 1024
"""The most characters of any other field that a program sends, except a ``text``."""

LIST_LONGEST: Final = 256
"""The most items of a list that a program sends."""

Number = Annotated[int, Meta(ge=0, le=SEQ_MOST)]
Ref = Annotated[str, Meta(max_length=REF_LONGEST)] | Number | None
Short = Annotated[str, Meta(max_length=FIELD_LONGEST)]
Few = Annotated[list[str], Meta(max_length=LIST_LONGEST)]


class _Tag:
    """Descriptor for the ``type`` of a message on the wire: the tag of its class."""

    def __get__(self, message: object, kind: type[Struct]) -> str:
        return cast("str", kind.__struct_config__.tag)


class Message(Struct, frozen=True, omit_defaults=True, tag_field="type", gc=False):
    """A message on the wire. Fields with their default values are left out."""

    type: ClassVar[_Tag] = _Tag()
