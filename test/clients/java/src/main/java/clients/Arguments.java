package clients;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The arguments of one command. */
final class Arguments {
    private final JsonObject values;

    Arguments(JsonObject values) {
        this.values = values;
    }

    boolean has(String name) {
        return values.has(name) && !values.get(name).isJsonNull();
    }

    String text(String name) {
        if (!has(name)) {
            throw new IllegalArgumentException(name + " is missing in " + values);
        }
        return values.get(name).getAsString();
    }

    String text(String name, String otherwise) {
        return has(name) ? text(name) : otherwise;
    }

    int number(String name) {
        return Integer.parseInt(text(name));
    }

    int number(String name, int otherwise) {
        return has(name) ? number(name) : otherwise;
    }

    long instant(String name, long otherwise) {
        return has(name) ? Long.parseLong(text(name)) : otherwise;
    }

    boolean on(String name) {
        return has(name) && values.get(name).getAsBoolean();
    }

    /** Empty where it is missing. */
    List<String> texts(String name) {
        List<String> texts = new ArrayList<>();
        if (has(name)) {
            for (JsonElement element : (JsonArray) values.get(name)) {
                texts.add(element.isJsonNull() ? null : element.getAsString());
            }
        }
        return texts;
    }

    /** Which of the objects of a list the message of that number takes; an empty one where the list has null or is missing. */
    JsonObject inTurn(String name, int id) {
        JsonArray objects = has(name) ? (JsonArray) values.get(name) : new JsonArray();
        JsonElement object = objects.isEmpty() ? JsonNull.INSTANCE : objects.get(id % objects.size());
        return object.isJsonNull() ? new JsonObject() : object.getAsJsonObject();
    }

    /** For each name, values that messages take in turn. */
    Map<String, List<String>> lists(String name) {
        Map<String, List<String>> lists = new LinkedHashMap<>();
        if (has(name)) {
            JsonObject object = values.getAsJsonObject(name);
            for (String key : object.keySet()) {
                lists.put(key, new Arguments(object).texts(key));
            }
        }
        return lists;
    }
}
