package clients;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The old consumer that pulls from one queue at an offset, and asks for offsets. */
@SuppressWarnings("deprecation")
final class Pulls {
    private final Map<String, DefaultMQPullConsumer> consumers = new ConcurrentHashMap<>();
    private final Commands owner;

    Pulls(Commands owner) {
        this.owner = owner;
    }

    void addTo(Map<String, Commands.Command> commands) {
        commands.put("pullConsumer", this::start);
        commands.put("pull", this::pull);
        commands.put("offsets", this::offsets);
        commands.put("updateOffset", call -> {
            of(call).updateConsumeOffset(queueOf(call), call.instant("offset", 0));
            of(call).getDefaultMQPullConsumerImpl().getOffsetStore().persist(queueOf(call));
            return null;
        });
        commands.put("fetchOffset", call -> of(call).fetchConsumeOffset(queueOf(call), true));
    }

    private DefaultMQPullConsumer of(Arguments call) {
        return consumers.get(call.text("as"));
    }

    private Object start(Arguments call) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(call.text("group"));
        owner.configure(consumer, call, consumer::shutdown);
        consumer.start();
        consumers.put(call.text("as"), consumer);
        return null;
    }

    private Object pull(Arguments call) throws Exception {
        DefaultMQPullConsumer consumer = of(call);
        MessageQueue queue = queueOf(call);
        String tags = call.text("tags", "*");
        long offset = call.instant("offset", 0);
        int max = call.number("max", 32);
        PullResult pulled = call.on("waits") ? consumer.pullBlockIfNotFound(queue, tags, offset, max)
            : consumer.pull(queue, tags, offset, max);
        List<Object> messages = new ArrayList<>();
        if (pulled.getMsgFoundList() != null) {
            for (MessageExt message : pulled.getMsgFoundList()) {
                messages.add(Bodies.described(message));
            }
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("status", pulled.getPullStatus().name());
        result.put("next", pulled.getNextBeginOffset());
        result.put("min", pulled.getMinOffset());
        result.put("max", pulled.getMaxOffset());
        result.put("messages", messages);
        return result;
    }

    private Object offsets(Arguments call) throws Exception {
        DefaultMQPullConsumer consumer = of(call);
        List<Object> all = new ArrayList<>();
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(call.text("topic"))) {
            Map<String, Object> offsets = new LinkedHashMap<>();
            offsets.put("broker", queue.getBrokerName());
            offsets.put("queueId", queue.getQueueId());
            offsets.put("min", consumer.minOffset(queue));
            offsets.put("max", consumer.maxOffset(queue));
            if (call.has("timestamp")) {
                offsets.put("at", consumer.searchOffset(queue, call.instant("timestamp", 0)));
            }
            offsets.put("earliestStoredMs", consumer.earliestMsgStoreTime(queue));
            all.add(offsets);
        }
        return all;
    }

    private static MessageQueue queueOf(Arguments call) {
        return new MessageQueue(call.text("topic"), call.text("broker"), call.number("queueId"));
    }
}
