package clients;

import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/** Consumers that are handed their messages, and write down each. */
final class PushConsumers {
    private static final int THREADS = 4;
    /** Whoever keeps an order gives its queues away only when its listeners are through. */
    private static final int ORDERLY_STOP_MS = 5000;

    private final Journal journal;
    private final Commands owner;
    private final Producers producers;

    PushConsumers(Journal journal, Commands owner, Producers producers) {
        this.journal = journal;
        this.owner = owner;
        this.producers = producers;
    }

    void addTo(Map<String, Commands.Command> commands) {
        commands.put("push", this::start);
    }

    private Object start(Arguments call) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(call.text("group"));
        owner.configure(consumer, call, consumer::shutdown);
        consumer.setConsumeThreadMin(call.number("threads", THREADS));
        consumer.setConsumeThreadMax(call.number("threads", THREADS));
        consumer.setConsumeFromWhere(ConsumeFromWhere.valueOf(call.text("from", "CONSUME_FROM_FIRST_OFFSET")));
        consumer.setMaxReconsumeTimes(call.number("maxReconsumeTimes", consumer.getMaxReconsumeTimes()));
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
            consumer.setAwaitTerminationMillisWhenShutdown(ORDERLY_STOP_MS);
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                if (handle(call, messages)) {
                    return ConsumeOrderlyStatus.SUCCESS;
                }
                context.setSuspendCurrentQueueTimeMillis(call.number("suspendMs", -1));
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                if (handle(call, messages)) {
                    return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
                }
                context.setDelayLevelWhenNextConsume(call.number("delayLevel", 0));
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        }
        consumer.start();
        return null;
    }

    /**
     * One at a time, as consumers are set up. False for one that is to fail: {@code failures} says how often, by number.
     * With {@code handled} its end stands in the journal, too.
     */
    private boolean handle(Arguments call, List<MessageExt> messages) {
        String by = call.text("as");
        MessageExt message = messages.get(0);
        int id = Bodies.idOf(message.getBody());
        List<String> failures = call.texts("failures");
        boolean fails = !failures.isEmpty()
            && message.getReconsumeTimes() < Integer.parseInt(failures.get(Math.floorMod(id, failures.size())));
        journal.consumed(by, messages, fails ? "failed" : "done");
        pause(call.number("takesMs", 0));
        if (call.has("replyBy")) {
            List<String> afterMs = call.texts("repliesAfterMs");
            pause(afterMs.isEmpty() ? 0 : Integer.parseInt(afterMs.get(Math.floorMod(id, afterMs.size()))));
            Requests.reply(journal, by, producers.named(call.text("replyBy")), message);
        }
        if (call.on("handled")) {
            journal.line("event", "handled", "by", by, "id", id, "topic", message.getTopic(), "us", Journal.nowUs());
        }
        return !fails;
    }

    private static void pause(int ms) {
        try {
            if (ms > 0) {
                Thread.sleep(ms);
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
