package apachestore;

import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.GetMessageStatus;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.PutMessageStatus;

/**
 * Appends for a time or a count and prints one measurement, in the words of bench/report.ts: the rival of Varve's append
 * benchmarks, doing the same work with the same bodies.
 *
 * <ul>
 * <li>{@code --window 0}: one thread, nobody waits; {@code --batch-count} messages a call (encoded beforehand: that is the
 * client's work, not the store's).
 * <li>{@code --window N --threads N}: so many threads, each of which waits for its own message.
 * <li>{@code --window N --threads 1}: one thread that keeps so many messages in flight.
 * </ul>
 * The time is that of the appends ({@code rateWithDrain} adds what the dispatcher then still owes, which is seconds here); the CPU is that of the whole process until dispatch has caught up.
 */
final class Load {
    private static final String TOPIC = "bench-0";
    private static final int BODY_COUNT = 1024;
    private static final int HASHED_COUNT = 1000;
    /** Reading the clock at each call would cost more than it is worth where nobody waits. */
    private static final int TIMED_CALLS = 64;
    private static final long DRAIN_NANOS_MAX = 60_000_000_000L;

    /** One for all: the store asks it and does not change it. */
    private static final Map<String, String> NO_PROPERTIES = new HashMap<>();

    private final ApacheStore apache;
    private final boolean halt;
    private final int bodyBytes;
    private final int batchCount;
    private final int window;
    private final int threads;
    private final long countMax;
    private final double seconds;
    private final double warmUpSeconds;
    private final byte[][] bodies;
    private final InetSocketAddress host = new InetSocketAddress("127.0.0.1", 10911);
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    private volatile boolean warm;
    private volatile boolean over;

    private Load(Flags flags) throws Exception {
        bodyBytes = flags.number("body-bytes", 1024);
        batchCount = flags.number("batch-count", 1);
        window = flags.number("window", 0);
        threads = flags.number("threads", Math.max(1, window));
        countMax = flags.number("count", 0);
        seconds = flags.decimal("seconds", 0);
        warmUpSeconds = flags.decimal("warm-up-seconds", 0);
        if ((countMax == 0) == (seconds == 0)) {
            throw new IllegalArgumentException("a load has a time or a count");
        }
        if (threads != 1 && threads != window || batchCount > 1 && window > 0) {
            throw new IllegalArgumentException("--threads is 1 or --window, and batches are not waited for");
        }
        bodies = bodies(bodyBytes);
        String end = flags.text("end", "halt");
        halt = end.equals("halt");
        apache = new ApacheStore(flags);
    }

    static void run(Flags flags) throws Exception {
        Load load = new Load(flags);
        load.measure();
        load.apache.end(load.halt);
    }

    private void measure() throws Exception {
        Meter meter = new Meter();
        if (window == 0) {
            stream(meter);
        } else if (threads == 1) {
            inFlight(meter);
        } else {
            waitingThreads(meter);
        }
        long endedAt = System.nanoTime();
        awaitQueue(meter.all.get());
        double drainMs = (System.nanoTime() - endedAt) / 1e6;
        meter.end(endedAt);
        print(meter, drainMs, hash((int) Math.min(HASHED_COUNT, meter.all.get())));
    }

    /** Not {@code dispatchBehindBytes}: with the transient pool that counts only what has reached the file. */
    private void awaitQueue(long count) throws Exception {
        long until = System.nanoTime() + DRAIN_NANOS_MAX;
        while (apache.store.getMaxOffsetInQueue(TOPIC, 0) != count) {
            if (failure.get() != null || System.nanoTime() > until) {
                throw new IllegalStateException(count + " were appended, the queue holds "
                    + apache.store.getMaxOffsetInQueue(TOPIC, 0), failure.get());
            }
            Thread.sleep(1);
        }
    }

