package clients;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.PrintStream;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;

/** What clients did, one JSON line for each event, in the order in which it happened. A line is out when the call returns. */
final class Journal {
    private final Gson gson = new GsonBuilder().disableHtmlEscaping().create();
    private final PrintStream out;

    Journal(PrintStream out) {
        this.out = out;
    }

    /** Names and values in turn. */
    void line(Object... namesAndValues) {
        Map<String, Object> line = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            line.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        line(line);
    }

    void line(Map<String, Object> line) {
        synchronized (out) {
            out.println(gson.toJson(line));
            out.flush();
        }
    }

    /** Of the clock that all processes of the machine share: lines of two of them come in any order. */
    static long nowUs() {
        return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
    }

    void sent(String by, int id, SendResult result) {
        line("event", "sent", "by", by, "id", id, "topic", result.getMessageQueue().getTopic(),
            "broker", result.getMessageQueue().getBrokerName(), "queueId", result.getMessageQueue().getQueueId(),
            "queueOffset", result.getQueueOffset(), "status", result.getSendStatus().name(),
            "uniqueId", result.getMsgId(), "offsetId", result.getOffsetMsgId(),
            "recallHandle", Recalls.handleOf(result));
    }

    void unsent(String by, int id, Throwable error) {
        line("event", "unsent", "by", by, "id", id, "error", told(error));
    }

    /** With all its causes: the client hides the code of the broker in them. */
    static String told(Throwable error) {
        return error.getCause() == null ? String.valueOf(error) : error + "; because " + told(error.getCause());
    }

    /** {@code outcome}: what the listener is going to say. */
    void consumed(String by, List<MessageExt> messages, String outcome) {
        for (MessageExt message : messages) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("event", "consumed");
            line.put("by", by);
            line.put("outcome", outcome);
            line.put("us", nowUs());
            line.putAll(Bodies.described(message));
            line(line);
        }
    }
}
