package clients;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages to which their consumer replies, and the replies. A reply has the number of its request. */
final class Requests {
    private static final int REPLY_BYTES = 32;
    private static final int REPLY_TIMEOUT_MS = 3000;

    private final Journal journal;
    private final Producers producers;

    Requests(Journal journal, Producers producers) {
        this.journal = journal;
        this.producers = producers;
    }

    void addTo(Map<String, Commands.Command> commands) {
        commands.put("request", this::request);
    }

    private Object request(Arguments call) throws Exception {
        int from = call.number("from", 0);
        int count = call.number("count", 1);
        long timeoutMs = call.number("timeoutMs", 3000);
        DefaultMQProducer producer = producers.of(call);
        CountDownLatch left = new CountDownLatch(count);
        for (int id = from; id < from + count; id++) {
            if (call.text("mode", "sync").equals("async")) {
                requestAsync(call, producer, id, timeoutMs, left);
                continue;
            }
            try {
                answered(call, id, producer.request(Producers.message(call, id), timeoutMs));
            } catch (Exception error) {
                unanswered(call, id, error);
            }
            left.countDown();
        }
        left.await();
        return null;
    }

    private void requestAsync(Arguments call, DefaultMQProducer producer, int id, long timeoutMs, CountDownLatch left)
        throws Exception {
        producer.request(Producers.message(call, id), new RequestCallback() {
            @Override
            public void onSuccess(Message reply) {
                answered(call, id, reply);
                left.countDown();
            }

            @Override
            public void onException(Throwable error) {
                unanswered(call, id, error);
                left.countDown();
            }
        }, timeoutMs);
    }

    private void answered(Arguments call, int id, Message reply) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("event", "answered");
        line.put("by", call.text("as"));
        line.put("id", id);
        line.put("reply", Bodies.described(reply.getBody()));
        journal.line(line);
    }

    private void unanswered(Arguments call, int id, Throwable error) {
        journal.line("event", "unanswered", "by", call.text("as"), "id", id, "error", Journal.told(error));
    }

    /** By a producer of the same process; whether the reply was taken stands in the journal. */
    static void reply(Journal journal, String by, DefaultMQProducer producer, MessageExt request) {
        int id = Bodies.idOf(request.getBody());
        try {
            Message reply = MessageUtil.createReplyMessage(request, Bodies.of(id, REPLY_BYTES));
            journal.line("event", "replied", "by", by, "id", id,
                "status", producer.send(reply, REPLY_TIMEOUT_MS).getSendStatus().name());
        } catch (Exception error) {
            journal.line("event", "unreplied", "by", by, "id", id, "error", Journal.told(error));
        }
    }
}