    /** The append calls of one thread, back to back. */
    private void stream(Meter meter) {
        ByteBuffer[] batches = new ByteBuffer[BODY_COUNT];
        for (long call = 0, count = 0; meter.goesOn(count); call++, count += batchCount) {
            boolean timed = call % TIMED_CALLS == 0;
            long began = timed ? System.nanoTime() : 0;
            // With asynchronous flush the future is complete when the call returns.
            check(batchCount == 1
                ? apache.store.asyncPutMessage(message((int) count)).join()
                : apache.store.asyncPutMessages(batch(batches, (int) (count & (BODY_COUNT - 1)))).join());
            meter.all.addAndGet(batchCount);
            if (timed) {
                meter.record(System.nanoTime() - began);
                meter.tick();
            }
        }
    }

    private void inFlight(Meter meter) throws InterruptedException {
        Semaphore free = new Semaphore(window);
        for (int index = 0; meter.goesOn(index) && failure.get() == null; index++) {
            free.acquire();
            long began = System.nanoTime();
            apache.store.asyncPutMessage(message(index)).whenComplete((result, thrown) -> {
                answered(meter, began, result, thrown);
                free.release();
            });
            meter.tick();
        }
        free.acquire(window);
    }

    private void waitingThreads(Meter meter) throws InterruptedException {
        AtomicLong begun = new AtomicLong();
        List<Thread> writers = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            Thread writer = new Thread(() -> {
                while (failure.get() == null) {
                    long index = begun.getAndIncrement();
                    if (!meter.goesOn(index)) {
                        return;
                    }
                    long began = System.nanoTime();
                    try {
                        answered(meter, began, apache.store.putMessage(message((int) index)), null);
                    } catch (Throwable thrown) {
                        answered(meter, began, null, thrown);
                    }
                    meter.tick();
                }
            });
            writers.add(writer);
            writer.start();
        }
        for (Thread writer : writers) {
            writer.join();
        }
    }

    private void answered(Meter meter, long began, PutMessageResult result, Throwable thrown) {
        try {
            if (thrown != null) {
                throw thrown;
            }
            check(result);
            meter.all.incrementAndGet();
            meter.record(System.nanoTime() - began);
        } catch (Throwable broken) {
            failure.compareAndSet(null, broken);
        }
    }

    private static void check(PutMessageResult result) {
        if (result.getPutMessageStatus() != PutMessageStatus.PUT_OK) {
            throw new IllegalStateException(result.toString());
        }
    }

    private MessageExtBrokerInner message(int index) {
        MessageExtBrokerInner message = new MessageExtBrokerInner();
        fillHead(message);
        message.setBody(bodies[index & (BODY_COUNT - 1)]);
        message.setPropertiesString("");
        return message;
    }

    private MessageExtBatch batch(ByteBuffer[] encoded, int first) {
        if (encoded[first] == null) {
            List<Message> messages = new ArrayList<>();
            for (int i = 0; i < batchCount; i++) {
                messages.add(new Message(TOPIC, bodies[(first + i) & (BODY_COUNT - 1)]));
            }
            encoded[first] = ByteBuffer.wrap(MessageDecoder.encodeMessages(messages));
        }
        MessageExtBatch batch = new MessageExtBatch();
        fillHead(batch);
        batch.setBody(encoded[first].array());
        return batch;
    }

    private void fillHead(MessageExtBrokerInner message) {
        message.setTopic(TOPIC);
        message.setQueueId(0);
        message.setBornTimestamp(System.currentTimeMillis());
        message.setBornHost(host);
        message.setStoreHost(host);
        MessageAccessor.setProperties(message, NO_PROPERTIES);
    }

    /** The same bytes as `bodies` of bench/case.ts. */
    private static byte[][] bodies(int bodyBytes) {
        byte[][] bodies = new byte[BODY_COUNT][];
        int state = 0x9e3779b9;
        for (int index = 0; index < BODY_COUNT; index++) {
            ByteBuffer body = ByteBuffer.allocate(bodyBytes).order(ByteOrder.LITTLE_ENDIAN);
            for (int at = 0; at + 4 <= bodyBytes; at += 4) {
                state = state * 1664525 + 1013904223;
                body.putInt(at, state);
            }
            body.putInt(0, index);
            bodies[index] = body.array();
        }
        return bodies;
    }

    /** Of the bodies 0 to count - 1 as stored. Waiting threads overtake each other, so each is looked for by its number. */
    private String hash(int count) throws Exception {
        byte[][] stored = new byte[count][];
        int missing = count;
        for (long offset = 0; missing > 0;) {
            GetMessageResult found = apache.store.getMessage("bench", TOPIC, 0, offset, 32, null);
            if (found.getStatus() != GetMessageStatus.FOUND) {
                throw new IllegalStateException("offset " + offset + ": " + found.getStatus());
            }
            for (ByteBuffer buffer : found.getMessageBufferList()) {
                byte[] body = MessageDecoder.decode(buffer.slice(), true, false).getBody();
                int index = ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN).getInt();
                if (index < count && stored[index] == null) {
                    stored[index] = body;
                    missing--;
                }
                offset++;
            }
            found.release();
        }
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        for (byte[] body : stored) {
            digest.update(body);
        }
        return HexFormat.of().formatHex(digest.digest()).substring(0, 16);
    }

    private void print(Meter meter, double drainMs, String hash) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("bodyBytes", bodyBytes);
        settings.put("batchCount", batchCount);
        settings.put("window", window);
        settings.put("threads", threads);
        settings.put("java", Runtime.version().toString());
        settings.put("jvmFlags", String.join(" ", ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
            .filter(flag -> flag.startsWith("-X")).toList()));
        settings.putAll(apache.settings());

        Map<String, Object> line = new LinkedHashMap<>();
        line.put("name", "apache");
        line.put("messages", meter.messages);
        line.put("seconds", meter.tookSeconds);
        line.put("rate", meter.messages / meter.tookSeconds);
        line.put("cpuUsPerMessage", meter.cpuUs / Math.max(1, meter.messages));
        long[] sorted = meter.sortedLatencies();
        line.put("p50Us", percentile(sorted, 0.5));
        line.put("p99Us", percentile(sorted, 0.99));
        line.put("p999Us", percentile(sorted, 0.999));
        line.put("maxUs", percentile(sorted, 1));
        line.put("work", Map.of("count", meter.messages, "hash", hash));
        line.put("settings", settings);
        line.put("details", Map.of("lagMiBMax", meter.lagBytesMax / 1048576.0, "drainMs", drainMs,
            "rateWithDrain", meter.messages / (meter.tookSeconds + drainMs / 1000)));
        Main.print(line);
    }

    private static double percentile(long[] sorted, double part) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] / 1000.0;
    }

    static double processCpuUs() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime()
            / 1000.0;
    }

    /** Starts to count after the warm-up, ends after the time, and keeps what each call took. */
    private final class Meter {
        final AtomicLong all = new AtomicLong();
        long messages;
        double tookSeconds;
        double cpuUs;
        long lagBytesMax;

        private long beganAt = System.nanoTime();
        private double cpuAtBegin = processCpuUs();
        private long countAtBegin;
        private long lagSeenAt;
        private long[] latencies = new long[1 << 16];
        private int latencyCount;

        Meter() {
            warm = seconds == 0 || warmUpSeconds == 0;
        }

        boolean goesOn(long count) {
            return seconds > 0 ? !over : count < countMax;
        }

        synchronized void record(long nanos) {
            if (!warm || over) {
                return;
            }
            if (latencyCount == latencies.length) {
                latencies = Arrays.copyOf(latencies, latencyCount * 2);
            }
            latencies[latencyCount++] = nanos;
        }

        synchronized void tick() {
            long now = System.nanoTime();
            if (now - lagSeenAt >= 5_000_000) {
                lagSeenAt = now;
                lagBytesMax = Math.max(lagBytesMax, apache.store.dispatchBehindBytes());
            }
            if (seconds == 0 || over || (now - beganAt) / 1e9 < (warm ? seconds : warmUpSeconds)) {
                return;
            }
            if (warm) {
                over = true;
                return;
            }
            warm = true;
            beganAt = now;
            cpuAtBegin = processCpuUs();
            countAtBegin = all.get();
        }

        void end(long endedAt) {
            messages = all.get() - countAtBegin;
            tookSeconds = (endedAt - beganAt) / 1e9;
            cpuUs = processCpuUs() - cpuAtBegin;
        }

        long[] sortedLatencies() {
            long[] sorted = Arrays.copyOf(latencies, latencyCount);
            Arrays.sort(sorted);
            return sorted;
        }
    }
}
