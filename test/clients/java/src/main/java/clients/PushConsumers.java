package clients;

import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;

/** Consumers that are handed their messages, and write down each. */
final class PushConsumers {
    private static final int THREADS = 4;

    private final Journal journal;
    private final Commands owner;

    PushConsumers(Journal journal, Commands owner) {
        this.journal = journal;
        this.owner = owner;
    }

    void addTo(Map<String, Commands.Command> commands) {
        commands.put("push", this::start);
    }

    private Object start(Arguments call) throws Exception {
        String by = call.text("as");
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(call.text("group"));
        owner.configure(consumer, call, consumer::shutdown);
        consumer.setConsumeThreadMin(call.number("threads", THREADS));
        consumer.setConsumeThreadMax(call.number("threads", THREADS));
        consumer.setConsumeFromWhere(ConsumeFromWhere.valueOf(call.text("from", "CONSUME_FROM_FIRST_OFFSET")));
        if (call.has("timestamp")) {
            consumer.setConsumeTimestamp(call.text("timestamp"));
        }
        if (call.on("broadcasting")) {
            Enums.set(consumer, "setMessageModel", "BROADCASTING");
        }
        if (call.has("sql")) {
            consumer.subscribe(call.text("topic"), MessageSelector.bySql(call.text("sql")));
        } else {
            consumer.subscribe(call.text("topic"), call.text("tags", "*"));
        }
        if (call.on("orderly")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                journal.consumed(by, messages);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                journal.consumed(by, messages);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        consumer.start();
        return null;
    }
}
