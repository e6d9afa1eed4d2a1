package clients;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.hook.SendMessageContext;
import org.apache.rocketmq.client.hook.SendMessageHook;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages of which the producer decides only after they were sent, or when the broker asks. */
final class Transactions {
    /** A half message as it was sent, to decide about it once more. */
    private record Half(Message message, TransactionSendResult result) { }

    private static final int SEND_TIMEOUT_MS = 10_000;

    private final Map<String, TransactionMQProducer> producers = new ConcurrentHashMap<>();
    private final Map<Integer, Half> halves = new ConcurrentHashMap<>();
    /** Where a half message was stored, by its id: what the client gives back does not say so. */
    private final Map<String, String> places = new ConcurrentHashMap<>();
    private final Journal journal;
    private final Commands owner;

    Transactions(Journal journal, Commands owner) {
        this.journal = journal;
        this.owner = owner;
    }

    void addTo(Map<String, Commands.Command> commands) {
        commands.put("transactionProducer", this::start);
        commands.put("sendHalf", this::send);
        commands.put("endAgain", this::endAgain);
    }

    private Object start(Arguments call) throws Exception {
        String by = call.text("as");
        TransactionMQProducer producer = new TransactionMQProducer(call.text("group"));
        owner.configure(producer, call, producer::shutdown);
        // A half message that was stored although nobody said so is asked about: once more would be another one.
        producer.setRetryTimesWhenSendFailed(0);
        producer.setSendMsgTimeout(SEND_TIMEOUT_MS);
        List<String> answers = call.texts("answers");
        int askedMin = call.number("askedMin", 1);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object decision) {
                journal.line("event", "executed", "by", by, "id", Bodies.idOf(message.getBody()));
                return stateOf((String) decision);
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                Map<String, Object> asked = Bodies.described(message);
                int times = Integer.parseInt(message.getProperty("TRANSACTION_CHECK_TIMES"));
                asked.put("event", "asked");
                asked.put("by", by);
                asked.put("times", times);
                journal.line(asked);
                return times < askedMin ? LocalTransactionState.UNKNOW : stateOf(inTurn(answers, (int) asked.get("id")));
            }
        });
        producer.getDefaultMQProducerImpl().registerSendMessageHook(new SendMessageHook() {
            @Override
            public String hookName() {
                return "places";
            }

            @Override
            public void sendMessageBefore(SendMessageContext context) {
                // Nothing is known yet.
            }

            @Override
            public void sendMessageAfter(SendMessageContext context) {
                if (context.getSendResult() != null) {
                    places.put(context.getSendResult().getMsgId(), context.getSendResult().getOffsetMsgId());
                }
            }
        });
        producer.start();
        producers.put(by, producer);
        return null;
    }

    private Object send(Arguments call) throws Exception {
        List<String> decisions = call.texts("decisions");
        int from = call.number("from", 0);
        for (int id = from; id < from + call.number("count", 1); id++) {
            Message message = Producers.message(call, id);
            try {
                TransactionSendResult result =
                    producers.get(call.text("as")).sendMessageInTransaction(message, inTurn(decisions, id));
                result.setOffsetMsgId(places.remove(result.getMsgId()));
                halves.put(id, new Half(message, result));
                journal.line("event", "half", "by", call.text("as"), "id", id, "status", result.getSendStatus().name(),
                    "state", result.getLocalTransactionState().name(), "uniqueId", result.getMsgId(),
                    "transactionId", result.getTransactionId());
            } catch (Exception error) {
                journal.unsent(call.text("as"), id, error);
            }
            Thread.sleep(call.number("everyMs", 0));
        }
        return null;
    }

    /** Nobody says this twice, or late, of his own accord. */
    private Object endAgain(Arguments call) throws Exception {
        Half half = halves.get(call.number("id"));
        producers.get(call.text("as")).getDefaultMQProducerImpl()
            .endTransaction(half.message, half.result, stateOf(call.text("decision")), null);
        return null;
    }

    private static String inTurn(List<String> decisions, int id) {
        return decisions.get(id % decisions.size());
    }

    private static LocalTransactionState stateOf(String decision) {
        switch (decision) {
            case "commit":
                return LocalTransactionState.COMMIT_MESSAGE;
            case "rollback":
                return LocalTransactionState.ROLLBACK_MESSAGE;
            case "unknown":
                return LocalTransactionState.UNKNOW;
            default:
                throw new IllegalStateException("the application fails: " + decision);
        }
    }
}
