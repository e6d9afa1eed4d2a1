package clients;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Sending in all modes that the client has, and asking for messages by id and key. */
final class Producers {
    private static final int ASYNC_IN_FLIGHT = 64;
    private static final int BATCH = 10;
    private static final int SMALL_BODY = 64;

    private final Map<String, DefaultMQProducer> producers = new ConcurrentHashMap<>();
    private final Journal journal;
    private final Commands owner;

    Producers(Journal journal, Commands owner) {
        this.journal = journal;
        this.owner = owner;
    }

    void addTo(Map<String, Commands.Command> commands) {
        commands.put("producer", this::start);
        commands.put("send", this::send);
        commands.put("view", call -> Bodies.described(of(call).viewMessage(call.text("topic"), call.text("id"))));
        commands.put("queryKey", this::queryKey);
        commands.put("recall", call -> Recalls.recall(of(call), call.text("topic"), call.text("handle")));
        commands.put("queues", call -> of(call).fetchPublishMessageQueues(call.text("topic")).size());
    }

    DefaultMQProducer of(Arguments call) {
        return named(call.text("as"));
    }

    DefaultMQProducer named(String as) {
        return producers.get(as);
    }

    private Object start(Arguments call) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(call.text("group", "producers"));
        owner.configure(producer, call, producer::shutdown);
        producer.setSendMsgTimeout(call.number("timeoutMs", Commands.TIMEOUT_MS));
        producer.start();
        producers.put(call.text("as"), producer);
        return null;
    }

    private Object send(Arguments call) throws Exception {
        String mode = call.text("mode", "sync");
        int from = call.number("from", 0);
        int count = call.number("count", 1);
        switch (mode) {
            case "async":
                sendAsync(call, from, count);
                break;
            case "batch":
                sendBatches(call, from, count);
                break;
            default:
                for (int id = from; id < from + count; id++) {
                    sendOne(call, mode, id);
                    Thread.sleep(call.number("everyMs", 0));
                }
        }
        return null;
    }

    private void sendOne(Arguments call, String mode, int id) throws Exception {
        DefaultMQProducer producer = of(call);
        Message message = message(call, id);
        String by = call.text("as");
        try {
            switch (mode) {
                case "sync":
                    journal.sent(by, id, producer.send(message));
                    break;
                case "oneway":
                    producer.sendOneway(message);
                    journal.line("event", "thrown", "by", by, "id", id);
                    break;
                case "queue":
                    journal.sent(by, id, producer.send(message, queue(call)));
                    break;
                case "selector":
                    // What shares a remainder keeps its order: the same queue.
                    journal.sent(by, id, producer.send(message, (queues, m, key) -> byKey(queues, (int) key), id));
                    break;
                default:
                    throw new IllegalArgumentException("no mode is called " + mode);
            }
        } catch (IllegalArgumentException error) {
            throw error;
        } catch (Exception error) {
            journal.unsent(by, id, error);
        }
    }

    private static MessageQueue byKey(List<MessageQueue> queues, int key) {
        return queues.get(key % queues.size());
    }

    private static MessageQueue queue(Arguments call) {
        return new MessageQueue(call.text("topic"), call.text("broker"), call.number("queueId"));
    }

    private void sendAsync(Arguments call, int from, int count) throws Exception {
        String by = call.text("as");
        Semaphore room = new Semaphore(ASYNC_IN_FLIGHT);
        for (int id = from; id < from + count; id++) {
            int number = id;
            room.acquire();
            try {
                of(call).send(message(call, id), new SendCallback() {
                    @Override
                    public void onSuccess(SendResult result) {
                        journal.sent(by, number, result);
                        room.release();
                    }

                    @Override
                    public void onException(Throwable error) {
                        journal.unsent(by, number, error);
                        room.release();
                    }
                });
            } catch (Exception error) {
                journal.unsent(by, number, error);
                room.release();
            }
        }
        room.acquire(ASYNC_IN_FLIGHT);
    }

    /** One answer for all messages of a batch: the offset of the first, and ids joined with commas. */
    private void sendBatches(Arguments call, int from, int count) throws Exception {
        int size = call.number("batch", BATCH);
        for (int first = from; first < from + count; first += size) {
            Collection<Message> messages = new ArrayList<>();
            for (int id = first; id < Math.min(first + size, from + count); id++) {
                messages.add(message(call, id));
            }
            try {
                SendResult result = of(call).send(messages);
                journal.line("event", "sentBatch", "by", call.text("as"), "from", first, "count", messages.size(),
                    "topic", result.getMessageQueue().getTopic(), "broker", result.getMessageQueue().getBrokerName(),
                    "queueId", result.getMessageQueue().getQueueId(), "queueOffset", result.getQueueOffset(),
                    "status", result.getSendStatus().name(), "offsetId", result.getOffsetMsgId());
            } catch (Exception error) {
                journal.unsent(call.text("as"), first, error);
            }
        }
    }

    static Message message(Arguments call, int id) {
        Message message = new Message(call.text("topic"), Bodies.of(id, call.number("bytes", SMALL_BODY)));
        List<String> tags = call.texts("tags");
        if (!tags.isEmpty() && tags.get(id % tags.size()) != null) {
            message.setTags(tags.get(id % tags.size()));
        }
        if (call.on("keys")) {
            message.setKeys("key-" + id);
        }
        Delays.set(message, call, id);
        call.lists("properties").forEach((name, values) -> {
            String value = values.get(id % values.size());
            if (value != null) {
                message.putUserProperty(name, value);
            }
        });
        return message;
    }

    private Object queryKey(Arguments call) throws Exception {
        QueryResult found = of(call).queryMessage(call.text("topic"), call.text("key"), call.number("max", 32),
            call.instant("begin", 0), call.instant("end", Long.MAX_VALUE));
        List<Object> messages = new ArrayList<>();
        for (MessageExt message : found.getMessageList()) {
            messages.add(Bodies.described(message));
        }
        return messages;
    }
}
