package apachestore;

import com.alibaba.fastjson2.JSON;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * {@code write | list | load | open}, each with {@code --dir D} and the sizes of the store as flags, and {@code filter}, which needs
 * no store. Prints JSON lines.
 * Exit codes: 0 done, 1 failed, 137 halted on purpose (as kill -9 would).
 */
public final class Main {
    static final int HALTED = 137;

    private static final PrintStream OUT =
        new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);

    private Main() {
    }

    public static void main(String[] arguments) {
        try {
            Flags flags = new Flags(arguments, 1);
            switch (arguments[0]) {
                case "write" -> Write.run(flags);
                case "list" -> Listing.run(flags);
                case "load" -> Load.run(flags);
                case "open" -> Open.run(flags);
                case "list-tables" -> Tables.list(flags);
                case "write-tables" -> Tables.write(flags);
                case "filter" -> Filter.run(flags);
                default -> throw new IllegalArgumentException("unknown verb " + arguments[0]);
            }
        } catch (Throwable failure) {
            failure.printStackTrace();
            OUT.flush();
            Runtime.getRuntime().halt(1); // The store's threads would keep the process alive.
        }
    }

    static void print(Map<String, Object> line) {
        OUT.println(JSON.toJSONString(line));
    }

    static void flush() {
        OUT.flush();
    }
}
