"""A type of its own for every id, so that one is never passed for another."""

from typing import Annotated, NewType

from msgspec import Meta

U8_MAX, U16_MAX, U32_MAX = 2**8 - 1, 2**16 - 1, 2**32 - 1

SiteId = NewType("SiteId", str)
TerminalId = NewType("TerminalId", str)
StaffId = NewType("StaffId", str)
MerchantId = NewType("MerchantId", str)
ProductId = NewType("ProductId", str)
PersonId = NewType("PersonId", str)
ChannelId = NewType("ChannelId", str)

Tno = NewType("Tno", int)
"""The number the server gives to one (terminal, epoch) and never again; 32 bits, so that it fits a card's mark."""
Epoch = NewType("Epoch", int)
Seq = NewType("Seq", int)
"""Position of an entry in its terminal's chain: 1, 2, 3 ... without gaps."""
ShiftNo = NewType("ShiftNo", int)
CardNo = NewType("CardNo", int)
"""Issue number of a card: dense integers from 1, so that lists of cards stay small."""
Generation = NewType("Generation", int)
"""How often the plastic of an issue number was personalised or replaced; 1 for the first."""
Counter = NewType("Counter", int)
"""Steps a card has made: every write of the purse raises it by one."""
LoadSeq = NewType("LoadSeq", int)

CardKey = tuple[CardNo, Generation]

_NAME = Meta(pattern=r"^[a-z0-9-]{3,32}\Z", description="3 to 32 of a-z 0-9 -")
_LABEL = Meta(pattern=r"^[A-Za-z0-9._-]{1,32}\Z", description="1 to 32 of A-Z a-z 0-9 . _ -")
_LABEL_OR_NONE = Meta(pattern=r"^[A-Za-z0-9._-]{0,32}\Z", description="empty, or up to 32 of A-Z a-z 0-9 . _ -")

SiteField = Annotated[SiteId, _NAME]
TerminalField = Annotated[TerminalId, _NAME]
StaffField = Annotated[StaffId, _LABEL_OR_NONE]
MerchantField = Annotated[MerchantId, _LABEL]
ProductField = Annotated[ProductId, _LABEL]
ChannelField = Annotated[ChannelId, _LABEL]

U8 = Annotated[int, Meta(ge=0, le=U8_MAX)]
U16 = Annotated[int, Meta(ge=0, le=U16_MAX)]
U32 = Annotated[int, Meta(ge=0, le=U32_MAX)]
U53 = Annotated[int, Meta(ge=0, le=2**53 - 1)]
TnoField = Annotated[Tno, Meta(ge=1, le=U32_MAX)]
EpochField = Annotated[Epoch, Meta(ge=1, le=U32_MAX)]
SeqField = Annotated[Seq, Meta(ge=1, le=U32_MAX)]
EarlierSeqField = Annotated[Seq, Meta(ge=0, le=U32_MAX)]
"""The seq of an earlier entry; 0 means "none" and is not written."""
ShiftField = Annotated[ShiftNo, Meta(ge=0, le=U32_MAX)]
CardField = Annotated[CardNo, Meta(ge=1, le=U32_MAX)]
GenerationField = Annotated[Generation, Meta(ge=1, le=U16_MAX)]
CounterField = Annotated[Counter, Meta(ge=0, le=U32_MAX)]
LoadSeqField = Annotated[LoadSeq, Meta(ge=0, le=U16_MAX)]
