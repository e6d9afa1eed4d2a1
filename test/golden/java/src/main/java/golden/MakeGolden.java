package golden;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONWriter;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.BooleanSupplier;
import java.util.zip.GZIPOutputStream;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageBatch;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.remoting.protocol.DataVersion;
import org.apache.rocketmq.remoting.protocol.body.ConsumerOffsetSerializeWrapper;
import org.apache.rocketmq.remoting.protocol.body.TopicConfigSerializeWrapper;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.QueryMessageResult;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;
import org.apache.rocketmq.store.timer.TimerCheckpoint;
import org.apache.rocketmq.store.timer.TimerMessageStore;
import org.apache.rocketmq.store.timer.TimerMetrics;

/**
 * Makes stores with Apache RocketMQ's own code and lists what they hold through its own API.
 *
 * <p>Each case becomes a directory: the files of the store, each gzipped, and listing.json. Sizes are as small as the
 * code allows, so that segments, queue files and index files all end somewhere within the data.
 */
public final class MakeGolden {
    private static final int SEGMENT_BYTES = 64 * 1024;
    private static final int QUEUE_FILE_BYTES = 100 * 20;
    private static final int INDEX_SLOTS = 100;
    private static final int INDEX_ITEMS = 400;
    private static final String LONG_TOPIC = "%RETRY%" + "consumer_group_with_a_long_name-".repeat(5);
    private static final String LATE_TOPIC = "late";
    private static final long LATE_OFFSET = 130;

    private final Path root;
    private final boolean recordChecksum;
    private final DefaultMessageStore store;
    private final InetSocketAddress bornV4 = host("10.0.0.1", 50000);
    private final InetSocketAddress bornV6 = host("2001:db8:0:1::beef", 50001);
    private final InetSocketAddress storeV4 = host("10.0.0.2", 10911);
    private final InetSocketAddress storeV6 = host("fe80::1", 10911);
    private final Random random = new Random(42);
    private final List<Long> positions = new ArrayList<>();
    private final Map<Long, String> ids = new TreeMap<>();
    private int counter = 0;

    private MakeGolden(Path root, boolean recordChecksum) throws Exception {
        this.root = root;
        this.recordChecksum = recordChecksum;
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(root.toString());
        config.setStorePathCommitLog(root.resolve("commitlog").toString());
        config.setMappedFileSizeCommitLog(SEGMENT_BYTES);
        config.setMappedFileSizeConsumeQueue(QUEUE_FILE_BYTES);
        config.setMappedFileSizeTimerLog(52 * 3 + 16);
        config.setMaxHashSlotNum(INDEX_SLOTS);
        config.setMaxIndexNum(INDEX_ITEMS);
        config.setEnabledAppendPropCRC(recordChecksum);
        config.setHaListenPort(0);
        config.setDiskMaxUsedSpaceRatio(99);
        BrokerConfig broker = new BrokerConfig();
        store = new DefaultMessageStore(config, new BrokerStatsManager(broker),
            (topic, queueId, offset, tagsCode, time, bits, properties) -> { }, broker, new ConcurrentHashMap<>());
        if (!store.load()) {
            throw new IllegalStateException("load failed");
        }
        store.start();
    }

    public static void main(String[] arguments) throws Exception {
        Path out = Path.of(arguments[0]).toAbsolutePath();
        Path work = Files.createTempDirectory("golden");
        try {
            MakeGolden plain = new MakeGolden(work.resolve("plain"), false);
            plain.putAll();
            plain.putTimers();
            plain.finish(out.resolve("plain"));

            MakeGolden checksum = new MakeGolden(work.resolve("checksum"), true);
            checksum.putAll();
            checksum.finish(out.resolve("checksum"));

            writeJson(out.resolve("json"));
        } finally {
            try (var files = Files.walk(work)) {
                for (Path path : files.sorted((a, b) -> b.compareTo(a)).toList()) {
                    Files.delete(path);
                }
            }
        }
        System.exit(0); // Some of the store's helpers leave threads behind.
    }

