import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONObject;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * mqadmin for one command after another, so that only the first waits for a JVM: {"call": 1, "do": ["clusterList", "-n", …]}
 * is answered with {"call": 1, "result": what it printed}. Run from source, with the servers' classes beside it.
 */
public final class Mqadmin {
    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JSONObject call = JSON.parseObject(line);
            ByteArrayOutputStream said = new ByteArrayOutputStream();
            PrintStream ear = new PrintStream(said, true, StandardCharsets.UTF_8);
            System.setOut(ear);
            System.setErr(ear);
            MQAdminStartup.main0(call.getJSONArray("do").toArray(new String[0]), null);
            ear.flush();
            answers.println(JSON.toJSONString(Map.of("call", call.get("call"), "result", said.toString(StandardCharsets.UTF_8))));
        }
        System.exit(0);
    }
}
