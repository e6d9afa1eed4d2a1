package clients;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.ClientConfig;

/** Which command does what; clients are kept under the names that {@code as} gives them, until they are stopped. */
final class Commands {
    interface Command {
        Object run(Arguments call) throws Exception;
    }

    /** Short, so that a test of a minute sees many of each; a client's own defaults are 30 s and 5 s. */
    private static final int NAME_SERVER_POLL_MS = 1000;
    private static final int HEARTBEAT_MS = 1000;
    private static final int PERSIST_MS = 1000;
    /** Longer than the 3 s of a client's own: a JVM that comes up on a busy machine takes longer for its first call alone. */
    static final int TIMEOUT_MS = 15_000;

    private final Map<String, Command> commands = new LinkedHashMap<>();
    private final Map<String, Runnable> stops = new ConcurrentHashMap<>();

    Commands(Journal journal) {
        commands.put("stop", call -> {
            stops.remove(call.text("as")).run();
            return null;
        });
        Producers producers = new Producers(journal, this);
        producers.addTo(commands);
        new Transactions(journal, this).addTo(commands);
        new Requests(journal, producers).addTo(commands);
        new PushConsumers(journal, this, producers).addTo(commands);
        new LitePulls(this).addTo(commands);
        new Pulls(this).addTo(commands);
    }

    Object run(Arguments call) throws Exception {
        Command command = commands.get(call.text("do"));
        if (command == null) {
            throw new UnsupportedOperationException("no command is called " + call.text("do"));
        }
        return command.run(call);
    }

    /** What every client is told, and how it is stopped. A name of its own gives each its own connections. */
    void configure(ClientConfig client, Arguments call, Runnable stop) {
        client.setNamesrvAddr(call.text("nameServer"));
        client.setInstanceName(call.text("instance", call.text("as") + "-" + ProcessHandle.current().pid()));
        client.setClientIP("127.0.0.1");
        client.setPollNameServerInterval(NAME_SERVER_POLL_MS);
        client.setHeartbeatBrokerInterval(HEARTBEAT_MS);
        client.setPersistConsumerOffsetInterval(PERSIST_MS);
        client.setMqClientApiTimeout(TIMEOUT_MS);
        stops.put(call.text("as"), stop);
    }

    void stopAll() {
        List<Runnable> left = new ArrayList<>(stops.values());
        stops.clear();
        left.forEach(Runnable::run);
    }
}
