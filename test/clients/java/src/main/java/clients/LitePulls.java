package clients;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers that poll, over queues they share with their group or have chosen themselves. */
final class LitePulls {
    private final Map<String, DefaultLitePullConsumer> consumers = new ConcurrentHashMap<>();
    private final Commands owner;

    LitePulls(Commands owner) {
        this.owner = owner;
    }

    void addTo(Map<String, Commands.Command> commands) {
        commands.put("litePull", this::start);
        commands.put("poll", this::poll);
        commands.put("seek", this::seek);
        commands.put("commit", call -> {
            of(call).commitSync();
            return null;
        });
        commands.put("committed", this::committed);
        commands.put("offsetForTimestamp", call ->
            of(call).offsetForTimestamp(queueOf(call), call.instant("timestamp", 0)));
    }

    private DefaultLitePullConsumer of(Arguments call) {
        return consumers.get(call.text("as"));
    }

    private Object start(Arguments call) throws Exception {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(call.text("group"));
        owner.configure(consumer, call, consumer::shutdown);
        consumer.setConsumeFromWhere(ConsumeFromWhere.valueOf(call.text("from", "CONSUME_FROM_FIRST_OFFSET")));
        consumer.setAutoCommit(call.on("autoCommit"));
        String topic = call.text("topic");
        if (call.on("assign")) {
            consumer.start();
            consumer.assign(consumer.fetchMessageQueues(topic));
        } else {
            consumer.subscribe(topic, call.text("tags", "*"));
            consumer.start();
        }
        consumers.put(call.text("as"), consumer);
        return null;
    }

    private Object poll(Arguments call) {
        List<Object> messages = new ArrayList<>();
        for (MessageExt message : of(call).poll(call.number("timeoutMs", 1000))) {
            messages.add(Bodies.described(message));
        }
        return messages;
    }

    private Object seek(Arguments call) throws Exception {
        String to = call.text("to");
        for (MessageQueue queue : of(call).fetchMessageQueues(call.text("topic"))) {
            if (call.has("queueId") && call.number("queueId") != queue.getQueueId()) {
                continue;
            }
            switch (to) {
                case "begin":
                    of(call).seekToBegin(queue);
                    break;
                case "end":
                    of(call).seekToEnd(queue);
                    break;
                default:
                    of(call).seek(queue, Long.parseLong(to));
            }
        }
        return null;
    }

    private MessageQueue queueOf(Arguments call) throws Exception {
        for (MessageQueue queue : of(call).fetchMessageQueues(call.text("topic"))) {
            if (queue.getQueueId() == call.number("queueId")) {
                return queue;
            }
        }
        throw new IllegalArgumentException("no such queue");
    }

    private Object committed(Arguments call) throws Exception {
        Map<String, Object> offsets = new TreeMap<>();
        for (MessageQueue queue : of(call).fetchMessageQueues(call.text("topic"))) {
            offsets.put(String.valueOf(queue.getQueueId()), of(call).committed(queue));
        }
        return offsets;
    }
}
