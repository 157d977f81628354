"""Which partition a key lies on: Kafka's own default for records with a key. Pure.

Source: Apache Kafka `org.apache.kafka.common.utils.Utils.murmur2` and `BuiltInPartitioner.partitionForKey`
(`toPositive(murmur2(key)) % partitions`); librdkafka's `murmur2_random` agrees for every key
that is not null, and an integration test asks it.
"""

_SEED = 0x9747B28C
_M = 0x5BD1E995
_U32 = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 of some bytes, as an unsigned number."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _U32
        k = (k ^ k >> 24) * _M & _U32
        h = h * _M & _U32 ^ k
    if length > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _U32
    h = (h ^ h >> 13) * _M & _U32
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key on a topic with that many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
