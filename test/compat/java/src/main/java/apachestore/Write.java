package apachestore;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONArray;
import com.alibaba.fastjson2.JSONObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.store.AppendMessageResult;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.PutMessageStatus;

/**
 * Appends what a plan says (plan.mjs describes it) and prints one line for each step as soon as the store has
 * acknowledged it. {@code --end clean | halt | halt-dispatched}: the halts leave everything as kill -9 does.
 */
final class Write {
    private Write() {
    }

    static void run(Flags flags) throws Exception {
        Path plan = Path.of(flags.text("plan"));
        String end = flags.text("end", "clean");
        if (!List.of("clean", "halt", "halt-dispatched").contains(end)) {
            throw new IllegalArgumentException("--end is clean, halt or halt-dispatched, not " + end);
        }
        ApacheStore apache = new ApacheStore(flags);
        try (BufferedReader lines = Files.newBufferedReader(plan)) {
            int step = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                put(apache, JSON.parseObject(line), step++);
            }
        }
        if (end.equals("halt-dispatched")) {
            apache.awaitDispatch();
        }
        apache.end(!end.equals("clean"));
    }

    private static void put(ApacheStore apache, JSONObject planned, int step) throws IOException {
        JSONArray messages = planned.getJSONArray("messages");
        PutMessageResult result = planned.getBooleanValue("batch")
            ? apache.store.putMessages(batch(messages))
            : apache.store.putMessage(single(messages.getJSONObject(0)));
        if (result.getPutMessageStatus() != PutMessageStatus.PUT_OK) {
            throw new IllegalStateException("step " + step + " of the plan: " + result);
        }
        AppendMessageResult appended = result.getAppendMessageResult();
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("kind", "put");
        line.put("step", step);
        line.put("physicalOffset", appended.getWroteOffset());
        line.put("queueOffset", appended.getLogicsOffset());
        line.put("sizeBytes", appended.getWroteBytes());
        line.put("id", appended.getMsgId());
        Main.print(line);
        Main.flush();
    }

    private static MessageExtBrokerInner single(JSONObject planned) throws IOException {
        MessageExtBrokerInner message = new MessageExtBrokerInner();
        fillHead(message, planned);
        message.setFlag(planned.getIntValue("flag"));
        message.setBody(body(planned));
        MessageAccessor.setProperties(message, properties(planned));
        message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
        return message;
    }

    private static MessageExtBatch batch(JSONArray planned) throws IOException {
        List<Message> inner = new ArrayList<>();
        for (int i = 0; i < planned.size(); i++) {
            JSONObject one = planned.getJSONObject(i);
            Message message = new Message(one.getString("topic"), body(one));
            message.setFlag(one.getIntValue("flag"));
            MessageAccessor.setProperties(message, properties(one));
            inner.add(message);
        }
        MessageExtBatch batch = new MessageExtBatch();
        fillHead(batch, planned.getJSONObject(0));
        batch.setBody(MessageDecoder.encodeMessages(inner));
        return batch;
    }

    /** What all messages of a batch have in common. */
    private static void fillHead(MessageExtBrokerInner message, JSONObject planned) throws IOException {
        message.setTopic(planned.getString("topic"));
        message.setQueueId(planned.getIntValue("queueId"));
        message.setSysFlag(planned.getIntValue("sysFlag"));
        message.setBornTimestamp(planned.getLongValue("bornAtMs"));
        message.setBornHost(host(planned.getJSONObject("bornHost")));
        message.setStoreHost(host(planned.getJSONObject("storeHost")));
        message.setReconsumeTimes(planned.getIntValue("reconsumeTimes"));
        message.setPreparedTransactionOffset(planned.getLongValue("preparedTransactionOffset"));
    }

    private static byte[] body(JSONObject planned) {
        return Base64.getDecoder().decode(planned.getString("body"));
    }

    private static Map<String, String> properties(JSONObject planned) {
        Map<String, String> properties = new LinkedHashMap<>();
        planned.getJSONObject("properties").forEach((name, value) -> properties.put(name, (String) value));
        return properties;
    }

    private static InetSocketAddress host(JSONObject host) throws IOException {
        // The plan has addresses only, so this asks no name server.
        return new InetSocketAddress(InetAddress.getByName(host.getString("address")), host.getIntValue("port"));
    }
}
