package apachestore;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.filter.SqlFilter;
import org.apache.rocketmq.filter.expression.EvaluationContext;
import org.apache.rocketmq.filter.expression.Expression;
import org.apache.rocketmq.filter.expression.MQFilterException;

/**
 * What Apache RocketMQ's SQL92 filter says to each expression and each set of properties of {@code --cases}: a JSON file
 * {@code {"propertySets":[{"name":"value"}],"expressions":["text"]}}. One line per expression:
 * {@code {"expression":…,"outcomes":"tfnx…"}}, a letter per set, and no outcomes if it does not compile.
 */
final class Filter {
    private Filter() {
    }

    static void run(Flags flags) throws Exception {
        Path cases = Path.of(flags.text("cases"));
        flags.refuseOthers();
        JSONObject wanted = JSON.parseObject(Files.readString(cases));
        List<Map<String, String>> propertySets = new ArrayList<>();
        for (Object properties : wanted.getJSONArray("propertySets")) {
            Map<String, String> texts = new HashMap<>();
            ((JSONObject) properties).forEach((name, value) -> texts.put(name, (String) value));
            propertySets.add(texts);
        }
        for (Object expression : wanted.getJSONArray("expressions")) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("expression", expression);
            line.put("outcomes", outcomes((String) expression, propertySets));
            Main.print(line);
        }
        Main.flush();
    }

    private static String outcomes(String text, List<Map<String, String>> propertySets) {
        Expression expression;
        try {
            expression = new SqlFilter().compile(text);
        } catch (MQFilterException refused) {
            return null;
        }
        StringBuilder outcomes = new StringBuilder();
        for (Map<String, String> properties : propertySets) {
            outcomes.append(outcome(expression, properties));
        }
        return outcomes.toString();
    }

    /** True, false, nothing; {@code x} if a text is not the number that it should be, {@code c} if types do not go together. */
    private static char outcome(Expression expression, Map<String, String> properties) {
        try {
            Object result = expression.evaluate(new Properties(properties));
            return result == null ? 'n' : (Boolean) result ? 't' : 'f';
        } catch (Exception failure) {
            Throwable cause = failure;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return cause instanceof NumberFormatException ? 'x' : 'c';
        }
    }

    private record Properties(Map<String, String> values) implements EvaluationContext {
        @Override
        public Object get(String name) {
            return values.get(name);
        }

        @Override
        public Map<String, Object> keyValues() {
            return new HashMap<>(values);
        }
    }
}
