package apachestore;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.remoting.protocol.DataVersion;
import org.apache.rocketmq.remoting.protocol.subscription.CustomizedRetryPolicy;
import org.apache.rocketmq.remoting.protocol.subscription.ExponentialRetryPolicy;
import org.apache.rocketmq.remoting.protocol.subscription.GroupRetryPolicy;
import org.apache.rocketmq.remoting.protocol.subscription.GroupRetryPolicyType;
import org.apache.rocketmq.remoting.protocol.subscription.SimpleSubscriptionData;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/**
 * The tables that a broker of Apache RocketMQ keeps in {@code config/}, through its own managers: {@code list-tables} loads
 * and prints them, {@code write-tables} loads, changes and saves them. No broker is started.
 */
final class Tables {
    private final BrokerController broker;

    private Tables(Flags flags) {
        BrokerConfig brokerConfig = new BrokerConfig();
        brokerConfig.setBrokerName(flags.text("broker-name"));
        MessageStoreConfig storeConfig = new MessageStoreConfig();
        storeConfig.setStorePathRootDir(Path.of(flags.text("dir")).toAbsolutePath().toString());
        flags.refuseOthers();
        broker = new BrokerController(brokerConfig, new NettyServerConfig(), new NettyClientConfig(), storeConfig);
        boolean loaded = broker.getTopicConfigManager().load()
            && broker.getSubscriptionGroupManager().load()
            && broker.getConsumerOffsetManager().load();
        if (!loaded) {
            throw new IllegalStateException("Apache RocketMQ's managers refused to load config/");
        }
    }

    static void list(Flags flags) {
        new Tables(flags).print();
        end();
    }

    static void write(Flags flags) {
        Tables tables = new Tables(flags);
        tables.change();
        tables.print();
        end();
    }

    /** Some of the broker's threads would keep the process alive. */
    private static void end() {
        Main.flush();
        Runtime.getRuntime().halt(0);
    }

    /** One of everything that the files can hold, beside what is there. */
    private void change() {
        TopicConfig topic = new TopicConfig("apache-topic", 3, 5, 4);
        topic.setOrder(true);
        topic.setTopicSysFlag(2);
        topic.setAttributes(new HashMap<>(Map.of("+message.type", "FIFO", "+queue.type", "SimpleCQ")));
        broker.getTopicConfigManager().updateTopicConfig(topic);
        broker.getTopicConfigManager().createTopicIfAbsent(new TopicConfig("%RETRY%apache-group", 1, 1, 6), false);
        broker.getTopicConfigManager().deleteTopicConfig("varve-deleted-by-apache");

        SubscriptionGroupConfig group = new SubscriptionGroupConfig();
        group.setGroupName("apache-group");
        group.setConsumeEnable(false);
        group.setConsumeFromMinEnable(false);
        group.setConsumeBroadcastEnable(false);
        group.setConsumeMessageOrderly(true);
        group.setRetryQueueNums(2);
        group.setRetryMaxTimes(7);
        group.setBrokerId(1);
        group.setWhichBrokerWhenConsumeSlowly(2);
        group.setNotifyConsumerIdsChangedEnable(false);
        group.setGroupSysFlag(1);
        group.setConsumeTimeoutMinute(3);
        group.setSubscriptionDataSet(Set.of(new SimpleSubscriptionData("apache-topic", "TAG", "a || b", 12)));
        GroupRetryPolicy policy = new GroupRetryPolicy();
        policy.setType(GroupRetryPolicyType.EXPONENTIAL);
        policy.setExponentialRetryPolicy(new ExponentialRetryPolicy(1000, 60000, 3));
        policy.setCustomizedRetryPolicy(new CustomizedRetryPolicy(new long[] {1, 2, 3}));
        group.setGroupRetryPolicy(policy);
        broker.getSubscriptionGroupManager().updateSubscriptionGroupConfig(group);
        broker.getSubscriptionGroupManager().setForbidden("apache-group", "apache-topic", 2);

        broker.getConsumerOffsetManager().commitOffset("here", "apache-group", "apache-topic", 0, 1L << 40);
        broker.getConsumerOffsetManager().commitOffset("here", "apache-group", "apache-topic", 11, 0);
        broker.getConsumerOffsetManager().commitOffset("here", "apache-group", "%RETRY%apache-group", 0, 3);
        broker.getConsumerOffsetManager().persist();
    }

