package clients;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Reads commands, one JSON object a line: {@code {"call": 1, "do": "push", "as": "c1", …}}. Each is answered with
 * {@code {"call": 1, "result": …}} or {@code {"call": 1, "error": …}}; what clients do meanwhile stands between the answers
 * as journal lines. Ends with its input. See ../../../../../README.md for the commands.
 *
 * <p>Commands run beside one another, so that a long send does not hold up the others.
 */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        // Whatever a library prints must not come between the lines.
        PrintStream lines = System.out;
        System.setOut(System.err);
        Journal journal = new Journal(lines);
        Commands commands = new Commands(journal);
        ExecutorService running = Executors.newCachedThreadPool();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            Arguments call = new Arguments(new Gson().fromJson(line, JsonObject.class));
            running.execute(() -> answer(call, commands, journal));
        }
        commands.stopAll();
        // Threads of clients that were left running do not hold up the end.
        System.exit(0);
    }

    private static void answer(Arguments call, Commands commands, Journal journal) {
        int number = call.number("call");
        try {
            Object result = commands.run(call);
            journal.line("call", number, "result", result == null ? new JsonObject() : result);
        } catch (Throwable error) {
            // Whatever went wrong is the answer; the scenario judges it.
            journal.line("call", number, "error", Journal.told(error));
        }
    }
}
