package apachestore;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.FlushDiskType;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * Apache RocketMQ's {@code DefaultMessageStore}, opened as a broker opens it, with the settings of the command line and its
 * own defaults for everything else.
 *
 * <p>What differs from a broker: no port is announced (the replication port is any free one), retention never deletes
 * (a test must not depend on how full the disk is), and no hook rewrites messages.
 */
final class ApacheStore {
    private static final int SEGMENT_BYTES_DEFAULT = 1 << 30;

    final DefaultMessageStore store;
    final MessageStoreConfig config;
    final double loadMs;
    final double startMs;

    ApacheStore(Flags flags) throws Exception {
        config = config(flags);
        flags.refuseOthers();
        BrokerConfig broker = new BrokerConfig();
        store = new DefaultMessageStore(config, new BrokerStatsManager(broker),
            (topic, queueId, offset, tagsCode, time, bits, properties) -> { }, broker, new ConcurrentHashMap<>());
        long began = System.nanoTime();
        if (!store.load()) {
            throw new IllegalStateException("Apache RocketMQ's store refused to load the directory");
        }
        long loaded = System.nanoTime();
        store.start();
        loadMs = (loaded - began) / 1e6;
        startMs = (System.nanoTime() - loaded) / 1e6;
    }

    private static MessageStoreConfig config(Flags flags) {
        MessageStoreConfig config = new MessageStoreConfig();
        Path root = Path.of(flags.text("dir")).toAbsolutePath();
        config.setStorePathRootDir(root.toString());
        config.setStorePathCommitLog(root.resolve("commitlog").toString());
        config.setMappedFileSizeCommitLog(flags.number("segment-bytes", config.getMappedFileSizeCommitLog()));
        if (config.getMappedFileSizeCommitLog() < SEGMENT_BYTES_DEFAULT) {
            // From 5.5 on recovery goes back no more than ten segments: of the small ones of a test that would be nothing.
            Properties properties = new Properties();
            properties.setProperty("commitLogRecoverMaxNum", String.valueOf(Integer.MAX_VALUE));
            MixAll.properties2Object(properties, config); // Older releases do not know it and ignore it.
        }
        config.setMappedFileSizeConsumeQueue(flags.number("queue-file-bytes", config.getMappedFileSizeConsumeQueue()));
        config.setMaxHashSlotNum(flags.number("index-slots", config.getMaxHashSlotNum()));
        config.setMaxIndexNum(flags.number("index-items", config.getMaxIndexNum()));
        config.setMessageIndexSafe(flags.on("index-safe"));
        config.setEnabledAppendPropCRC(flags.on("record-checksum"));
        config.setTransientStorePoolEnable(flags.on("transient-pool"));
        String flush = flags.text("flush", "async");
        config.setFlushDiskType(switch (flush) {
            case "async" -> FlushDiskType.ASYNC_FLUSH;
            case "sync" -> FlushDiskType.SYNC_FLUSH;
            default -> throw new IllegalArgumentException("--flush is async or sync, not " + flush);
        });
        config.setHaListenPort(0);
        config.setFileReservedTime(24 * 365);
        config.setDiskMaxUsedSpaceRatio(99);
        config.setCleanFileForciblyEnable(false);
        config.setTimerWheelEnable(false);
        return config;
    }

    /** What decides speed, as the store really uses it. */
    Map<String, Object> settings() {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("flushDiskType", config.getFlushDiskType().name());
        settings.put("mappedFileSizeCommitLog", config.getMappedFileSizeCommitLog());
        settings.put("mappedFileSizeConsumeQueue", config.getMappedFileSizeConsumeQueue());
        settings.put("messageIndexEnable", config.isMessageIndexEnable());
        settings.put("transientStorePoolEnable", config.isTransientStorePoolEnable());
        settings.put("warmMapedFileEnable", config.isWarmMapedFileEnable());
        settings.put("useReentrantLockWhenPutMessage", config.isUseReentrantLockWhenPutMessage());
        settings.put("flushIntervalCommitLog", config.getFlushIntervalCommitLog());
        settings.put("flushCommitLogLeastPages", config.getFlushCommitLogLeastPages());
        settings.put("flushCommitLogThoroughInterval", config.getFlushCommitLogThoroughInterval());
        settings.put("putConsumeQueueDataByFileChannel", config.isPutConsumeQueueDataByFileChannel());
        settings.put("enableBuildConsumeQueueConcurrently", config.isEnableBuildConsumeQueueConcurrently());
        return settings;
    }

    /** Waits until consume queues and index hold everything appended. */
    void awaitDispatch() throws InterruptedException {
        while (store.dispatchBehindBytes() > 0) {
            Thread.sleep(1);
        }
    }

    /** Ends the process: Apache's store leaves threads behind, so returning from main would not. */
    void end(boolean halt) throws InterruptedException {
        Main.flush();
        if (halt) {
            Runtime.getRuntime().halt(Main.HALTED);
        }
        awaitDispatch();
        store.shutdown();
        System.exit(0);
    }
}
