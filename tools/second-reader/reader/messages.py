"""The messages of the page, field by field, with the page's numbers."""

from .protobuf import Message

VAULT = Message(name=(1, str), created=(2, int))
MACHINE = Message(name=(1, str), registered=(2, int))
DATA_KEY = Message(key=(1, bytes), created=(2, int))
HOLDER = Message(slot=(1, bytes), label=(2, str), added=(3, int))
HOLDERS = Message(changed=(1, int), holders=(2, [HOLDER]), removed=(3, [bytes]), earlier=(4, [bytes]))

EPOCH_REF = Message(generation=(1, bytes), number=(2, int))
INSTANT = Message(time=(1, int), monotonic=(2, int), boot=(3, bytes))
GENERATION = Message(id=(1, bytes), disk=(2, bytes), parent=(3, EPOCH_REF), reason=(4, int), origin=(5, int), detail=(6, str))
EPOCH = Message(
    disk=(1, bytes), generation=(2, bytes), number=(3, int), cut=(4, bytes), size=(5, int), instant=(6, INSTANT), open=(7, bool),
    data_bytes=(8, int), zero_bytes=(9, int), unreadable_bytes=(10, int), digest=(11, bytes), frame_count=(12, int), covered=(13, int),
)
POINT_MEMBER = Message(disk=(1, bytes), epoch=(2, EPOCH_REF))
POINT = Message(
    id=(1, bytes), cut=(2, bytes), kind=(3, int), instant=(4, INSTANT), members=(5, [POINT_MEMBER]), not_copied=(6, [bytes]),
    excluded=(7, [bytes]), manifest=(8, bytes), group=(9, bytes),
)
CUT = Message(
    id=(1, bytes), machine=(2, bytes), generations=(3, [GENERATION]), epochs=(4, [EPOCH]), point=(5, POINT), manifest=(6, bytes),
)

FENCE = Message(term=(1, int), writer=(2, bytes))
FAILOVER = Message(operation=(1, bytes), point=(2, bytes))
RELEASE = Message(operation=(1, bytes))
EPOCH_FRAMES = Message(epoch=(1, int), first=(2, int), count=(3, int))
CUT_PART = Message(cut_id=(1, bytes), part=(2, int), last=(3, bool), cut=(4, CUT), epochs=(5, [EPOCH_FRAMES]))
SEGMENT_RECORD = Message(fence=(1, FENCE), failover=(2, FAILOVER), release=(3, RELEASE), cut_part=(4, CUT_PART))
SEGMENT_RECORDS = Message(term=(1, int), sealed=(2, int), records=(3, [SEGMENT_RECORD]))

LOG_HEAD = Message(sequence=(1, int), tag=(2, bytes), term=(3, int))
OBJECT_REF = Message(id=(1, bytes), tag=(2, bytes), size=(3, int))
HISTORY_REF = Message(object=(1, OBJECT_REF), first_cut=(2, int), end_cut=(3, int))
RUN_REF = Message(object=(1, OBJECT_REF), disk=(2, bytes), first_cut=(3, int), end_cut=(4, int), bytes=(5, int))
CATALOGUE = Message(
    published=(1, int), covered=(2, int), head=(3, LOG_HEAD), fence=(4, int), failed_over=(5, FAILOVER), history=(6, [HISTORY_REF]),
    cuts=(7, int), compacted=(9, int), runs=(10, [RUN_REF]), first_slot=(11, int),
)

FRAME_RUN = Message(sequence=(1, int), first=(2, int), count=(3, int))
EPOCH_PLACE = Message(runs=(1, [FRAME_RUN]))
PLACED_CUT = Message(number=(1, int), sequence=(2, int), cut=(3, CUT), epochs=(4, [EPOCH_PLACE]))
GENERATION_SUMMARY = Message(
    generation=(1, GENERATION), epochs=(2, int), first_state=(3, (int,)), first_cut=(4, int), size=(5, int), covered=(6, int),
)
HISTORY_RECORDS = Message(slots=(1, [LOG_HEAD]), cuts=(2, [PLACED_CUT]), generations=(3, [GENERATION_SUMMARY]), thinned_end=(4, int))

PART_REF = Message(object=(1, OBJECT_REF), start=(2, int), end=(3, int))
RUN_RECORDS = Message(disk=(1, bytes), parts=(2, [PART_REF]))
PART_RECORDS = Message(disk=(1, bytes))
