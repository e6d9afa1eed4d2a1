package golden;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import org.apache.rocketmq.auth.config.AuthConfig;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/**
 * Writes every key that a {@code broker.conf} of Apache RocketMQ can set, with its default, one {@code name=value} a line.
 * Defaults that are facts of the machine are left empty.
 */
public final class BrokerKeys {
    private static final Set<String> FROM_MACHINE = Set.of("brokerIP1", "brokerIP2", "brokerName", "storePathRootDir");

    private BrokerKeys() {
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> keys = new TreeMap<>();
        List<Object> configs = List.of(new AuthConfig(), new NettyClientConfig(), new NettyServerConfig(),
            new MessageStoreConfig(), new BrokerConfig());
        for (Object config : configs) {
            Properties properties = MixAll.object2Properties(config);
            for (String name : properties.stringPropertyNames()) {
                keys.put(name, FROM_MACHINE.contains(name) ? "" : properties.getProperty(name));
            }
        }
        StringBuilder lines = new StringBuilder();
        keys.forEach((name, value) -> lines.append(name).append('=').append(value).append('\n'));
        Path file = Path.of(arguments[0]);
        Files.createDirectories(file.getParent());
        Files.writeString(file, lines);
    }
}
