package apachestore;

import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.common.BoundaryType;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.GetMessageStatus;
import org.apache.rocketmq.store.QueryMessageResult;
import org.apache.rocketmq.store.SelectMappedBufferResult;
import org.apache.rocketmq.store.queue.ConsumeQueueInterface;
import org.apache.rocketmq.store.queue.CqUnit;

/**
 * Everything that a store holds, as Apache RocketMQ's own code reads it: the records of the log in order, each queue
 * entry by entry, what each key finds, and which offsets belong to which times. varve-store.mjs prints the same lines.
 */
final class Listing {
    /** What the default store calls the blank at the end of a segment. */
    private static final int BLANK_MAGIC = -875286124;
    /** Apache's limit for one query by key. */
    private static final int HITS_MAX = 64;

    private final DefaultMessageStore store;
    private final int segmentBytes;
    private final Map<Long, MessageExt> records = new LinkedHashMap<>();

    private Listing(ApacheStore apache) {
        store = apache.store;
        segmentBytes = apache.config.getMappedFileSizeCommitLog();
    }

    static void run(Flags flags) throws Exception {
        boolean halt = flags.text("end", "clean").equals("halt");
        ApacheStore apache = new ApacheStore(flags);
        apache.awaitDispatch();
        Listing listing = new Listing(apache);
        listing.printLog();
        listing.printQueues();
        listing.printKeys();
        apache.end(halt);
    }

    private void printLog() throws Exception {
        long from = store.getMinPhyOffset();
        long until = store.getMaxPhyOffset();
        line("log", "from", from, "until", until);
        long at = from;
        while (at < until) {
            if (isBlank(at)) {
                at = (at / segmentBytes + 1) * segmentBytes;
                continue;
            }
            MessageExt record = store.lookMessageByOffset(at);
            if (record == null) {
                throw new IllegalStateException("no record at " + at + " though the log goes to " + until);
            }
            records.put(at, record);
            printRecord(record);
            at += record.getStoreSize();
        }
    }

    private boolean isBlank(long at) {
        SelectMappedBufferResult found = store.getCommitLogData(at);
        if (found == null) {
            throw new IllegalStateException("nothing at " + at + ", below the end of the log");
        }
        try {
            return found.getByteBuffer().getInt(4) == BLANK_MAGIC;
        } finally {
            found.release();
        }
    }