    private void print() {
        Map<String, TopicConfig> topics = broker.getTopicConfigManager().getTopicConfigTable();
        for (TopicConfig topic : new TreeMap<>(topics).values()) {
            print("topic", topicFields(topic));
        }
        var groups = broker.getSubscriptionGroupManager();
        for (SubscriptionGroupConfig group : new TreeMap<>(groups.getSubscriptionGroupTable()).values()) {
            print("group", groupFields(group));
        }
        new TreeMap<>(groups.getForbiddenTable()).forEach((group, masks) ->
            new TreeMap<>(masks).forEach((topic, mask) ->
                print("forbidden", Map.of("group", group, "topic", topic, "mask", mask))));
        new TreeMap<>(broker.getConsumerOffsetManager().getOffsetTable()).forEach((key, offsets) ->
            new TreeMap<>(offsets).forEach((queueId, offset) ->
                print("offset", Map.of("key", key, "queueId", queueId, "offset", offset))));
        print("version", versionFields("topics", broker.getTopicConfigManager().getDataVersion()));
        print("version", versionFields("groups", groups.getDataVersion()));
        print("version", versionFields("offsets", broker.getConsumerOffsetManager().getDataVersion()));
    }

    private static void print(String kind, Map<String, Object> fields) {
        Map<String, Object> line = new TreeMap<>(fields);
        line.put("kind", kind);
        Main.print(line);
    }

    private static Map<String, Object> topicFields(TopicConfig topic) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("attributes", new TreeMap<>(topic.getAttributes()));
        fields.put("order", topic.isOrder());
        fields.put("perm", topic.getPerm());
        fields.put("readQueueNums", topic.getReadQueueNums());
        fields.put("topicFilterType", topic.getTopicFilterType().name());
        fields.put("topicName", topic.getTopicName());
        fields.put("topicSysFlag", topic.getTopicSysFlag());
        fields.put("writeQueueNums", topic.getWriteQueueNums());
        return fields;
    }

    private static Map<String, Object> groupFields(SubscriptionGroupConfig group) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("attributes", new TreeMap<>(group.getAttributes()));
        fields.put("brokerId", group.getBrokerId());
        fields.put("consumeBroadcastEnable", group.isConsumeBroadcastEnable());
        fields.put("consumeEnable", group.isConsumeEnable());
        fields.put("consumeFromMinEnable", group.isConsumeFromMinEnable());
        fields.put("consumeMessageOrderly", group.isConsumeMessageOrderly());
        fields.put("consumeTimeoutMinute", group.getConsumeTimeoutMinute());
        fields.put("groupName", group.getGroupName());
        fields.put("groupRetryPolicy", policyFields(group.getGroupRetryPolicy()));
        fields.put("groupSysFlag", group.getGroupSysFlag());
        fields.put("notifyConsumerIdsChangedEnable", group.isNotifyConsumerIdsChangedEnable());
        fields.put("retryMaxTimes", group.getRetryMaxTimes());
        fields.put("retryQueueNums", group.getRetryQueueNums());
        fields.put("whichBrokerWhenConsumeSlowly", group.getWhichBrokerWhenConsumeSlowly());
        List<Object> subscriptions = new ArrayList<>();
        if (group.getSubscriptionDataSet() != null) {
            for (SimpleSubscriptionData one : group.getSubscriptionDataSet()) {
                subscriptions.add(new TreeMap<>(Map.of("expression", one.getExpression(),
                    "expressionType", one.getExpressionType(), "topic", one.getTopic(), "version", one.getVersion())));
            }
        }
        fields.put("subscriptionDataSet", subscriptions);
        return fields;
    }

    private static Map<String, Object> policyFields(GroupRetryPolicy policy) {
        Map<String, Object> fields = new TreeMap<>(Map.of("type", policy.getType().name()));
        if (policy.getCustomizedRetryPolicy() != null) {
            fields.put("customizedRetryPolicy", Map.of("next", policy.getCustomizedRetryPolicy().getNext()));
        }
        if (policy.getExponentialRetryPolicy() != null) {
            ExponentialRetryPolicy one = policy.getExponentialRetryPolicy();
            fields.put("exponentialRetryPolicy", new TreeMap<>(
                Map.of("initial", one.getInitial(), "max", one.getMax(), "multiplier", one.getMultiplier())));
        }
        return fields;
    }

    private static Map<String, Object> versionFields(String table, DataVersion version) {
        return Map.of("table", table, "counter", version.getCounter().get(), "stateVersion", version.getStateVersion());
    }
}