    private void putAll() throws Exception {
        // More than one queue file and index file, bodies of all sizes from 0, and enough of them to roll the log.
        for (int number = 0; number < 250; number++) {
            MessageExtBrokerInner message = message("orders", number % 2, randomBody(number % 120));
            message.setTags(number % 5 == 0 ? null : "Tag" + (char) ('A' + number % 5));
            if (number % 3 == 0) {
                message.setKeys("order-" + number / 3 + (number % 2 == 0 ? " shared" : ""));
            }
            put(message);
        }
        for (int number = 0; number < 12; number++) {
            put(message("big", 0, randomBody(9000 + 37 * number)));
        }

        MessageExtBrokerInner unicode = message("orders", 0, "größer, 更大, \uD83D\uDC18".getBytes(StandardCharsets.UTF_8));
        unicode.setTags("Größe-\uD83D\uDC18");
        unicode.setKeys("schlüssel 键");
        unicode.putUserProperty("umlaut", "äöü \uD83D\uDE80");
        put(unicode);

        MessageExtBrokerInner fromV6 = message("hosts", 0, "from v6".getBytes(StandardCharsets.UTF_8));
        fromV6.setBornHost(bornV6);
        put(fromV6);
        MessageExtBrokerInner bothV6 = message("hosts", 0, "all v6".getBytes(StandardCharsets.UTF_8));
        bothV6.setBornHost(bornV6);
        bothV6.setStoreHost(storeV6);
        bothV6.setTags("six");
        bothV6.setKeys("v6");
        put(bothV6);
        MessageExtBrokerInner onV6 = message("hosts", 0, "to v6".getBytes(StandardCharsets.UTF_8));
        onV6.setStoreHost(storeV6);
        put(onV6);

        MessageExtBrokerInner longTopic = message(LONG_TOPIC, 0, "retry".getBytes(StandardCharsets.UTF_8));
        longTopic.setReconsumeTimes(3);
        longTopic.setKeys("long");
        put(longTopic);

        // Neither tag, key nor any other property.
        MessageExtBrokerInner bare = message("bare", 7, new byte[0]);
        MessageAccessor.setProperties(bare, new TreeMap<>());
        put(bare);

        for (int type : new int[] {MessageSysFlag.TRANSACTION_PREPARED_TYPE, MessageSysFlag.TRANSACTION_COMMIT_TYPE,
            MessageSysFlag.TRANSACTION_ROLLBACK_TYPE}) {
            MessageExtBrokerInner transaction = message("transactions", 1, ("type " + type).getBytes(StandardCharsets.UTF_8));
            transaction.setSysFlag(type | MessageSysFlag.COMPRESSED_FLAG);
            transaction.setKeys("transaction");
            transaction.setTags("T");
            transaction.setFlag(-7);
            transaction.setPreparedTransactionOffset(type == MessageSysFlag.TRANSACTION_PREPARED_TYPE ? 0 : 4711);
            put(transaction);
        }

        for (int level : new int[] {1, 3, 18, 99}) {
            MessageExtBrokerInner delayed = message("SCHEDULE_TOPIC_XXXX", Math.min(level, 18) - 1, ("level " + level).getBytes(StandardCharsets.UTF_8));
            delayed.setTags("ignored");
            MessageAccessor.putProperty(delayed, MessageConst.PROPERTY_DELAY_TIME_LEVEL, String.valueOf(level));
            MessageAccessor.putProperty(delayed, MessageConst.PROPERTY_REAL_TOPIC, "orders");
            MessageAccessor.putProperty(delayed, MessageConst.PROPERTY_REAL_QUEUE_ID, "1");
            put(delayed);
        }

        putBatch(5, 40);
        putBatch(30, 1500);

        // A queue that does not start at 0, as one does whose first records retention has removed.
        MessageExtBrokerInner late = message(LATE_TOPIC, 0, "late".getBytes(StandardCharsets.UTF_8));
        late.setTags("L");
        for (long left = LATE_OFFSET; left > 0; left -= 10) {
            store.increaseOffset(late, (short) 10);
        }
        put(late);
        put(message(LATE_TOPIC, 0, "later".getBytes(StandardCharsets.UTF_8)));
    }

