package clients;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * The body of a message follows from its number and its length, so whoever receives it can say whether it is intact: the
 * number in decimal, a colon, then letters, of which each is the one after the letter before it.
 */
final class Bodies {
    static byte[] of(int id, int bytes) {
        byte[] head = (id + ":").getBytes(StandardCharsets.US_ASCII);
        byte[] body = Arrays.copyOf(head, Math.max(bytes, head.length));
        for (int at = head.length; at < body.length; at++) {
            body[at] = (byte) ('a' + (id + at) % 26);
        }
        return body;
    }

    static Map<String, Object> described(byte[] body) {
        int id = idOf(body);
        Map<String, Object> described = new LinkedHashMap<>();
        described.put("id", id);
        described.put("intact", id >= 0 && Arrays.equals(body, of(id, body.length)));
        described.put("bytes", body.length);
        return described;
    }

    /** A received message, as every client of the suite describes it. */
    static Map<String, Object> described(MessageExt message) {
        Map<String, Object> described = described(message.getBody());
        described.put("topic", message.getTopic());
        described.put("broker", message.getBrokerName());
        described.put("queueId", message.getQueueId());
        described.put("queueOffset", message.getQueueOffset());
        described.put("tags", message.getTags());
        described.put("keys", message.getKeys());
        described.put("reconsumeTimes", message.getReconsumeTimes());
        described.put("uniqueId", message.getMsgId());
        described.put("bornAtMs", message.getBornTimestamp());
        described.put("storedAtMs", message.getStoreTimestamp());
        described.put("properties", message.getProperties());
        return described;
    }

    static int idOf(byte[] body) {
        int id = 0;
        for (byte digit : body) {
            if (digit == ':') {
                return id;
            }
            if (digit < '0' || digit > '9') {
                return -1;
            }
            id = id * 10 + digit - '0';
        }
        return -1;
    }
}