    private static void printRecord(MessageExt record) throws Exception {
        byte[] body = record.getBody() == null ? new byte[0] : record.getBody();
        line("record",
            "physicalOffset", record.getCommitLogOffset(),
            "sizeBytes", record.getStoreSize(),
            "topic", record.getTopic(),
            "queueId", record.getQueueId(),
            "queueOffset", record.getQueueOffset(),
            "flag", record.getFlag(),
            "sysFlag", record.getSysFlag(),
            "bodyChecksum", record.getBodyCRC(),
            "bodyBytes", body.length,
            "bodyHash", HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body)),
            "tag", record.getTags(),
            "keys", keysOf(record),
            "properties", new TreeMap<>(record.getProperties()),
            "bornAtMs", record.getBornTimestamp(),
            "bornHost", host(record.getBornHost()),
            "storedAtMs", record.getStoreTimestamp(),
            "storeHost", host(record.getStoreHost()),
            "reconsumeTimes", record.getReconsumeTimes(),
            "preparedTransactionOffset", record.getPreparedTransactionOffset());
    }

    private void printQueues() throws Exception {
        Map<String, Map<Integer, ConsumeQueueInterface>> topics = new TreeMap<>();
        store.getConsumeQueueTable().forEach((topic, queues) -> topics.put(topic, new TreeMap<>(queues)));
        for (var topic : topics.entrySet()) {
            for (var queue : topic.getValue().entrySet()) {
                printQueue(topic.getKey(), queue.getKey(), queue.getValue());
            }
        }
    }

    private void printQueue(String topic, int queueId, ConsumeQueueInterface queue) throws Exception {
        long min = store.getMinOffsetInQueue(topic, queueId);
        long max = store.getMaxOffsetInQueue(topic, queueId);
        line("queue", "topic", topic, "queueId", queueId, "min", min, "max", max);
        List<Long> storedAt = new ArrayList<>();
        long offset = min;
        while (offset < max) {
            // The path that a consumer's pull takes, then the entry itself for what a pull does not show.
            GetMessageResult found = store.getMessage("compat", topic, queueId, offset, 32, null);
            if (found.getStatus() != GetMessageStatus.FOUND) {
                throw new IllegalStateException(topic + "/" + queueId + " at " + offset + ": " + found.getStatus());
            }
            try {
                for (ByteBuffer buffer : found.getMessageBufferList()) {
                    MessageExt record = MessageDecoder.decode(buffer.slice(), true, false);
                    CqUnit unit = queue.get(offset);
                    if (unit.getPos() != record.getCommitLogOffset() || unit.getSize() != record.getStoreSize()) {
                        throw new IllegalStateException("entry " + unit + " leads to another record: " + record);
                    }
                    storedAt.add(record.getStoreTimestamp());
                    line("entry", "topic", topic, "queueId", queueId, "queueOffset", offset,
                        "physicalOffset", unit.getPos(), "sizeBytes", unit.getSize(), "tagsCode", unit.getTagsCode());
                    offset++;
                }
            } finally {
                found.release();
            }
        }
        printTimes(topic, queueId, storedAt);
    }

    /** Around the times of five messages, spread over the queue. */
    private void printTimes(String topic, int queueId, List<Long> storedAt) {
        Set<Long> times = new TreeSet<>();
        for (int part = 0; part <= 4 && !storedAt.isEmpty(); part++) {
            long time = storedAt.get((storedAt.size() - 1) * part / 4);
            times.addAll(List.of(time - 1, time, time + 1));
        }
        for (long time : times) {
            line("time", "topic", topic, "queueId", queueId, "timeMs", time,
                "lower", store.getOffsetInQueueByTime(topic, queueId, time, BoundaryType.LOWER),
                "upper", store.getOffsetInQueueByTime(topic, queueId, time, BoundaryType.UPPER));
        }
    }

    private void printKeys() {
        Map<String, Set<String>> keysOfTopic = new TreeMap<>();
        for (MessageExt record : records.values()) {
            keysOfTopic.computeIfAbsent(record.getTopic(), topic -> new TreeSet<>()).addAll(searchable(record));
        }
        keysOfTopic.forEach((topic, keys) -> keys.forEach(key ->
            line("key", "topic", topic, "key", key, "physicalOffsets", find(topic, key))));
    }

    private List<Long> find(String topic, String key) {
        QueryMessageResult found = store.queryMessage(topic, key, HITS_MAX, 0, Long.MAX_VALUE);
        Set<Long> hits = new TreeSet<>();
        try {
            for (ByteBuffer buffer : found.getMessageBufferList()) {
                MessageExt record = MessageDecoder.decode(buffer.slice(), true, false);
                // The store finds hashes; comparing the text is the client's part.
                if (record.getTopic().equals(topic) && searchable(record).contains(key)) {
                    hits.add(record.getCommitLogOffset());
                }
            }
        } finally {
            found.release();
        }
        return List.copyOf(hits);
    }

    private static Set<String> searchable(MessageExt record) {
        Set<String> keys = new LinkedHashSet<>(keysOf(record));
        String unique = record.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX);
        if (unique != null) {
            keys.add(unique);
        }
        return keys;
    }

    private static List<String> keysOf(MessageExt record) {
        List<String> keys = new ArrayList<>();
        if (record.getKeys() != null) {
            for (String key : record.getKeys().split(" ")) {
                if (!key.isEmpty()) {
                    keys.add(key);
                }
            }
        }
        return keys;
    }

    private static Map<String, Object> host(SocketAddress address) {
        InetSocketAddress host = (InetSocketAddress) address;
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("address", host.getAddress().getHostAddress());
        shown.put("port", host.getPort());
        return shown;
    }

    private static void line(String kind, Object... namesAndValues) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("kind", kind);
        for (int i = 0; i < namesAndValues.length; i += 2) {
            line.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        Main.print(line);
    }
}