    private void putBatch(int count, int bodyBytes) throws Exception {
        List<Message> messages = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            Message message = new Message("batches", "Batched", "batch-" + number, randomBody(bodyBytes));
            message.setFlag(number);
            MessageAccessor.putProperty(message, MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, uniqueKey());
            messages.add(message);
        }
        MessageBatch batch = MessageBatch.generateFromList(messages);
        batch.setBody(batch.encode());
        MessageExtBatch request = new MessageExtBatch();
        request.setTopic("batches");
        request.setQueueId(0);
        request.setBody(batch.getBody());
        request.setBornTimestamp(System.currentTimeMillis());
        request.setBornHost(bornV4);
        request.setStoreHost(storeV4);
        request.setPropertiesString("");
        PutMessageResult result = store.putMessages(request);
        check(result);
        for (String id : result.getAppendMessageResult().getMsgId().split(",")) {
            long position = MessageDecoder.decodeMessageId(id).getOffset();
            positions.add(position);
            ids.put(position, id);
        }
    }

    /** Timed messages: two in one slot, one that must go round the wheel again, one that deletes another. */
    private void putTimers() throws Exception {
        long slot = System.currentTimeMillis() / 1000 * 1000 + 3_600_000;
        TimerMessageStore timer = new TimerMessageStore(store, store.getMessageStoreConfig(),
            new TimerCheckpoint(root.resolve("config/timercheck").toString()),
            new TimerMetrics(root.resolve("config/timermetrics").toString()), store.getBrokerStatsManager());
        if (!timer.load()) {
            throw new IllegalStateException("the timer did not load");
        }
        timer.setShouldRunningDequeue(true); // As the broker that is master does.
        timer.start();
        long[] due = {slot, slot, slot + 60_000, slot + 60L * 3_600_000, slot};
        for (int number = 0; number < due.length; number++) {
            MessageExtBrokerInner timed = message(TimerMessageStore.TIMER_TOPIC, 0, ("timed " + number).getBytes(StandardCharsets.UTF_8));
            MessageAccessor.putProperty(timed, TimerMessageStore.TIMER_OUT_MS, String.valueOf(due[number]));
            MessageAccessor.putProperty(timed, MessageConst.PROPERTY_REAL_TOPIC, "orders");
            MessageAccessor.putProperty(timed, MessageConst.PROPERTY_REAL_QUEUE_ID, "0");
            if (number == due.length - 1) {
                MessageAccessor.putProperty(timed, TimerMessageStore.TIMER_DELETE_UNIQUE_KEY, "orders+x");
            }
            put(timed);
        }
        waitUntil("the timer took all messages", () -> timer.getCommitQueueOffset() == due.length);
        Thread.sleep(2 * store.getMessageStoreConfig().getTimerFlushIntervalMs()); // Its shutdown does not save the wheel.
        timer.shutdown();
    }

    private MessageExtBrokerInner message(String topic, int queueId, byte[] body) {
        MessageExtBrokerInner message = new MessageExtBrokerInner();
        message.setTopic(topic);
        message.setQueueId(queueId);
        message.setBody(body);
        message.setFlag(counter);
        message.setBornTimestamp(System.currentTimeMillis() - 5);
        message.setBornHost(bornV4);
        message.setStoreHost(storeV4);
        MessageAccessor.putProperty(message, MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, uniqueKey());
        MessageAccessor.putProperty(message, MessageConst.PROPERTY_CLUSTER, "DefaultCluster");
        return message;
    }

    private void put(MessageExtBrokerInner message) {
        message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
        PutMessageResult result = store.putMessage(message);
        check(result);
        long position = result.getAppendMessageResult().getWroteOffset();
        positions.add(position);
        ids.put(position, result.getAppendMessageResult().getMsgId());
    }

    private static void check(PutMessageResult result) {
        if (!result.isOk()) {
            throw new IllegalStateException("put failed: " + result);
        }
    }

    private String uniqueKey() {
        return String.format("0A00000100010000000100000000%04X", counter++);
    }

    private byte[] randomBody(int size) {
        // Letters, so that the files compress well.
        byte[] body = new byte[size];
        for (int at = 0; at < size; at++) {
            body[at] = (byte) ('a' + random.nextInt(4));
        }
        return body;
    }

    private void finish(Path out) throws Exception {
        waitUntil("everything is dispatched", () -> store.dispatchBehindBytes() == 0);
        Map<String, Object> listing = new LinkedHashMap<>();
        listing.put("apacheVersion", "5.5.0");
        listing.put("segmentBytes", SEGMENT_BYTES);
        listing.put("queueFileBytes", QUEUE_FILE_BYTES);
        listing.put("indexSlots", INDEX_SLOTS);
        listing.put("indexItems", INDEX_ITEMS);
        listing.put("recordChecksum", recordChecksum);
        listing.put("messages", listMessages());
        listing.put("queues", listQueues());
        listing.put("keys", listKeys());
        store.shutdown();
        copyGzipped(root, out);
        Files.writeString(out.resolve("listing.json"), JSON.toJSONString(listing, JSONWriter.Feature.PrettyFormat) + "\n");
    }

    private List<Object> listMessages() throws Exception {
        List<Object> listed = new ArrayList<>();
        for (long position : positions) {
            MessageExt message = store.lookMessageByOffset(position);
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("topic", message.getTopic());
            fields.put("queueId", message.getQueueId());
            fields.put("queueOffset", message.getQueueOffset());
            fields.put("physicalOffset", message.getCommitLogOffset());
            fields.put("sizeBytes", message.getStoreSize());
            fields.put("flag", message.getFlag());
            fields.put("sysFlag", message.getSysFlag());
            fields.put("bornAtMs", message.getBornTimestamp());
            fields.put("bornHost", hostText(message.getBornHost()));
            fields.put("storedAtMs", message.getStoreTimestamp());
            fields.put("storeHost", hostText(message.getStoreHost()));
            fields.put("reconsumeTimes", message.getReconsumeTimes());
            fields.put("preparedTransactionOffset", message.getPreparedTransactionOffset());
            fields.put("bodyChecksum", message.getBodyCRC());
            byte[] body = message.getBody() == null ? new byte[0] : message.getBody();
            fields.put("bodyBytes", body.length);
            fields.put("bodySha256", HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body)));
            fields.put("tags", message.getTags());
            fields.put("keys", message.getKeys());
            fields.put("properties", new TreeMap<>(message.getProperties()));
            fields.put("messageId", ids.get(position));
            listed.add(fields);
        }
        return listed;
    }

    private List<Object> listQueues() throws Exception {
        TreeMap<String, TreeMap<Integer, Boolean>> queues = new TreeMap<>();
        for (long position : positions) {
            MessageExt message = store.lookMessageByOffset(position);
            queues.computeIfAbsent(message.getTopic(), topic -> new TreeMap<>()).put(message.getQueueId(), true);
        }
        List<Object> listed = new ArrayList<>();
        for (String topic : queues.keySet()) {
            for (int queueId : queues.get(topic).keySet()) {
                Map<String, Object> fields = new LinkedHashMap<>();
                long max = store.getMaxOffsetInQueue(topic, queueId);
                fields.put("topic", topic);
                fields.put("queueId", queueId);
                fields.put("maxOffset", max);
                List<Long> found = new ArrayList<>();
                long offset = topic.equals(LATE_TOPIC) ? LATE_OFFSET : 0;
                fields.put("firstOffset", offset);
                while (offset < max) {
                    GetMessageResult result = store.getMessage("golden", topic, queueId, offset, 32, null);
                    for (ByteBuffer buffer : result.getMessageBufferList()) {
                        found.add(MessageDecoder.decode(buffer.duplicate(), true, false).getCommitLogOffset());
                    }
                    offset = result.getNextBeginOffset();
                    result.release();
                }
                fields.put("physicalOffsets", found);
                listed.add(fields);
            }
        }
        return listed;
    }

    private List<Object> listKeys() throws Exception {
        List<Object> listed = new ArrayList<>();
        List<String[]> queries = new ArrayList<>(List.of(new String[][] {
            {"orders", "shared"}, {"orders", "order-0"}, {"orders", "order-7"}, {"orders", "schlüssel"}, {"orders", "键"},
            {"orders", "nobody"}, {"hosts", "v6"}, {LONG_TOPIC, "long"}, {"transactions", "transaction"}, {"batches", "batch-3"}}));
        for (String[] query : queries) {
            QueryMessageResult result = store.queryMessage(query[0], query[1], 64, 0, Long.MAX_VALUE);
            List<Long> found = new ArrayList<>();
            for (ByteBuffer buffer : result.getMessageBufferList()) {
                found.add(MessageDecoder.decode(buffer.duplicate(), true, false).getCommitLogOffset());
            }
            result.release();
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("topic", query[0]);
            fields.put("key", query[1]);
            fields.put("physicalOffsets", found);
            listed.add(fields);
        }
        return listed;
    }

    /** Files of config/ as the broker writes them: same classes, same calls. */
    private static void writeJson(Path out) throws Exception {
        Files.createDirectories(out);
        DataVersion version = new DataVersion();
        version.setTimestamp(1_758_276_000_000L);

        ConsumerOffsetSerializeWrapper offsets = new ConsumerOffsetSerializeWrapper();
        ConcurrentMap<Integer, Long> queues = new ConcurrentHashMap<>(Map.of(0, 250L, 1, Long.MAX_VALUE, 10, -1L));
        offsets.getOffsetTable().put("orders@GID_a", queues);
        offsets.getOffsetTable().put("same.as [above]@GID_a", queues);
        offsets.getOffsetTable().put("%RETRY%GID_a@GID_a", new ConcurrentHashMap<>(Map.of(0, 1L << 53)));
        offsets.setDataVersion(version);
        Files.writeString(out.resolve("consumerOffset.json"), offsets.toJson(true));
        Files.writeString(out.resolve("consumerOffset-1.2.83.json"), com.alibaba.fastjson.JSON.toJSONString(offsets, true));

        TopicConfigSerializeWrapper topics = new TopicConfigSerializeWrapper();
        TopicConfig shared = new TopicConfig("größer", 8, 8, 6);
        shared.getAttributes().put("+message.type", "FIFO");
        topics.getTopicConfigTable().put("größer", shared);
        topics.getTopicConfigTable().put("%DLQ%again", shared);
        topics.setDataVersion(version);
        Files.writeString(out.resolve("topics.json"), topics.toJson(true));
        Files.writeString(out.resolve("topics-1.2.83.json"), com.alibaba.fastjson.JSON.toJSONString(topics, true));
    }

    private static void copyGzipped(Path from, Path to) throws Exception {
        try (var files = Files.walk(from)) {
            for (Path path : files.filter(Files::isRegularFile).toList()) {
                if (path.startsWith(from.resolve("rocksdbstore"))) {
                    continue; // Of features that the file-based store does not use.
                }
                Path target = to.resolve(from.relativize(path) + ".gz");
                Files.createDirectories(target.getParent());
                try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(target)) {{ def.setLevel(9); }}) {
                    Files.copy(path, out);
                }
            }
        }
    }

    private static Map<String, Object> hostText(java.net.SocketAddress address) {
        InetSocketAddress host = (InetSocketAddress) address;
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("addressHex", HexFormat.of().formatHex(host.getAddress().getAddress()));
        fields.put("port", host.getPort());
        return fields;
    }

    private static InetSocketAddress host(String address, int port) {
        try {
            return new InetSocketAddress(InetAddress.getByName(address), port);
        } catch (java.net.UnknownHostException unreachable) {
            throw new IllegalStateException(unreachable);
        }
    }

    private static void waitUntil(String claim, BooleanSupplier condition) throws InterruptedException {
        for (int tries = 0; tries < 600; tries++) {
            if (condition.getAsBoolean()) {
                return;
            }
            Thread.sleep(50);
        }
        throw new IllegalStateException("never came true: " + claim);
    }
}
