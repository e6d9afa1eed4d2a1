package clients;

import com.google.gson.JsonObject;
import java.util.Map;
import org.apache.rocketmq.common.message.Message;

/** Messages that are to be delivered later. What the older release has no method for it sends as the properties that it is. */
final class Delays {
    /** {@code delays} are what messages take in turn, by number: {@code {"level": 3}}, {@code {"afterMs": 2500}}, or nothing. */
    static void set(Message message, Arguments call, int id) {
        JsonObject delay = call.inTurn("delays", id);
        for (Map.Entry<String, ?> entry : delay.asMap().entrySet()) {
            long value = delay.get(entry.getKey()).getAsLong();
            switch (entry.getKey()) {
                case "level":
                    message.setDelayTimeLevel((int) value);
                    break;
                case "seconds":
                    set(message, "setDelayTimeSec", "TIMER_DELAY_SEC", value);
                    break;
                case "ms":
                    set(message, "setDelayTimeMs", "TIMER_DELAY_MS", value);
                    break;
                case "afterMs":
                    set(message, "setDeliverTimeMs", "TIMER_DELIVER_MS", System.currentTimeMillis() + value);
                    break;
                default:
                    throw new IllegalArgumentException("no delay is called " + entry.getKey());
            }
        }
    }

    private static void set(Message message, String setter, String property, long value) {
        try {
            Message.class.getMethod(setter, long.class).invoke(message, value);
        } catch (NoSuchMethodException older) {
            message.putUserProperty(property, String.valueOf(value));
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }
}
