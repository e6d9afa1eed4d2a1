package clients;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.PrintStream;
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
        synchronized (out) {
            out.println(gson.toJson(line));
            out.flush();
        }
    }

    void sent(String by, int id, SendResult result) {
        line("event", "sent", "by", by, "id", id, "topic", result.getMessageQueue().getTopic(),
            "broker", result.getMessageQueue().getBrokerName(), "queueId", result.getMessageQueue().getQueueId(),
            "queueOffset", result.getQueueOffset(), "status", result.getSendStatus().name(),
            "uniqueId", result.getMsgId(), "offsetId", result.getOffsetMsgId());
    }

    void unsent(String by, int id, Throwable error) {
        line("event", "unsent", "by", by, "id", id, "error", told(error));
    }

    /** With all its causes: the client hides the code of the broker in them. */
    static String told(Throwable error) {
        return error.getCause() == null ? String.valueOf(error) : error + "; because " + told(error.getCause());
    }

    void consumed(String by, List<MessageExt> messages) {
        for (MessageExt message : messages) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("event", "consumed");
            line.put("by", by);
            line.putAll(Bodies.described(message));
            line(line.entrySet().stream().flatMap(e -> java.util.stream.Stream.of(e.getKey(), e.getValue())).toArray());
        }
    }
}
